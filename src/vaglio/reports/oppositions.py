"""Oppositions: how each came in, how fast it bound, and whether any call went out to a number that had opposed.

Both are looked up the long way round, by the numbers in the index and the tokens in the log, not by what a
decision says that it knew: the question is whether the gate kept its word.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

from vaglio.audit import Keys
from vaglio.audit.canonical import time_of
from vaglio.index import database
from vaglio.index.rows import Progress
from vaglio.model import ANY, COMPLAINT, Campaign
from vaglio.redaction import redact
from vaglio.reports.ledger import Ledger, OnProgress

WITHIN: Final = ((60, "minute"), (3600, "hour"), (86_400, "day"), (7 * 86_400, "week"))
"""Seconds, and what they are called: how soon after the person's word an opposition bound."""
LATER: Final = "later"
SHOWN: Final = 100
"""Calls after an opposition that are named; all are counted."""
CHANNELS: Final = 20
"""Channels that are named, those of the most oppositions first."""

_HELD: Final = """
SELECT number, controller, purpose, opposed_at, channel, entry, lifted_at FROM opposition
WHERE :controller IS NULL OR controller IN (:controller, '*') ORDER BY number"""
_COUNT: Final = """
SELECT count(*) FROM opposition WHERE :controller IS NULL OR controller IN (:controller, '*')"""
_ANNOUNCED: Final = """
SELECT announced.at, (
    SELECT at FROM entry WHERE ref = announced.id AND kind = 'change-confirmed' AND seq <= :size
    ORDER BY seq LIMIT 1)
FROM entry AS announced WHERE seq = :entry AND seq <= :size"""
_LET_OUT: Final = """
SELECT id, at, controller, campaign, kind, CAST(body AS TEXT) ->> '$.facts.campaign.purpose'
FROM subject JOIN entry USING (seq)
WHERE token = :token AND seq <= :size AND at >= :since AND at < :until
  AND (:controller IS NULL OR controller = :controller)
  AND (kind = 'decision' AND verdict = 'allow' OR kind = 'failopen')
ORDER BY seq"""
_REMEMBERED: Final = 200_000
_MOST_CHANNELS: Final = 1000
_LONGEST_CHANNEL: Final = 60
_TELL_EVERY: Final = 1000


@dataclass(frozen=True, slots=True)
class CallAfterOpposition:
    """A call that was let out although the opposition bound."""

    decision: str
    at: datetime
    campaign: str | None
    kind: str
    """`decision`, or `failopen` where the failure policy let it out."""
    bound_at: datetime


@dataclass(frozen=True, slots=True)
class Oppositions:
    """The oppositions that bind a controller's calls."""

    held: int
    """On record and not lifted, whenever they were made."""
    own: int
    """Recorded in the period, to this controller."""
    general: int
    """Recorded in the period, to every principal served here."""
    lifted: int
    """Lifted in the period, by an act of the person's own."""
    bound_median_seconds: float | None
    """From the announcement in the log to the confirmation that the index has it."""
    bound_longest_seconds: float | None
    since_word: tuple[tuple[str, int], ...]
    """From the person's word, as reported, until it bound: how many within a minute, an hour and so on."""
    channels: tuple[tuple[str, int], ...]
    """How those recorded in the period came in, the most first: as recorded, without numbers; empty: not told."""
    other_channels: int
    """Recorded in the period by other channels than these."""
    complaints: int
    """Recorded in the period with the channel `complaint`."""
    complaints_bound_median_seconds: float | None
    """As for all."""
    complaints_bound_longest_seconds: float | None
    unconfirmed: int
    """Recorded in the period, of which the log does not confirm that they bound."""
    calls_after: int
    """Calls let out in the period to a number whose opposition bound before: must be 0."""
    named: tuple[CallAfterOpposition, ...]
    """The first of these."""


class _Held(NamedTuple):
    number: int
    controller: str
    purpose: str
    opposed_at: int
    channel: str | None
    entry: int
    lifted_at: int | None


def read_oppositions(
    ledger: Ledger,
    index: Path,
    keys: Keys,
    campaigns: Mapping[str, Campaign],
    controller: str | None,
    on_progress: OnProgress | None = None,
) -> Oppositions:
    """Go through all oppositions that bind a controller, or through all there are.

    Raises:
        StoreError: when a database cannot be read.
    """
    with closing(database.read_only(index)) as connection:
        try:
            total = connection.execute(_COUNT, {"controller": controller}).fetchone()[0]
            rows = (_Held(*row) for row in connection.execute(_HELD, {"controller": controller}))
            return _Sum(ledger, keys, campaigns, controller).of(_told(rows, total, on_progress))
        except sqlite3.Error as error:
            raise database.unreadable(index, error) from error


def _told(rows: Iterator[_Held], total: int, on_progress: OnProgress | None) -> Iterator[_Held]:
    for place, row in enumerate(rows, 1):
        yield row
        if on_progress is not None and place % _TELL_EVERY == 0:
            on_progress(Progress(place, total, place))


