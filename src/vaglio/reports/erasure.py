"""Erasing a person (GDPR art. 17): what goes, what must stay, and why.

First the facts in index.db, announced and confirmed like every change; then the numbers behind the log's entries.
The announcement holds neither the number nor a commitment to it. Entries stay, so every proof still holds.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from vaglio.audit import EntryKind, Reader, Record
from vaglio.audit.erasing import Erased, erase, keep_objections
from vaglio.changes import Announcement, Change
from vaglio.index.erasure import ErasedFacts, erase_facts
from vaglio.index.holdings import handed_over, register_lists
from vaglio.model import Reason
from vaglio.numbers import Number
from vaglio.site import Site

DOCUMENTED_DAYS: Final[Mapping[str, int]] = MappingProxyType({"DE": 1826, "US": 1826})
"""Country → days for which a law has the caller document a consent, from its giving and from each use: Germany
UWG s. 7a(2), United States 16 CFR 310.5 (five years each)."""

KEPT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "opposition": "kept to honour the objection (GDPR art. 17(3)(b), 21(3))",
        "withdrawal": "kept so that no file brings the consent back (GDPR art. 7(3), 17(3)(b))",
        "consent": "documented for five years by law (DE: UWG s. 7a(2); US: 16 CFR 310.5); withdrawn as of now",
        "register": "the public register's own list, held to honour it (GDPR art. 17(3)(b))",
        "request": "what a register was asked, to hold its answers against it (GDPR art. 17(3)(b), (e))",
    }
)
OTHERS: Final = "of another controller, who was not asked"


@dataclass(frozen=True, slots=True)
class SubjectErasure:
    """What was done."""

    announcement: Announcement
    facts: ErasedFacts
    log: Erased
    registers: int
    requests: int

    @property
    def document(self) -> dict[str, Any]:
        """What is gone and what stays, by kind, with the reason."""
        kept = [
            {"what": what, "count": count, "why": KEPT[what]}
            for what, count in (
                *self.facts.kept.items(),
                ("register", self.registers),
                ("request", self.requests),
            )
            if count
        ]
        kept += [
            {"what": "number behind a log entry", "count": count, "why": why}
            for why, count in sorted(Counter(self.log.kept.values()).items())
        ]
        gone = {**self.facts.erased, "number behind a log entry": len(self.log.erased)}
        return {
            "entry": self.announcement.id,
            "erased": {what: count for what, count in gone.items() if count},
            "kept": kept,
            "wiped": self.facts.wiped,
        }


async def erase_subject(
    site: Site, number: Number, request: str | None, at: datetime, controller: str | None = None
) -> SubjectErasure:
    """Erase what may be erased about a number, for one controller or for all.

    Run again after an interruption it goes on where it stopped.

    Args:
        site: the installation.
        number: one with E.164.
        request: how it was asked for, if told; kept in the log, numbers in it masked.
        at: now.
        controller: whose data; None is everybody's.

    Raises:
        StoreError: when a database cannot be written.
    """
    keys, e164 = site.keys(), f"+{number.key}"
    with Reader(site.log_file) as log:
        records = log.by_token(keys.token(e164))
    days = DOCUMENTED_DAYS.get(number.country or "")
    since = at - timedelta(days=days) if days else None
    used = _used(records, since) if since else frozenset()

    async with site.changes() as (changes, store):
        announced, facts = await changes.make(
            Change.ERASURE,
            {"request": request, "controller": controller},
            lambda entry: erase_facts(
                store,
                number.key,
                entry=entry,
                at=at,
                controller=controller,
                documented_since=since,
                documented=used,
            ),
            result=lambda done: {"erased": sum(done.erased.values()), "kept": sum(done.kept.values())},
        )
    keep = partial(_kept, controller=controller, consents=facts.consents)
    gone = await asyncio.to_thread(erase, site.log_file, keys, e164, at, keep)
    lists = await asyncio.to_thread(register_lists, site.index_file, number.key)
    handed = await asyncio.to_thread(handed_over, site.index_file, number.key)
    own: Callable[[Mapping[str, Any]], bool] = lambda one: controller in {None, one["controller"]}  # noqa: E731
    return SubjectErasure(announced, facts, gone, len(lists), sum(map(own, handed)))


def _used(records: Iterable[Record], since: datetime) -> frozenset[int]:
    """The entries of consents that a call rested on since then."""
    return frozenset(entry for record in records if record.at >= since for entry in _rested_on(record))


def _rested_on(record: Record) -> Collection[int]:
    body = record.body
    if record.kind != EntryKind.DECISION or body.get("reason") != Reason.CONSENT:
        return ()
    return [int(entry) for entry in body["facts"].get("consents", ())]


def _kept(record: Record, controller: str | None, consents: Collection[int]) -> str | None:
    """Why the number behind an entry must stay; None when it may go."""
    if controller is not None and record.body.get("controller") != controller:
        return OTHERS
    if record.seq in consents or any(entry in consents for entry in _rested_on(record)):
        return KEPT["consent"]
    return keep_objections(record)
