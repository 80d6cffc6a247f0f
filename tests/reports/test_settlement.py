"""Each way in which a contract does or does not come from a lawful call, on a real log."""

from datetime import UTC, datetime, timedelta
from itertools import count as counting
from pathlib import Path

import pytest

from vaglio.audit import (
    Keys,
    Log,
    Reader,
    create_log,
    decision_entry,
    delivery_entry,
    failopen_entry,
    outcome_entry,
)
from vaglio.audit.erasing import erase, purge
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
from vaglio.reports.contracts import Contract
from vaglio.reports.settlement import CampaignTotal, Gone, NoCommission, Settled, count, settle

SIGNED = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
NUMBER, OTHER = "+393331234567", "+393337654321"
WINDOW = timedelta(days=30)


class House:
    """A log, and calls put into it."""

    def __init__(self, directory: Path) -> None:
        self.keys = Keys.create(directory / "keys")
        self.path = directory / "audit.db"
        create_log(self.path, self.keys, SIGNED - timedelta(days=100))
        self._calls = counting(1)

    def call(
        self,
        reason: Reason = Reason.CONSENT,
        *,
        number: str = NUMBER,
        controller: str = "acme",
        before: timedelta = timedelta(days=1),
        delivered: bool = True,
        outcome: CallOutcome | None = None,
        verdict: Verdict = Verdict.ALLOW,
    ) -> str:
        """Put one call into the log; returns its decision's id."""
        campaign = Campaign(
            f"{controller}-spring", controller, "Call House", Purpose.MARKETING, "energy", DialMode.MANUAL, "IT"
        )
        at = SIGNED - before
        decided = Decision(verdict, reason, (), "it", {}, "it@0a", None)
        asked = Call(parse_e164(number), campaign.id, None, at, "pbx", f"1772442000.{next(self._calls)}")
        entry = decision_entry(asked, Facts(1, campaign), decided, {})
        with Log(self.path, self.keys) as log:
            log.append(entry)
            if delivered:
                log.append(delivery_entry(entry.id, at, 900))
            if outcome is not None:
                log.append(outcome_entry(entry.id, at, outcome, {}))
        return entry.id

    def failopen(self) -> None:
        campaign = Campaign("c", "acme", "o", Purpose.SERVICE, "x", DialMode.MANUAL, "IT")
        entry = failopen_entry(
            parse_e164(NUMBER), campaign, "c", "pbx", "1772442000.99", SIGNED - timedelta(hours=1)
        )
        with Log(self.path, self.keys) as log:
            log.append(entry)

    def settle(self, decision: str | None = None, controller: str = "acme") -> Settled:
        contract = Contract("K1", parse_e164(NUMBER), controller, SIGNED, decision)
        with Reader(self.path) as log:
            (settled,) = settle([contract], log, self.keys, Gone.of(self.path), WINDOW)
        return settled


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize(
    "reason",
    [
        Reason.CUSTOMER,
        Reason.CALLBACK,
        Reason.CONSENT,
        Reason.LISTED_NOT_OPPOSED,
        Reason.NOT_ON_REGISTER,
        Reason.NO_RESTRICTION,
        Reason.REQUESTED_CALL,
    ],
)
def test_an_allowed_and_delivered_call_proves_the_contract(house: House, reason: Reason) -> None:
    """The result names the decision, and the basis is its reason."""
    decision = house.call(reason)
    settled = house.settle()
    assert settled.due
    assert settled.reason is reason
    assert settled.row["decision_id"] == decision


