"""List registers in the index: numbers grouped by their high bits into Roaring bitmaps, a row or a few a shard.

30 million numbers take two bytes each; a look-up reads one row of a few kilobytes at any size of the list, and
nothing is held in memory but which snapshot is active and what it covers.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson
from pyroaring import BitMap

from vaglio.errors import StoreError
from vaglio.index.instants import from_micros

SHARD_BITS: Final = 16
_LOW: Final = (1 << SHARD_BITS) - 1

_LOOK_UP: Final = """
SELECT numbers FROM register_shard WHERE snapshot = ? AND shard = ? AND first <= ? ORDER BY first DESC LIMIT 1
"""
_ACTIVE: Final = "SELECT id, register, as_of, coverage FROM register_snapshot WHERE state = 'active'"


@dataclass(frozen=True, slots=True)
class ActiveSnapshot:
    """The list of one register that answers now."""

    id: int
    as_of: int
    """Microseconds since the epoch."""
    date: datetime
    source: str
    prefixes: frozenset[str] | None
    """E.164 prefixes that the list covers; None covers every number."""
    lengths: tuple[int, ...]

    def covers(self, key: int) -> bool:
        """Whether the list would hold the number, had it been opposed."""
        if self.prefixes is None:
            return True
        digits = str(key)
        return any(digits[:length] in self.prefixes for length in self.lengths)


def active_snapshots(database: sqlite3.Connection) -> dict[str, ActiveSnapshot]:
    """The active snapshot of every list register, by the register's name."""
    found = {}
    for snapshot, register, as_of, coverage in database.execute(_ACTIVE):
        prefixes = None if coverage is None else frozenset(map(str, orjson.loads(coverage)))
        lengths = tuple(sorted({len(prefix) for prefix in prefixes or ()}))
        found[register] = ActiveSnapshot(snapshot, as_of, from_micros(as_of), str(snapshot), prefixes, lengths)
    return found


def listed(database: sqlite3.Connection, snapshot: int, key: int) -> bool:
    """Whether a snapshot's list holds the number.

    Raises sqlite3.Error when the index cannot be read, StoreError when the bitmap is damaged.
    """
    row = database.execute(_LOOK_UP, (snapshot, key >> SHARD_BITS, key & _LOW)).fetchone()
    return row is not None and holds(row[0], key)


def holds(numbers: bytes, key: int) -> bool:
    """Whether a shard's bitmap holds the number.

    Raises StoreError when the bitmap is damaged.
    """
    try:
        return (key & _LOW) in BitMap.deserialize(numbers)
    except ValueError as error:
        raise StoreError(
            "index: a register's shard is damaged; find it with vaglio index verify, "
            "then import the register again: vaglio register import NAME FILE"
        ) from error
