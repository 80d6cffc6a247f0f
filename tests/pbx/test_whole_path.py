"""One real call, screened end to end: SIP in, the real service asked, its log read, SIP out or refused."""

import signal

import pytest

from lab.house import OURS, House
from lab.pbx import eventually

pytestmark = pytest.mark.pbx


def test_an_allowed_call_carries_the_id_of_its_recorded_decision(house: House) -> None:
    """The trunk's header names an allow that stands in the log."""
    number = "+393331230101"
    assert house.dial(number).status == 200
    (invite,) = house.pbx.saw(number)
    decision = house.decision(number)
    assert (decision["id"], decision["verdict"]) == (invite.decision, "allow")


@pytest.mark.parametrize(
    ("number", "campaign", "caller_id", "reason"),
    [
        ("+393331234567", "renewals", OURS, "OPPOSITION"),
        ("00393331234567", "renewals", OURS, "OPPOSITION"),
        ("3331234567", "renewals", OURS, "OPPOSITION"),
        ("+442079460999", "renewals", OURS, "OPPOSITION"),
        ("+393331230102", "no-such-campaign", OURS, "CAMPAIGN_UNKNOWN"),
        ("+393331230103", "", OURS, "CAMPAIGN_UNKNOWN"),
        ("+39333", "renewals", OURS, "NUMBER_INVALID"),
        ("+393331230104", "renewals", "+390699999999", "CALLER_ID_NOT_ALLOWED"),
        ("+393331230105", "renewals", "", "CALLER_ID_NOT_ALLOWED"),
    ],
)
def test_a_block_is_declined_for_its_reason(
    house: House, number: str, campaign: str, caller_id: str, reason: str
) -> None:
    """SIP 603, nothing at the trunk, and the log says why."""
    assert house.dial(number, campaign, caller_id).status == 603
    assert house.pbx.saw(number) == []
    decision = house.decision(number)
    assert (decision["verdict"], decision["reason"]) == ("block", reason)


def test_a_stopped_service_costs_less_than_a_second(house: House) -> None:
    """Under SIGSTOP the kernel still accepts: the watchdog ends the call with 503."""
    house.vaglio.send(signal.SIGSTOP)
    try:
        result = house.dial("+393331230106")
    finally:
        house.vaglio.send(signal.SIGCONT)
    assert result.status == 503
    assert result.ms < 1000
    assert house.pbx.saw("+393331230106") == []


def test_without_the_service_each_campaign_follows_its_policy(house: House) -> None:
    """`block` is 503 and silence at the trunk; `allow` goes out as failopen and is in the log afterwards."""
    house.vaglio.stop()
    try:
        refused = house.dial("+393331230107")
        let_out = house.dial("+393331230108", "outage-notice")
        emergency = house.dial("112")
        kept = house.pbx.kept()
    finally:
        house.vaglio.start()
    assert (refused.status, let_out.status, emergency.status) == (503, 200, 200)
    assert refused.ms < 1000
    assert house.pbx.saw("+393331230107") == []
    assert [invite.decision for invite in house.pbx.saw("+393331230108")] == ["failopen"]
    assert len(kept) == 1
    eventually(lambda: not house.pbx.kept())
    assert house.vaglio.entries("failopen")[-1]["number"]["last3"] == "108"


def test_an_opposition_added_while_calls_run_holds_for_the_next_call(house: House) -> None:
    """What is recorded at the command line is law for the next question."""
    number = "+393331230109"
    assert house.dial(number).status == 200
    house.vaglio.run("opposition", "add", number, "--controller", "aurora")
    assert house.dial(number).status == 603
