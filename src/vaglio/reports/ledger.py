"""The part of the log that a report rests on: entries of a period, all of them under one signed checkpoint.

Entries are never changed, so what is counted up to the checkpoint stays what it is while others are appended: the
figures agree with each other, and whoever holds the checkpoint can count them again.
"""

import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from vaglio.audit.canonical import microseconds
from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.store import IN_PASSING, explained, open_reading
from vaglio.audit.tree import last_checkpoint, signing_keys
from vaglio.errors import InputError, NotFoundError
from vaglio.index.rows import Progress

OnProgress = Callable[[Progress], None]

_CHUNK: Final = 20_000
"""Entries counted at a time: some 30 MB, which the machine still holds when the next statement reads them."""
_QUARTER: Final = 15 * 60 * 1_000_000
"""Microseconds; every zone's days begin at such a step."""
_REMEMBERED: Final = 100_000
_BOUNDS: Final = """
SELECT min(seq), max(CASE WHEN seq <= :size THEN seq END), sum(seq > :size)
FROM entry WHERE at >= :since AND at < :until"""


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a report is about."""

    since: datetime
    """Aware."""
    until: datetime
    """Not included."""

    def __post_init__(self) -> None:
        if self.until <= self.since:
            raise InputError("--to: is not after --from; the day after the last one is named, such as 2026-12-01")


@dataclass(frozen=True, slots=True)
class Basis:
    """What the figures can be checked against."""

    origin: str
    """The log's name."""
    checkpoint_size: int
    """Entries under the checkpoint."""
    checkpoint_root: str
    """Base64 of the Merkle tree's root over them."""
    keys: tuple[str, ...]
    """The log's public keys, oldest first."""
    first: int | None
    """Sequence number of the period's first entry; None without any."""
    last: int | None
    unsealed: int
    """Entries of the period that no checkpoint covers yet: they are not counted."""


class Ledger:
    """Reads what the newest checkpoint covers of a period; made by `opened`."""

    def __init__(self, log: Path, connection: sqlite3.Connection, period: Period, checkpoint: Checkpoint) -> None:
        self.log = log
        self.period = period
        self.checkpoint = checkpoint
        self.connection = connection
        self.bounds: dict[str, object] = {
            "size": checkpoint.size,
            "since": microseconds(period.since),
            "until": microseconds(period.until),
        }
        first, last, unsealed = connection.execute(_BOUNDS, self.bounds).fetchone()
        self.basis = Basis(
            checkpoint.origin,
            checkpoint.size,
            b64encode(checkpoint.root).decode("ascii"),
            tuple(key.verifier.vkey for key in signing_keys(connection)),
            first if last is not None else None,
            last,
            unsealed or 0,
        )

    def rows(self, statement: str, values: Mapping[str, object] | None = None) -> Iterator[tuple[object, ...]]:
        """What a statement finds; `size`, `since` and `until` are bound."""
        with explained(self.log):
            yield from self.connection.execute(statement, {**self.bounds, **(values or {})})

    def scan(
        self, statement: str, values: Mapping[str, object], on_progress: OnProgress | None
    ) -> Iterator[tuple[object, ...]]:
        """What a statement finds in each stretch of the period's entries, bound as `first` and `last`."""
        if self.basis.first is None or self.basis.last is None:
            return
        begin, end = self.basis.first, self.basis.last
        for first in range(begin, end + 1, _CHUNK):
            last = min(first + _CHUNK - 1, end)
            yield from self.rows(statement, {**values, "first": first, "last": last})
            if on_progress is not None:
                on_progress(Progress(last - begin + 1, end - begin + 1, last - begin + 1))


@contextmanager
def opened(log: Path, period: Period, zone_of: Callable[[str | None], ZoneInfo | None]) -> Iterator[Ledger]:
    """Open the log for a report; statements can ask `day(at, campaign)` for the day in that campaign's zone.

    Raises:
        NotFoundError: when no checkpoint was signed yet.
        StoreError: when the log cannot be read.
    """
    with closing(open_reading(log, IN_PASSING)) as connection, explained(log):
        checkpoint = last_checkpoint(connection)
        if checkpoint is None:
            raise NotFoundError(f"{log}: no checkpoint yet; run `vaglio audit checkpoint`")
        connection.create_function("day", 2, _day(zone_of), deterministic=True)
        yield Ledger(log, connection, period, checkpoint)


def _day(zone_of: Callable[[str | None], ZoneInfo | None]) -> Callable[[int, str | None], str]:
    known: dict[tuple[int, str | None], str] = {}

    def day(at: int, campaign: str | None) -> str:
        key = (at // _QUARTER, campaign)
        found = known.get(key)
        if found is None:
            if len(known) >= _REMEMBERED:
                known.clear()
            found = datetime.fromtimestamp(at // 1_000_000, zone_of(campaign) or UTC).date().isoformat()
            known[key] = found
        return found

    return day
