"""The figures of a day, counted from the log: calls, verdicts, reasons, how fast the answers came, what went past.

Entries are counted in stretches of fixed length. A full stretch never changes, for entries are never changed, so
what was counted of it is kept, and a page asked for again costs only the newest entries. However long the log is,
one count looks no further than its deadline, and says up to when it has counted.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vaglio.audit.canonical import microseconds
from vaglio.audit.store import IN_PASSING, explained, open_reading
from vaglio.model import Verdict

STRETCH: Final = 20_000
SECONDS: Final = 5.0
"""How long one count may take."""
_KEPT: Final = 1024
"""Stretches whose counts are kept: some 20 million entries; each takes some 40 kB."""
_HOUR: Final = 3_600_000_000
_FIRST: Final = "SELECT id FROM entry WHERE seq = 1"
_FIRST_SINCE: Final = "SELECT min(seq) FROM entry WHERE at >= ?"
_LAST_BEFORE: Final = "SELECT max(seq) FROM entry WHERE at < ?"
_COUNTS: Final = """
SELECT at / 3600000000, kind, verdict, reason, count(*) FROM entry
WHERE seq BETWEEN :first AND :last AND kind IN ('decision', 'failopen', 'unscreened-call')
  AND (:controller IS NULL OR controller = :controller)
GROUP BY 1, 2, 3, 4
"""
_ANSWERS: Final = """
SELECT told.at / 3600000000, CAST(told.body AS TEXT) ->> '$.microseconds' FROM entry AS told
WHERE told.seq BETWEEN :first AND :last AND told.kind = 'delivery' AND (:controller IS NULL OR EXISTS (
    SELECT 1 FROM entry AS decision WHERE decision.id = told.ref AND decision.controller = :controller))
"""
_Key = tuple[int, str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour's decisions."""

    begin: datetime
    allowed: int
    blocked: int


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How often a verdict was given for a reason."""

    verdict: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """From the question to the PBX's confirmation that it has the verdict, in microseconds."""

    count: int
    p50: float
    p99: float
    longest: int


@dataclass(frozen=True, slots=True)
class Day:
    """The figures of a time; of one controller where only its data were asked for."""

    since: datetime
    until: datetime
    """Not included."""
    counted_until: datetime | None
    """Where the deadline cut the count short: the hour of the first entry not counted; None: all is counted."""
    hours: tuple[Hour, ...]
    reasons: tuple[ReasonCount, ...]
    """Most frequent first."""
    answers: AnswerTimes | None
    """None when no verdict was confirmed."""
    let_out: int
    """Calls that the failure policy let out without a verdict."""
    unscreened: int | None
    """Calls seen on a trunk without a pass; None where one controller's data were asked for: they have none."""

    @property
    def allowed(self) -> int:
        """Calls allowed."""
        return sum(hour.allowed for hour in self.hours)

    @property
    def blocked(self) -> int:
        """Calls blocked."""
        return sum(hour.blocked for hour in self.hours)

    @property
    def calls(self) -> int:
        """Calls decided."""
        return self.allowed + self.blocked


@dataclass(frozen=True, slots=True)
class _Counted:
    """What one stretch holds, by hours since 1970."""

    counts: Mapping[_Key, int]
    answers: Mapping[int, NDArray[np.int64]] = field(repr=False)


def day_figures(log: Path, since: datetime, until: datetime, controller: str | None = None) -> Day:
    """Count a time that begins and ends on full hours; reads for up to `SECONDS`, so call it in a thread.

    Raises:
        StoreError: when the log cannot be read.
    """
    hours = range(microseconds(since) // _HOUR, microseconds(until) // _HOUR)
    counts: Counter[_Key] = Counter()
    answers: list[NDArray[np.int64]] = []
    cut = None
    with closing(open_reading(log, IN_PASSING)) as connection, explained(log):
        name = str(connection.execute(_FIRST).fetchone()[0])
        newest = int(connection.execute("SELECT max(seq) FROM entry").fetchone()[0])
        first = connection.execute(_FIRST_SINCE, (microseconds(since),)).fetchone()[0]
        last = connection.execute(_LAST_BEFORE, (microseconds(until),)).fetchone()[0]
        deadline = time.monotonic() + SECONDS
        for begin in range((first - 1) // STRETCH, (last - 1) // STRETCH + 1) if first and last else ():
            if time.monotonic() > deadline:
                cut = _hour_of(connection, begin * STRETCH + 1)
                break
            of = _Stretch(log, name, begin * STRETCH + 1, controller)
            found = _kept(of) if newest >= of.last else _counted(connection, of)
            counts.update({key: count for key, count in found.counts.items() if key[0] in hours})
            answers += [times for hour, times in found.answers.items() if hour in hours]
    return _day(since, until, cut, counts, answers, hours, alone=controller is not None)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A full stretch: of which log (its first entry's id tells it from one restored in its place), from where."""

    log: Path
    name: str
    first: int
    controller: str | None

    @property
    def last(self) -> int:
        return self.first + STRETCH - 1


@lru_cache(maxsize=_KEPT)
def _kept(stretch: _Stretch) -> _Counted:
    with closing(open_reading(stretch.log, IN_PASSING)) as connection, explained(stretch.log):
        return _counted(connection, stretch)


def _counted(connection: sqlite3.Connection, stretch: _Stretch) -> _Counted:
    values = {"first": stretch.first, "last": stretch.last, "controller": stretch.controller}
    counts = {(hour, *key): count for hour, *key, count in connection.execute(_COUNTS, values)}
    times: dict[int, list[int]] = {}
    for hour, passed in connection.execute(_ANSWERS, values):
        times.setdefault(hour, []).append(passed)
    return _Counted(counts, {hour: np.array(some, dtype=np.int64) for hour, some in times.items()})


def _hour_of(connection: sqlite3.Connection, seq: int) -> datetime:
    at = int(connection.execute("SELECT at FROM entry WHERE seq = ?", (seq,)).fetchone()[0])
    return _instant(at // _HOUR)


def _instant(hour: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)


def _day(
    since: datetime,
    until: datetime,
    cut: datetime | None,
    counts: Counter[_Key],
    answers: list[NDArray[np.int64]],
    hours: range,
    *,
    alone: bool,
) -> Day:
    by_hour: Counter[tuple[int, str | None]] = Counter()
    by_reason: Counter[tuple[str, str]] = Counter()
    by_kind: Counter[str] = Counter()
    for (hour, kind, verdict, reason), count in counts.items():
        by_kind[kind] += count
        if kind == "decision":
            by_hour[hour, verdict] += count
            by_reason[str(verdict), str(reason)] += count
    return Day(
        since,
        until,
        cut,
        tuple(Hour(_instant(hour), by_hour[hour, Verdict.ALLOW], by_hour[hour, Verdict.BLOCK]) for hour in hours),
        tuple(ReasonCount(*key, count) for key, count in by_reason.most_common()),
        _answer_times(answers),
        by_kind["failopen"],
        None if alone else by_kind["unscreened-call"],
    )


def _answer_times(parts: list[NDArray[np.int64]]) -> AnswerTimes | None:
    if not parts:
        return None
    every = np.concatenate(parts)
    p50, p99 = np.percentile(every, (50, 99))
    return AnswerTimes(len(every), float(p50), float(p99), int(every.max()))
