"""Leads judged many at a time, with the answers that each would get alone.

Of most numbers on a list nothing is known but what the registers say. What is decided of such a one hangs on
its sort (country, kind, zones, area) and on those answers alone, so each combination is decided once. Every other
lead, one with a fact, with attempts, or in a form not told for certain, takes the path of a call.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Self

import numpy as np

from vaglio.audit.store import explained, open_reading
from vaglio.index import database
from vaglio.index.instants import to_micros
from vaglio.model import Call, Campaign, Facts, RegisterStatus
from vaglio.numbers import Number
from vaglio.reports.scrub.judging import Advice, Asked, judge
from vaglio.reports.scrub.known import Known
from vaglio.reports.scrub.moments import Moments
from vaglio.reports.scrub.reading import Flags, Keys, Places, Reading, dialling, read_batch
from vaglio.screening import Screener

_END_OF_TIME: Final = 2**62
_AT_ONCE: Final = 500
_MOST_KEPT: Final = 100_000

_Sort = tuple[str | None, tuple[str, ...], str, str]
_Kept = dict[tuple[_Sort, tuple[RegisterStatus, ...]], Advice]


class Batches:
    """Judges batches of leads under one question; not for two threads at once. Made by `open`."""

    def __init__(
        self, screener: Screener, asked: Asked, index: sqlite3.Connection, log: sqlite3.Connection, log_file: Path
    ) -> None:
        self._screener = screener
        self._asked = asked
        self._index = index
        self._log = log
        self._log_file = log_file
        self._caller_id: str | None = None
        self._moments = Moments(screener.rulebooks)
        self._kept: _Kept = {}
        self._under: Campaign | None = None

    @classmethod
    @contextmanager
    def open(cls, screener: Screener, asked: Asked, log_file: Path) -> Iterator[Self]:
        """Ready to judge.

        Raises:
            StoreError: when a database cannot be read.
        """
        with (
            closing(database.read_only(screener.index.path)) as index,
            closing(open_reading(log_file)) as log,
        ):
            index.execute("PRAGMA mmap_size = 2147418112")
            yield cls(screener, asked, index, log, log_file)

    def judge(self, texts: Sequence[str]) -> list[Advice]:
        """What is said of each lead.

        Raises:
            StoreError: when a database cannot be read.
        """
        campaign = self._screener.index.campaign(self._asked.campaign)
        if campaign is None:
            return [self._alone(text) for text in texts]
        if campaign is not self._under:
            self._under = campaign
            self._kept.clear()
            self._moments = Moments(self._screener.rulebooks)
            as_called = self._screener.judge("", campaign.id, self._asked.caller_id, at=self._asked.dated).call
            self._caller_id = as_called.caller_id
        reading = read_batch(texts, *dialling(campaign, self._asked.region))
        advised: list[Advice | None] = [None] * len(texts)
        for place, advice in self._together(reading, campaign):
            advised[place] = advice
        return [one or self._alone(text) for one, text in zip(advised, texts, strict=True)]

    def _alone(self, text: str) -> Advice:
        return judge(self._screener, self._moments, self._asked, text)

    def _together(self, reading: Reading, campaign: Campaign) -> Iterator[tuple[int, Advice]]:
        """The leads of which only registers tell, with what is said of them."""
        at = self._screener.clock() if self._asked.dated is None else self._asked.dated
        until = _END_OF_TIME if self._asked.dated is None else to_micros(at)
        rulebooks = self._screener.rulebooks
        laws = [rulebooks.jurisdiction_of(sample, None, campaign) for sample in reading.samples]
        registers = {law: rulebooks.registers(law, at) if law else () for law in set(laws)}
        tracked = {law for law in registers if law and rulebooks.attempt_window(law, at, campaign) is not None}
        keys, first, back = np.unique(reading.keys, return_index=True, return_inverse=True)
        if not len(keys):
            return
        sorts = reading.sorts[first]
        with Known.of(self._screener.index.path, self._index) as known:
            simple = ~known.with_facts(keys)
            if tracked:
                counted = np.array([law in tracked for law in laws], dtype=np.bool_)[sorts] & simple
                simple[np.flatnonzero(counted)[self._attempted(keys[counted])]] = False
            combined = sorts.copy()
            told: dict[str, tuple[Places, list[RegisterStatus]]] = {}
            for register in sorted({name for names in registers.values() for name in names}):
                asks = np.array([register in registers[law] for law in laws], dtype=np.bool_)[sorts] & simple
                places = np.zeros(len(keys), dtype=np.int64)
                places[asks], statuses = known.statuses(register, keys[asks], campaign.controller, until)
                _, combined = np.unique(combined * len(statuses) + places, return_inverse=True)
                told[register] = (places, statuses)
        advices = np.empty(int(combined.max()) + 1, dtype=object)
        _, of_class = np.unique(np.where(simple, combined, -1), return_index=True)
        for place in of_class.tolist():
            if simple[place]:
                sample, law = reading.samples[sorts[place]], laws[sorts[place]]
                answers = {name: told[name][1][told[name][0][place]] for name in registers[law]}
                advices[combined[place]] = self._decided(sample, campaign, answers, at)
        chosen = simple[back]
        yield from zip(reading.places[chosen].tolist(), advices[combined[back[chosen]]].tolist(), strict=True)

    def _decided(
        self, sample: Number, campaign: Campaign, registers: dict[str, RegisterStatus], at: datetime
    ) -> Advice:
        area = (sample.e164 or "")[2:5] if sample.country == "US" else ""
        alike = ((sample.country, sample.zones, sample.kind, area), tuple(registers.values()))
        found = self._kept.get(alike)
        if found is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            facts = Facts(0, campaign, registers=registers)
            call = Call(sample, campaign.id, self._caller_id, at)
            decision = self._screener.rulebooks.evaluate(call, campaign, facts)
            found = Advice(decision, self._moments.after(call, campaign, facts, decision))
            self._kept[alike] = found
        return found

    def _attempted(self, keys: Keys) -> Flags:
        """Which numbers somebody was let through to call."""
        found = np.zeros(len(keys), dtype=np.bool_)
        with explained(self._log_file):
            if self._log.execute("SELECT 1 FROM attempt LIMIT 1").fetchone() is None:
                return found
            token = self._screener.keys.token
            for start in range(0, len(keys), _AT_ONCE):
                tokens = {
                    token(f"+{key}"): place
                    for place, key in enumerate(keys[start : start + _AT_ONCE].tolist(), start=start)
                }
                marks = ",".join("?" * len(tokens))
                query = f"SELECT DISTINCT token FROM attempt WHERE token IN ({marks})"  # noqa: S608 - marks alone
                for (one,) in self._log.execute(query, tuple(tokens)):
                    found[tokens[one]] = True
        return found
