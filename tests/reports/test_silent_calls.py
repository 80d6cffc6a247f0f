from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vaglio.audit import Keys, Log, Reader, create_log, decision_entry, delivery_entry, outcome_entry
from vaglio.model import (
    Call,
    CallOutcome,
    Campaign,
    Decision,
    DialMode,
    Facts,
    Purpose,
    Reason,
    Verdict,
)
from vaglio.numbers import parse_e164
from vaglio.reports.silent_calls import silent_calls

AT = datetime(2026, 11, 2, 10, tzinfo=UTC)


def campaign(name: str, region: str = "IT") -> Campaign:
    return Campaign(name, "acme", "cc", Purpose.MARKETING, "telecom", DialMode.PREDICTIVE, region)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    keys = Keys.create(tmp_path / "keys")
    create_log(tmp_path / "audit.db", keys, AT)
    with Log(tmp_path / "audit.db", keys) as opened:
        yield opened


def called(log: Log, number: int, name: str, *outcomes: CallOutcome, delivered: bool = True) -> None:
    """One allowed call and what the PBX told of it, in order."""
    call = Call(parse_e164(f"+39333{number:07d}"), name, None, AT, "pbx", f"1700000000.{number}")
    decision = Decision(Verdict.ALLOW, Reason.CONSENT, (), "it", {}, "it@000000000000")
    entry = decision_entry(call, Facts(1, campaign(name)), decision, {})
    log.append(entry)
    if delivered:
        log.append(delivery_entry(entry.id, AT, 900))
    for outcome in outcomes:
        log.append(outcome_entry(entry.id, AT, outcome, {}))


def figures(tmp_path: Path, region: str = "IT") -> dict[str, tuple[int, int, int, int, bool]]:
    with Reader(tmp_path / "audit.db") as reader:
        found = silent_calls(reader, {"a": campaign("a", region), "b": campaign("b", region)}, AT, None)
    return {one.campaign: (one.delivered, one.answered, one.silent, one.unknown, one.above) for one in found}


def test_silent_calls_are_counted_of_the_answered_ones(log: Log, tmp_path: Path) -> None:
    """Silent and refused calls were answered; busy and unanswered ones were not; unknown ones are named."""
    kinds = [
        CallOutcome.ANSWERED,
        CallOutcome.SILENT,
        CallOutcome.REFUSED,
        CallOutcome.BUSY,
        CallOutcome.NO_ANSWER,
    ]
    for number, outcome in enumerate(kinds):
        called(log, number, "a", outcome)
    called(log, 90, "a")
    called(log, 91, "a", CallOutcome.ANSWERED, delivered=False)
    assert figures(tmp_path) == {"a": (6, 3, 1, 1, True)}


def test_a_call_counts_once_by_its_last_outcome(log: Log, tmp_path: Path) -> None:
    """Answered, then refused by the agent's disposition, is one answered call."""
    called(log, 1, "a", CallOutcome.ANSWERED, CallOutcome.REFUSED)
    assert figures(tmp_path) == {"a": (1, 1, 0, 0, False)}


def test_the_cap_itself_is_not_above_it(log: Log, tmp_path: Path) -> None:
    """Three of a hundred are borne in Italy, four are not; each campaign for itself."""
    for number in range(100):
        called(log, number, "a", CallOutcome.SILENT if number < 3 else CallOutcome.ANSWERED)
        called(log, 200 + number, "b", CallOutcome.SILENT if number < 4 else CallOutcome.ANSWERED)
    found = figures(tmp_path)
    assert found["a"][4] is False
    assert found["b"][4] is True


def test_a_country_without_a_cap_is_never_above(log: Log, tmp_path: Path) -> None:
    """What no rule bounds is reported all the same."""
    called(log, 1, "a", CallOutcome.SILENT)
    assert figures(tmp_path, "FR") == {"a": (1, 1, 1, 0, False)}


def test_calls_of_another_time_are_left_out(log: Log, tmp_path: Path) -> None:
    """The bounds are the decisions' instants, the end not included."""
    called(log, 1, "a", CallOutcome.SILENT)
    with Reader(tmp_path / "audit.db") as reader:
        assert silent_calls(reader, {}, AT + timedelta(seconds=1), None) == []
        assert silent_calls(reader, {}, AT - timedelta(days=1), AT) == []