class _Sum:
    """The figures while they are gathered."""

    def __init__(
        self, ledger: Ledger, keys: Keys, campaigns: Mapping[str, Campaign], controller: str | None
    ) -> None:
        self._ledger = ledger
        self._keys = keys
        self._campaigns = campaigns
        self._controller = controller
        self._since = int(str(ledger.bounds["since"]))
        self._until = int(str(ledger.bounds["until"]))
        self._known: dict[int, tuple[int, int | None] | None] = {}
        self._counts: Counter[str] = Counter()
        self._waits: Counter[int] = Counter()
        self._complaints: Counter[int] = Counter()
        self._channels: Counter[str] = Counter()
        self._since_word: Counter[str] = Counter()
        self._named: list[CallAfterOpposition] = []

    def of(self, rows: Iterator[_Held]) -> Oppositions:
        for number, group in groupby(rows, lambda row: row.number):
            some = list(group)
            for one in some:
                self._recorded(one)
            self._calls(number, some)
        found, channels = self._counts, self._channels.most_common(CHANNELS)
        named = sum(count for _, count in channels)
        return Oppositions(
            held=found["held"],
            own=found["own"],
            general=found["general"],
            lifted=found["lifted"],
            bound_median_seconds=_median(self._waits),
            bound_longest_seconds=max(self._waits) / 1e6 if self._waits else None,
            since_word=tuple((name, self._since_word[name]) for name in (*(name for _, name in WITHIN), LATER)),
            channels=tuple(channels),
            other_channels=found["own"] + found["general"] - named,
            complaints=found["complaints"],
            complaints_bound_median_seconds=_median(self._complaints),
            complaints_bound_longest_seconds=max(self._complaints) / 1e6 if self._complaints else None,
            unconfirmed=found["unconfirmed"],
            calls_after=found["calls after"],
            named=tuple(self._named),
        )

    def _recorded(self, one: _Held) -> None:
        self._counts["held"] += one.lifted_at is None
        self._counts["lifted"] += one.lifted_at is not None and self._since <= one.lifted_at < self._until
        times = self._times(one.entry)
        if times is None or not self._since <= times[0] < self._until:
            return
        self._counts["general" if one.controller == ANY else "own"] += 1
        channel = _channel(one.channel)
        self._counts["complaints"] += channel == COMPLAINT
        if channel in self._channels or len(self._channels) < _MOST_CHANNELS:
            self._channels[channel] += 1
        announced, bound = times
        if bound is None:
            self._counts["unconfirmed"] += 1
            return
        self._waits[bound - announced] += 1
        if channel == COMPLAINT:
            self._complaints[bound - announced] += 1
        waited = (bound - one.opposed_at) / 1e6
        self._since_word[next((name for limit, name in WITHIN if waited <= limit), LATER)] += 1

    def _calls(self, number: int, some: list[_Held]) -> None:
        """Count the calls to a number that one of its oppositions should have stopped."""
        binding = [
            (bound, one)
            for one in some
            if (bound := (self._times(one.entry) or (0, None))[1]) is not None
            and bound < self._until
            and (one.lifted_at is None or one.lifted_at > self._since)
        ]
        if not binding:
            return
        values = {"token": self._keys.token(f"+{number}"), "controller": self._controller}
        for name, at, controller, campaign, kind, purpose in self._ledger.rows(_LET_OUT, values):
            call = (int(str(at)), controller, purpose or self._purpose(campaign))
            bound = next((bound for bound, one in binding if _binds(one, bound, *call)), None)
            if bound is None:
                continue
            self._counts["calls after"] += 1
            if len(self._named) < SHOWN:
                told = None if campaign is None else str(campaign)
                self._named.append(
                    CallAfterOpposition(str(name), time_of(call[0]), told, str(kind), time_of(bound))
                )

    def _purpose(self, campaign: object) -> str | None:
        found = self._campaigns.get(str(campaign))
        return None if found is None else found.purpose.value

    def _times(self, entry: int) -> tuple[int, int | None] | None:
        """When the entry was announced, and when its change was confirmed; None when the log holds neither."""
        if entry not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            row: Any = next(self._ledger.rows(_ANNOUNCED, {"entry": entry}), None)
            self._known[entry] = row if row is None else (row[0], row[1])
        return self._known[entry]


def _channel(told: str | None) -> str:
    """How it came in, as a report may tell it: free text, but for a complaint."""
    words = " ".join((told or "").split())
    return COMPLAINT if words.casefold() == COMPLAINT else redact(words)[:_LONGEST_CHANNEL]


def _binds(one: _Held, bound: int, at: int, controller: object, purpose: object) -> bool:
    """Whether the opposition was in force for that call; without a known purpose, as if it were for all."""
    return (
        bound < at
        and (one.lifted_at is None or at < one.lifted_at)
        and one.controller in (controller, ANY)
        and (one.purpose == ANY or purpose is None or one.purpose == purpose)
    )


def _median(waits: Counter[int]) -> float | None:
    """Of microseconds by how often each was, in seconds: the lower one of two in the middle."""
    middle = (waits.total() + 1) // 2
    for wait in sorted(waits):
        middle -= waits[wait]
        if middle <= 0:
            return wait / 1e6
    return None
