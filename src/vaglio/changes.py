"""A change of the facts: announced in the log, made in the index, confirmed in the log.

Whoever stops between two of the three steps leaves a trace that `reconcile` finishes: the announcement names the
change, the index notes which announcements it has made, so the missing confirmation can be written later.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from vaglio.audit import EntryKind, Writer, make, redacted
from vaglio.audit import Reader as LogReader
from vaglio.audit.canonical import timestamp
from vaglio.clock import Clock, now
from vaglio.errors import StoreError
from vaglio.index.records import OppositionRecord
from vaglio.index.store import Counts, Store
from vaglio.numbers import Number
from vaglio.turn import alone

_T = TypeVar("_T")


class Change(StrEnum):
    """What is changed; the `change` of an announcement."""

    CAMPAIGNS = "campaigns"
    OPPOSITION = "opposition"
    OPPOSITION_LIFTED = "opposition-lifted"
    OPPOSITION_IMPORT = "opposition-import"
    CONSENT = "consent"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    CONSENT_IMPORT = "consent-import"
    WITHDRAWAL_IMPORT = "withdrawal-import"
    RELATIONSHIP = "relationship"
    RELATIONSHIP_IMPORT = "relationship-import"
    CONTACT = "contact"
    CONTACT_IMPORT = "contact-import"
    REGISTER_IMPORT = "register-import"
    REGISTER_REQUEST = "register-request"
    ERASURE = "erasure"
    """A person's facts, on request; the announcement does not tell whose."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A change that may now be made."""

    id: str
    """ULID of the announcing entry; what the person who asked is told."""
    entry: int
    """Its sequence number: the `entry` of every fact it makes."""


class Changes:
    """Makes changes; one an open index and log. Several processes may make changes at once."""

    def __init__(self, store: Store, writer: Writer, clock: Clock = now) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock

    async def make(
        self,
        change: Change,
        fields: Mapping[str, object],
        apply: Callable[[int], Awaitable[_T]],
        *,
        number: Number | None = None,
        result: Callable[[_T], Mapping[str, object]] | None = None,
    ) -> tuple[Announcement, _T]:
        """Announce, apply, confirm.

        `apply` gets the announcing entry's sequence number and makes the change in the index. `result` turns what
        it returned into the fields of the confirmation. Free texts in `fields` are redacted here.

        Raises:
            VaglioError: whatever `apply` raised, after the log was told that the change was abandoned.
        """
        async with _underway(self._store.path):
            entry = make(
                EntryKind.CHANGE_ANNOUNCED,
                self._clock(),
                {"change": change.value, **_redacted(fields)},
                number=number,
            )
            announced = Announcement(entry.id, await self._writer.append(entry))
            try:
                made = await apply(announced.entry)
            except BaseException:
                if not await self._store.applied(announced.entry):
                    await self._close(EntryKind.CHANGE_ABANDONED, announced.id, {})
                raise
            await self._close(EntryKind.CHANGE_CONFIRMED, announced.id, result(made) if result else {})
            return announced, made

    async def oppose(
        self, record: OppositionRecord, number: Number, origin: Mapping[str, object]
    ) -> tuple[Announcement, Counts]:
        """Record one person's opposition; it binds from the next call on. `origin` tells how it came in."""
        fields = {
            **origin,
            "controller": record.controller,
            "purpose": record.purpose,
            "opposed_at": timestamp(record.opposed_at),
            "channel": record.channel,
            "evidence_uri": record.evidence_uri,
        }
        return await self.make(
            Change.OPPOSITION,
            fields,
            lambda entry: self._store.add_oppositions([record], entry=entry),
            number=number,
            result=asdict,
        )

    async def reconcile(self, log: LogReader) -> int:
        """Finish what a crash left between announcement and confirmation; returns how many changes that were.

        Does nothing while another process is making a change: its announcement is not a trace but its work.

        Raises:
            StoreError: when a database cannot be read or written.
        """
        with alone(_lock_file(self._store.path)) as undisturbed:
            if not undisturbed:
                return 0
            left = await asyncio.to_thread(log.unconfirmed)
            for record in left:
                if await self._store.applied(record.seq):
                    await self._close(EntryKind.CHANGE_CONFIRMED, record.id, {"reconciled": True})
                else:
                    partly = await self._store.begun(record.seq)
                    await self._close(
                        EntryKind.CHANGE_ABANDONED, record.id, {"reconciled": True, "partly": partly}
                    )
            return len(left)

    async def _close(self, kind: EntryKind, announcement: str, fields: Mapping[str, object]) -> None:
        await self._writer.append(make(kind, self._clock(), {"ref": announcement, **_redacted(fields)}))


def _redacted(fields: Mapping[str, object]) -> dict[str, object]:
    return {key: redacted(value) if isinstance(value, str) else value for key, value in fields.items()}


@asynccontextmanager
async def _underway(index: Path) -> AsyncIterator[None]:
    """While a change is made: shared with other changes, not with a reconciliation."""
    lock = await asyncio.to_thread(_open, index)
    try:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


def _lock_file(index: Path) -> Path:
    return index.with_name(f"{index.name}.changes")


def _open(index: Path) -> int:
    try:
        return os.open(_lock_file(index), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise StoreError(
            f"{index}: cannot open the changes' lock beside it ({error.strerror}); "
            "give the service's user write access to the directory"
        ) from error
