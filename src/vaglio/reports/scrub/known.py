"""What the index holds of many numbers at once: who is known at all, and what each register says.

A connection of its own, all reads in one transaction. Numbers come in ascending order, so tables are read along
their keys: where many numbers are asked of few rows the rows are read through, else each number is looked up.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from pyroaring import BitMap

from vaglio.errors import StoreError
from vaglio.index import database
from vaglio.index.instants import from_micros
from vaglio.index.shards import SHARD_BITS, ActiveSnapshot, active_snapshots
from vaglio.model import RegisterState, RegisterStatus
from vaglio.reports.scrub.reading import Flags, Keys, Places

_STRETCH: Final = 8192
"""Numbers asked between two decisions on how to read."""
_THROUGH: Final = 6
"""Rows read through in the time of one look-up."""
_AT_ONCE: Final = 500
_VERDICTS: Final = (
    "SELECT number, register, controller, opposed, as_of, consents_void_until, batch FROM register_verdict"
)
_FACTS: Final = ("opposition", "consent", "relationship", "contact")


_Answer = tuple[Any, ...]


class Known:
    """A view of the index for one batch; made by `known`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._snapshots = active_snapshots(connection)

    def with_facts(self, keys: Keys) -> Flags:
        """Which numbers (ascending, each once) have a fact of any kind, whosever."""
        found = np.zeros(len(keys), dtype=np.bool_)
        for table in _FACTS:
            for start in range(0, len(keys), _STRETCH):
                part = keys[start : start + _STRETCH]
                found[start : start + _STRETCH] |= np.isin(part, self._held(table, part))
        return found

    def _held(self, table: str, keys: Keys) -> Keys:
        """The numbers of a table, among them all that are asked for."""
        limit = _THROUGH * len(keys)
        between = f"SELECT number FROM {table} WHERE number BETWEEN ? AND ? LIMIT ?"  # noqa: S608 - a constant
        rows = self._db.execute(between, (int(keys[0]), int(keys[-1]), limit)).fetchall()
        numbers = [number for (number,) in rows]
        if len(rows) == limit:
            rest = keys[np.searchsorted(keys, np.uint64(numbers[-1]), side="right") :].tolist()
            for some in _slices(rest):
                marks = ",".join("?" * len(some))
                query = f"SELECT DISTINCT number FROM {table} WHERE number IN ({marks})"  # noqa: S608 - the same
                numbers += [number for (number,) in self._db.execute(query, some)]
        return np.array(numbers, dtype=np.uint64)

    def statuses(
        self, register: str, keys: Keys, controller: str, until: int
    ) -> tuple[Places, list[RegisterStatus]]:
        """What a register says of each number (ascending, each once): a place in the list of all that it says."""
        never = RegisterStatus(register, RegisterState.NEVER_CHECKED, None, None)
        snapshot = self._snapshots.get(register)
        if snapshot is None:
            return self._verdicts(register, keys, controller, until, never)
        if snapshot.as_of > until:
            return np.zeros(len(keys), dtype=np.int64), [never]
        told = [
            RegisterStatus(register, state, snapshot.date, snapshot.source)
            for state in (RegisterState.CLEAR, RegisterState.NOT_COVERED, RegisterState.OPPOSED)
        ]
        places = np.where(_covered(snapshot, keys), 0, 1)
        places[self._listed(snapshot.id, keys)] = 2
        return places, told

    def _listed(self, snapshot: int, keys: Keys) -> list[int]:
        """Places of the numbers that a list holds."""
        shards, starts = np.unique(keys >> np.uint64(SHARD_BITS), return_index=True)
        bounds = [*starts.tolist(), len(keys)]
        lows = (keys & np.uint64((1 << SHARD_BITS) - 1)).tolist()
        found: list[int] = []
        for place, numbers in self._bitmaps(snapshot, shards.tolist()):
            first, last = bounds[place], bounds[place + 1]
            found += [at for at in range(first, last) if lows[at] in numbers]
        return found

    def _bitmaps(self, snapshot: int, shards: list[int]) -> Iterator[tuple[int, BitMap]]:
        """The bitmaps of the shards, each with the shard's place; a shard may have several."""
        places = {shard: place for place, shard in enumerate(shards)}
        for some in _slices(shards):
            near = some[-1] - some[0] < _THROUGH * len(some)
            marks = ",".join("?" * len(some))
            within = "BETWEEN ? AND ?" if near else f"IN ({marks})"
            query = f"SELECT shard, numbers FROM register_shard WHERE snapshot = ? AND shard {within}"  # noqa: S608
            asked = (some[0], some[-1]) if near else some
            for shard, numbers in self._db.execute(query, (snapshot, *asked)):
                place = places.get(shard)
                if place is not None:
                    yield place, _bitmap(numbers)

    def _verdicts(
        self, register: str, keys: Keys, controller: str, until: int, never: RegisterStatus
    ) -> tuple[Places, list[RegisterStatus]]:
        """By the newest answer to this controller."""
        told: dict[_Answer, int] = {}
        statuses = [never]
        places = np.zeros(len(keys), dtype=np.int64)
        for start in range(0, len(keys), _STRETCH):
            part = keys[start : start + _STRETCH]
            at = {key: place for place, key in enumerate(part.tolist(), start=start)}
            for number, name, owner, *answer in self._answers(part):
                place = at.get(number)
                if place is None or name != register or owner != controller or answer[1] > until:
                    continue
                known = told.setdefault(tuple(answer), len(statuses))
                if known == len(statuses):
                    statuses.append(_status(register, *answer))
                places[place] = known
        return places, statuses

    def _answers(self, keys: Keys) -> Iterator[tuple[Any, ...]]:
        """Rows of the table of verdicts, among them all of these numbers (ascending)."""
        limit = _THROUGH * len(keys)
        between = f"{_VERDICTS} WHERE number BETWEEN ? AND ? LIMIT ?"
        rows = self._db.execute(between, (int(keys[0]), int(keys[-1]), limit)).fetchall()
        yield from rows
        if len(rows) == limit:
            for some in _slices(keys[np.searchsorted(keys, np.uint64(rows[-1][0])) :].tolist()):
                marks = ",".join("?" * len(some))
                yield from self._db.execute(f"{_VERDICTS} WHERE number IN ({marks})", some)

    @classmethod
    @contextmanager
    def of(cls, path: Path, connection: sqlite3.Connection) -> Iterator[Self]:
        """A view that stays as it is while it is used.

        Raises:
            StoreError: when the index cannot be read.
        """
        try:
            connection.execute("BEGIN")
            try:
                yield cls(connection)
            finally:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise database.unreadable(path, error) from error


