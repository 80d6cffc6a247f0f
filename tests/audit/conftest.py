from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from vaglio.audit import Entry, Keys, Log, create_log, decision_entry
from vaglio.model import (
    Call,
    Campaign,
    Decision,
    DialMode,
    Facts,
    Finding,
    FindingOutcome,
    Purpose,
    Reason,
    Verdict,
)
from vaglio.numbers import Number, parse

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CAMPAIGN = Campaign(
    "spring", "acme", "Call House", Purpose.MARKETING, "energy", DialMode.MANUAL, "IT", ("+390612345678",)
)


@dataclass
class Site:
    """A log with its keys, a clock that is set by hand, and entries on demand."""

    directory: Path
    keys: Keys
    now: datetime = START
    _calls: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def path(self) -> Path:
        return self.directory / "audit.db"

    campaign = CAMPAIGN

    @staticmethod
    def number(dialled: str) -> Number:
        return parse(dialled, region="IT", emergency=frozenset({"112"}))

    def clock(self) -> int:
        return (self.now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    def log(self) -> Log:
        return Log(self.path, self.keys, self.clock)

    def decision(
        self,
        dialled: str = "+393401234567",
        *,
        verdict: Verdict = Verdict.ALLOW,
        call: str | None = None,
        at: datetime | None = None,
    ) -> Entry:
        reason = Reason.CONSENT if verdict is Verdict.ALLOW else Reason.OPPOSITION
        findings = (Finding("IT-COC-02", FindingOutcome.PASS, None, "consent of 2026-01-03", "art. 1", "entry:7"),)
        decided = Decision(verdict, reason, findings, "it", {"Europe/Rome": "2026-03-02T10:00:00+01:00"}, "it@0a")
        asked = Call(
            self.number(dialled),
            "spring",
            "+390612345678",
            at or self.now,
            "pbx",
            f"1772442000.{next(self._calls)}" if call is None else call,
        )
        return decision_entry(asked, Facts(12, CAMPAIGN), decided, {"rules": 100})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    keys = Keys.create(tmp_path / "keys", "example.org/log")
    create_log(tmp_path / "audit.db", keys, START)
    return Site(tmp_path, keys)
