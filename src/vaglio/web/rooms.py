"""What the doors open onto: the site's rooms, opened once a process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing
from dataclasses import dataclass, field

from vaglio.audit import EntryKind, Keys, Writer, make, redacted
from vaglio.audit import Reader as LogReader
from vaglio.changes import Changes
from vaglio.clock import now
from vaglio.index.reader import Reader as IndexReader
from vaglio.index.store import Store
from vaglio.numbers import Number
from vaglio.screening import Screener
from vaglio.site import Site
from vaglio.web.access.accounts import Accounts
from vaglio.web.access.answered import Answered
from vaglio.web.access.caller import Caller
from vaglio.web.access.doorkeeper import Doorkeeper
from vaglio.web.access.store import AccessStore
from vaglio.web.metrics import WebMetrics
from vaglio.web.scrubbing import Jobs
from vaglio.web.verifying import Verifying


@dataclass(slots=True)
class Rooms:
    """Open rooms. Reads of few rows may be made on the event loop; longer ones open their readers in a thread."""

    site: Site
    index: IndexReader
    log: LogReader
    keys: Keys
    screener: Screener
    writer: Writer
    store: Store
    changes: Changes
    access: AccessStore
    accounts: Accounts
    doorkeeper: Doorkeeper
    answered: Answered
    metrics: WebMetrics
    verifying: Verifying
    scrubs: Jobs
    loads_under_way: int = 0
    """Bodies of many facts that are being taken in."""
    reporting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a report is made: one at a time."""

    async def note_access(
        self,
        caller: Caller,
        access: str,
        fields: Mapping[str, object] | None = None,
        *,
        number: Number | None = None,
    ) -> int:
        """Enter into the log that somebody is about to see or use personal data; durable before it happens.

        Raises:
            StoreError: when it cannot be written; then nothing may be shown.
        """
        told = {key: redacted(one) if isinstance(one, str) else one for key, one in (fields or {}).items()}
        entry = make(EntryKind.ACCESS, now(), {"access": access, **caller.origin, **told}, number=number)
        return await self.writer.append(entry)

    def reload(self) -> None:
        """Take over changed rulebooks and settings that decisions rest on; files are read, so call it in a thread.

        Raises:
            VaglioError: when something in them is wrong; the old ones stay.
        """
        site = Site.at(self.site.settings.file)
        screener = Screener(self.index, self.log, self.keys, site.rulebooks(), site.emergency())
        screener.rulebooks.warm(now())
        self.site, self.screener = site, screener


@asynccontextmanager
async def open_rooms(site: Site) -> AsyncIterator[Rooms]:
    """Open all rooms, and close them in the end.

    Raises:
        VaglioError: when one cannot be opened; it says why.
    """
    keys = site.keys()
    rulebooks = site.rulebooks()
    rulebooks.warm(now())
    with (
        IndexReader.open(site.index_file) as index,
        LogReader(site.log_file) as log,
        closing(AccessStore(site.accounts_file)) as access,
    ):
        async with (
            Writer(site.log_file, keys) as writer,
            await Store.open(site.index_file) as store,
            aclosing(Jobs(site.accounts_file.with_name("uploads"), site.settings.file)) as scrubs,
            AsyncExitStack() as stack,
        ):
            verifying = Verifying()
            stack.push_async_callback(verifying.close)
            yield Rooms(
                site=site,
                index=index,
                log=log,
                keys=keys,
                screener=Screener(index, log, keys, rulebooks, site.emergency()),
                writer=writer,
                store=store,
                changes=Changes(store, writer),
                access=access,
                accounts=Accounts(access),
                doorkeeper=Doorkeeper(access),
                answered=Answered(access, keys),
                metrics=WebMetrics(),
                verifying=verifying,
                scrubs=scrubs,
            )
