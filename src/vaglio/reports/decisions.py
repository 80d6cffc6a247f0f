"""Decisions counted: by campaign, day, verdict and reason, by rulebook, and by the registers they rested on."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import Any, Final

import orjson

from vaglio.audit.canonical import time_of
from vaglio.model import RegisterState
from vaglio.reports.ledger import Ledger, OnProgress

# A body is canonical JSON: a quote within a text is escaped, so these bytes stand nowhere but at such a key.
_DECISIONS: Final = """
SELECT campaign, day(at, campaign), verdict, reason, CAST(body AS TEXT) ->> '$.would_be',
    CAST(body AS TEXT) ->> '$.rulebook', CAST(body AS TEXT) -> '$.facts.registers',
    instr(body, CAST('"reason":"REGISTER_STALE"' AS BLOB)) > 0, count(*), max(at),
    sum(verdict = 'allow' AND instr(body, CAST('"commitment":"' AS BLOB)) > 0
        AND NOT EXISTS (SELECT 1 FROM subject WHERE subject.seq = entry.seq)),
    min(seq), max(seq)
FROM entry NOT INDEXED
WHERE seq BETWEEN :first AND :last AND at >= :since AND at < :until AND kind = 'decision'
  AND (:controller IS NULL OR controller = :controller)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"""
_STALE: Final = """
SELECT finding.value ->> '$.evidence', count(*)
FROM entry NOT INDEXED, json_each(CAST(body AS TEXT), '$.findings') AS finding
WHERE seq BETWEEN :first AND :last AND at >= :since AND at < :until AND kind = 'decision'
  AND (:controller IS NULL OR controller = :controller)
  AND instr(body, CAST('"reason":"REGISTER_STALE"' AS BLOB)) > 0
  AND finding.value ->> '$.reason' = 'REGISTER_STALE'
GROUP BY 1"""


@dataclass(frozen=True, slots=True)
class CallCount:
    """How many decisions were alike."""

    campaign: str | None
    day: str
    """ISO date in the campaign's main zone; UTC where that is unknown."""
    verdict: str
    reason: str
    would_be: str | None
    """Monitor mode: the reason for which the call would have been blocked."""
    count: int


@dataclass(frozen=True, slots=True)
class RegisterUse:
    """One list, or one batch of answers, as decisions used it."""

    register: str
    source: str | None
    """Snapshot or batch; None where a number was never checked."""
    as_of: datetime | None
    """Its own date."""
    decisions: int
    opposed: int
    """Of these, about numbers that were on it."""
    last_used: datetime
    stale: int
    """Decisions that found it too old."""

    @property
    def worst_age_days(self) -> float | None:
        """How old it was when it was used last; a day is 24 hours."""
        return None if self.as_of is None else (self.last_used - self.as_of).total_seconds() / 86400


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided in a period."""

    counts: tuple[CallCount, ...]
    rulebooks: tuple[tuple[str, int], ...]
    """Version → decisions."""
    registers: tuple[RegisterUse, ...]
    numbers_gone: int
    """Allowed calls whose number was erased or purged since: nobody can say any more whom they reached."""
    first: int | None
    """Sequence number of the first decision counted."""
    last: int | None


def read_decisions(ledger: Ledger, controller: str | None, on_progress: OnProgress | None = None) -> Decisions:
    """Count the decisions of a period, for one controller or for all.

    Raises:
        StoreError: when the log cannot be read.
    """
    calls: Counter[tuple[Any, ...]] = Counter()
    rulebooks: Counter[str] = Counter()
    used = _Used()
    gone, ends, stale = 0, [], 0
    for row in ledger.scan(_DECISIONS, {"controller": controller}, on_progress):
        *kind, rulebook, registers, met_stale, count, last_at, without_number, first, last = row
        calls[tuple(kind)] += _whole(count)
        rulebooks[str(rulebook or "")] += _whole(count)
        used.add(registers, _whole(count), _whole(last_at))
        gone += _whole(without_number)
        stale += _whole(met_stale)
        ends += [_whole(first), _whole(last)]
    if stale:
        for evidence, count in ledger.scan(_STALE, {"controller": controller}, None):
            used.stale[str(evidence)] += _whole(count)
    return Decisions(
        tuple(starmap(CallCount, ((*key, count) for key, count in sorted(calls.items(), key=_order)))),
        tuple(sorted(rulebooks.items())),
        used.told(),
        gone,
        min(ends, default=None),
        max(ends, default=None),
    )


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int) else 0


def _order(item: tuple[tuple[Any, ...], int]) -> tuple[str, ...]:
    return tuple("" if part is None else str(part) for part in item[0])


class _Used:
    """Registers by source, while they are gathered."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str | None, str | None, bool]] = Counter()
        self._last: dict[tuple[str, str | None, str | None], int] = {}
        self.stale: Counter[str] = Counter()
        """By source, as the finding names it."""

    def add(self, registers: object, count: int, last_at: int) -> None:
        known: dict[str, dict[str, Any]] = orjson.loads(registers) if isinstance(registers, str) else {}
        for name, told in known.items():
            key = (name, told.get("source"), told.get("as_of"))
            self._counts[(*key, told.get("state") == RegisterState.OPPOSED)] += count
            self._last[key] = max(self._last.get(key, last_at), last_at)

    def told(self) -> tuple[RegisterUse, ...]:
        found = []
        for name, source, as_of in sorted(self._last, key=lambda key: (key[0], key[2] or "", key[1] or "")):
            opposed = self._counts[name, source, as_of, True]
            found.append(
                RegisterUse(
                    name,
                    source,
                    datetime.fromisoformat(as_of) if as_of else None,
                    opposed + self._counts[name, source, as_of, False],
                    opposed,
                    time_of(self._last[name, source, as_of]),
                    self.stale[str(source)],
                )
            )
        return tuple(found)