def _status(register: str, opposed: int, as_of: int, void: str | None, batch: str) -> RegisterStatus:
    state = RegisterState.OPPOSED if opposed else RegisterState.CLEAR
    until = None if void is None else date.fromisoformat(void)
    return RegisterStatus(register, state, from_micros(as_of), batch, until)


def _bitmap(numbers: bytes) -> BitMap:
    try:
        return BitMap.deserialize(numbers)
    except ValueError as error:
        raise StoreError(
            "index: a register's shard is damaged; find it with vaglio index verify, "
            "then import the register again: vaglio register import NAME FILE"
        ) from error


def _covered(snapshot: ActiveSnapshot, keys: Keys) -> Flags:
    """Which numbers (ascending) a list covers."""
    if snapshot.prefixes is None:
        return np.ones(len(keys), dtype=np.bool_)
    lengths = np.array([len(str(key)) for key in keys.tolist()], dtype=np.int64)
    found = np.zeros(len(keys), dtype=np.bool_)
    for length in snapshot.lengths:
        prefixes = np.array([int(one) for one in snapshot.prefixes if len(one) == length], dtype=np.uint64)
        stems = keys // (np.uint64(10) ** np.maximum(lengths - length, 0).astype(np.uint64))
        found |= np.isin(stems, prefixes)
    return found


def _slices(values: Sequence[int]) -> Iterator[Sequence[int]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))