def test_of_several_calls_the_last_answered_one_proves_it(house: House) -> None:
    """An answered call speaks before a later one of which the PBX told nothing."""
    answered = house.call(before=timedelta(days=3), outcome=CallOutcome.ANSWERED)
    house.call(before=timedelta(days=1))
    assert house.settle().row["decision_id"] == answered


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ({"reason": Reason.NO_CONSENT, "verdict": Verdict.BLOCK, "delivered": True}, NoCommission.BLOCKED),
        ({"reason": Reason.MONITOR_ONLY}, NoCommission.MONITOR_ONLY),
        ({"reason": Reason.EMERGENCY_NUMBER}, NoCommission.NO_BASIS),
        ({"delivered": False}, NoCommission.UNDELIVERED),
        ({"outcome": CallOutcome.NO_ANSWER}, NoCommission.NOT_ANSWERED),
        ({"outcome": CallOutcome.BUSY}, NoCommission.NOT_ANSWERED),
        ({"outcome": CallOutcome.SILENT}, NoCommission.NOT_ANSWERED),
        ({"before": timedelta(seconds=-1)}, NoCommission.AFTER_SIGNATURE),
        ({"before": timedelta(days=30, seconds=1)}, NoCommission.TOO_LONG_BEFORE),
        ({"controller": "zenith"}, NoCommission.OTHER_CONTROLLER),
        ({"number": OTHER}, NoCommission.NO_CALL),
    ],
)
def test_a_call_that_proves_nothing_is_told_why(house: House, call: dict[str, object], why: NoCommission) -> None:
    """One reason for each way in which a call is no lawful origin."""
    house.call(**call)  # type: ignore[arg-type] # the cases above are its own arguments
    assert house.settle().reason is why


def test_a_call_at_the_instant_of_signature_and_one_at_the_window_s_edge_count(house: House) -> None:
    """Both ends of the window are included."""
    first = house.call(before=WINDOW)
    assert house.settle().row["decision_id"] == first
    last = house.call(before=timedelta(0))
    assert house.settle().row["decision_id"] == last


def test_a_call_let_out_by_the_failure_policy_is_no_proof(house: House) -> None:
    """No verdict was given, so no basis was found."""
    house.failopen()
    assert house.settle().reason is NoCommission.FAILOPEN


def test_another_controller_s_decision_is_not_shown(house: House) -> None:
    """A principal learns that there was a call for somebody else, not which."""
    house.call(controller="zenith")
    assert house.settle().row["decision_id"] is None
    assert house.settle().row["campaign"] is None


def test_the_named_decision_alone_is_judged(house: House) -> None:
    """Another call that would do is mentioned, but does not take its place."""
    blocked = house.call(Reason.NO_CONSENT, verdict=Verdict.BLOCK)
    other = house.call()
    settled = house.settle(blocked)
    assert settled.reason is NoCommission.BLOCKED
    assert settled.row["would_prove"] == other
    assert house.settle(other).due


def test_a_named_decision_about_another_number_or_none_at_all_proves_nothing(house: House) -> None:
    """The side table tells whose number a decision is about."""
    assert house.settle(house.call(number=OTHER)).reason is NoCommission.OTHER_NUMBER
    assert house.settle("01ARZ3NDEKTSV4RRFFQ69G5FAV").reason is NoCommission.DECISION_UNKNOWN


def test_an_erased_number_is_told_apart_from_no_call(house: House) -> None:
    """With the numbers gone nobody can say any more whom the call reached."""
    decision = house.call()
    erase(house.path, house.keys, NUMBER, SIGNED)
    assert house.settle().reason is NoCommission.NUMBER_ERASED
    assert house.settle(decision).reason is NoCommission.NUMBER_ERASED


def test_an_expired_number_is_told_apart_from_no_call(house: House) -> None:
    """A window that reaches back beyond the retention may have held the call."""
    house.call(before=timedelta(days=20))
    purge(house.path, house.keys, {"IT": 10}, SIGNED)
    assert house.settle().reason is NoCommission.NUMBER_EXPIRED


def test_totals_are_kept_by_campaign(house: House) -> None:
    """Due contracts count for the campaign that proves them, others for the nearest call's."""
    totals: dict[tuple[str, str], CampaignTotal] = {}
    house.call()
    count(totals, house.settle())
    count(totals, house.settle(controller="nobody"))
    assert totals["acme", "acme-spring"].due == 1
    assert totals["nobody", ""].none == {"OTHER_CONTROLLER": 1}
    assert [total.contracts for total in totals.values()] == [1, 1]
