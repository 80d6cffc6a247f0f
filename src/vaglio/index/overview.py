"""How fresh the registers are: what `register list` shows, and what warns before an answer expires."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from vaglio.index import database
from vaglio.index.definitions import RegisterDefinition, RegisterKind
from vaglio.index.instants import from_micros, to_micros

_SNAPSHOTS: Final = """
SELECT register, id, as_of, loaded_at, entries, coverage, file_name, forced FROM register_snapshot
WHERE state = 'active'
"""
_VERDICTS: Final = """
SELECT register, controller, count(*), sum(opposed), min(as_of), max(as_of), sum(as_of <= ?)
FROM register_verdict WHERE register = ? GROUP BY register, controller
"""
_WAITING: Final = """
SELECT register, controller, id, requested_at, numbers FROM batch WHERE answered_at IS NULL ORDER BY requested_at
"""

_TAKEN_IN: Final = """
SELECT register, CAST(id AS TEXT), loaded_at FROM register_snapshot WHERE state <> 'building'
UNION ALL SELECT register, id, answered_at FROM batch WHERE answered_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class WaitingBatch:
    """A request without its answer yet."""

    id: str
    controller: str
    requested_at: datetime
    numbers: int


@dataclass(frozen=True, slots=True)
class RegisterInfo:
    """How one register stands: a list by its active snapshot, a query register by one controller's verdicts."""

    name: str
    kind: RegisterKind
    controller: str | None = None
    """Of the verdicts; None for a list, and for a query register without any."""
    entries: int = 0
    """Numbers on the list; verdicts."""
    opposed: int = 0
    as_of: datetime | None = None
    """The list's date; the oldest verdict's. None when nothing was ever taken in."""
    newest: datetime | None = None
    age_days: float | None = None
    days_left: float | None = None
    """Until the list, or the oldest verdict, is stale by `max_age_days`; negative beyond."""
    stale: int = 0
    """Entries past the maximum age: all of a list or none, the expired ones of verdicts."""
    source: str | None = None
    """Snapshot id."""
    file: str | None = None
    loaded_at: datetime | None = None
    coverage: tuple[str, ...] | None = None
    """E.164 prefixes; None: every number."""
    forced: str | None = None
    waiting: tuple[WaitingBatch, ...] = ()

    @property
    def warning(self) -> bool:
        """Whether somebody should see to it: never loaded is not a warning, expired or about to expire is."""
        return self.days_left is not None and self.days_left <= WARN_DAYS


WARN_DAYS: Final = 5.0
"""Days left from which a register is warned about."""


def registers(
    index: Path, definitions: Mapping[str, RegisterDefinition], now: datetime | None = None
) -> list[RegisterInfo]:
    """Every known register and how it stands; counting the verdicts of a large register takes a second or more.

    Raises StoreError when the index cannot be read.
    """
    instant = now or datetime.now(UTC)
    with closing(database.read_only(index)) as db:
        try:
            db.execute("BEGIN")
            lists = {row[0]: row[1:] for row in db.execute(_SNAPSHOTS)}
            verdicts = [
                row
                for one in definitions.values()
                if one.kind is RegisterKind.QUERY
                for row in db.execute(_VERDICTS, (to_micros(instant - timedelta(days=one.max_age_days)), one.name))
            ]
            waiting = db.execute(_WAITING).fetchall()
        except sqlite3.Error as error:
            raise database.unreadable(index, error) from error
    found: list[RegisterInfo] = []
    for name in sorted(definitions):
        one = definitions[name]
        if one.kind is RegisterKind.LIST:
            found.append(_list(one, lists.get(name), instant))
        else:
            found += _query(one, [row[1:] for row in verdicts if row[0] == name], waiting, instant)
    return found


def taken_in(index: Path) -> dict[tuple[str, str], datetime]:
    """When each list, and each answer to a request, was taken in, by register and snapshot or batch.

    Raises StoreError when the index cannot be read.
    """
    with closing(database.read_only(index)) as db:
        try:
            return {(name, source): from_micros(at) for name, source, at in db.execute(_TAKEN_IN)}
        except sqlite3.Error as error:
            raise database.unreadable(index, error) from error


def _list(register: RegisterDefinition, row: tuple[Any, ...] | None, now: datetime) -> RegisterInfo:
    if row is None:
        return RegisterInfo(register.name, register.kind)
    snapshot, as_of, loaded_at, entries, coverage, file, forced = row
    dated = from_micros(as_of)
    age, left = _age(register, dated, now)
    return RegisterInfo(
        name=register.name,
        kind=register.kind,
        entries=entries,
        opposed=entries,
        as_of=dated,
        newest=dated,
        age_days=age,
        days_left=left,
        stale=entries if left <= 0 else 0,
        source=str(snapshot),
        file=file,
        loaded_at=from_micros(loaded_at),
        coverage=None if coverage is None else tuple(orjson.loads(coverage)),
        forced=forced,
    )


def _query(
    register: RegisterDefinition, rows: list[tuple[Any, ...]], waiting: list[tuple[Any, ...]], now: datetime
) -> list[RegisterInfo]:
    batches: dict[str, tuple[WaitingBatch, ...]] = {}
    for name, controller, batch, requested_at, numbers in waiting:
        if name == register.name:
            one = WaitingBatch(batch, controller, from_micros(requested_at), numbers)
            batches[controller] = (*batches.get(controller, ()), one)
    found = []
    for controller, entries, opposed, oldest, newest, stale in rows:
        dated = from_micros(oldest)
        age, left = _age(register, dated, now)
        found.append(
            RegisterInfo(
                name=register.name,
                kind=register.kind,
                controller=controller,
                entries=entries,
                opposed=opposed,
                as_of=dated,
                newest=from_micros(newest),
                age_days=age,
                days_left=left,
                stale=stale,
                waiting=batches.pop(controller, ()),
            )
        )
    found += [
        RegisterInfo(register.name, register.kind, controller, waiting=some)
        for controller, some in batches.items()
    ]
    return found or [RegisterInfo(register.name, register.kind)]


def _age(register: RegisterDefinition, as_of: datetime, now: datetime) -> tuple[float, float]:
    """Days since, and days until stale; a day is 24 hours."""
    age = (now - as_of) / timedelta(days=1)
    return round(age, 2), round(register.max_age_days - age, 2)
