"""What became of a call, told from its events."""

import pytest

from vaglio.model import CallOutcome
from vaglio.pbx.calls import Calls, Ended
from vaglio.pbx.events import BridgeEnter, BridgeLeave, DialEnd, Hangup, HangupRequest

TRUNK, AGENT = "PJSIP/trunk-00000001", "PJSIP/agent-00000000"


def calls(*, needs_agent: bool = True) -> Calls:
    one = Calls(["PJSIP/trunk"], agent_within=2.0)
    one.begun("1.2", TRUNK, "D", 10.0, needs_agent=needs_agent)
    return one


def end(one: Calls, at: float, cause: int = 16) -> Ended:
    ended = one.hung_up(Hangup("1.2", TRUNK, cause), at)
    assert ended is not None
    return ended


def test_a_conversation_is_answered_with_its_times() -> None:
    """Ring, talk and the wait for the agent, in milliseconds."""
    one = calls()
    one.dialled(DialEnd("1.2", "ANSWER"), 14.0)
    one.entered(BridgeEnter("b", TRUNK, "1.2"), 14.01)
    one.entered(BridgeEnter("b", AGENT, "1.1"), 14.02)
    ended = end(one, 30.0)
    assert ended.outcome is CallOutcome.ANSWERED
    assert ended.details == {
        "cause": 16,
        "ring_ms": 4000,
        "dial_status": "ANSWER",
        "talk_ms": 16000,
        "agent_ms": 20,
    }


@pytest.mark.parametrize(
    ("status", "cause", "outcome"),
    [
        ("BUSY", 17, CallOutcome.BUSY),
        ("", 17, CallOutcome.BUSY),
        ("NOANSWER", 0, CallOutcome.NO_ANSWER),
        ("CANCEL", 127, CallOutcome.NO_ANSWER),
        ("", 19, CallOutcome.NO_ANSWER),
        ("CONGESTION", 34, CallOutcome.FAILED),
        ("CHANUNAVAIL", 1, CallOutcome.FAILED),
        ("", 0, CallOutcome.FAILED),
    ],
)
def test_an_unanswered_call_is_told_by_status_and_cause(status: str, cause: int, outcome: CallOutcome) -> None:
    """Busy, not answered and failed are different to a frequency cap's reader."""
    one = calls()
    if status:
        one.dialled(DialEnd("1.2", status), 12.0)
    assert end(one, 12.0, cause).outcome is outcome


@pytest.mark.parametrize(
    ("agent_at", "ended_at", "far_end", "outcome"),
    [
        (None, 20.0, False, CallOutcome.SILENT),
        (None, 20.0, True, CallOutcome.SILENT),
        (None, 11.0, False, CallOutcome.SILENT),
        (None, 11.0, True, CallOutcome.ANSWERED),
        (11.9, 20.0, True, CallOutcome.ANSWERED),
        (12.1, 20.0, True, CallOutcome.SILENT),
    ],
)
def test_silent_is_answered_and_no_agent_in_time(
    agent_at: float | None,
    ended_at: float,
    far_end: bool,  # noqa: FBT001 - a column of the table
    outcome: CallOutcome,
) -> None:
    """Who hangs up at once was not kept waiting; a dialler that drops the call left silence."""
    one = calls()
    one.dialled(DialEnd("1.2", "ANSWER"), 10.0)
    if agent_at is not None:
        one.entered(BridgeEnter("b", TRUNK, "1.2"), agent_at)
        one.entered(BridgeEnter("b", AGENT, "1.1"), agent_at)
    if far_end:
        one.far_end_hung_up(HangupRequest("1.2"))
    assert end(one, ended_at).outcome is outcome


def test_a_recorded_voice_needs_no_agent() -> None:
    """An automated campaign's call is not silent for want of a person."""
    one = calls(needs_agent=False)
    one.dialled(DialEnd("1.2", "ANSWER"), 10.0)
    assert end(one, 60.0).outcome is CallOutcome.ANSWERED


def test_an_agent_behind_local_channels_is_found() -> None:
    """A dialler bridges the trunk with one half of a Local pair, and the agent with the other."""
    one = calls()
    one.dialled(DialEnd("1.2", "ANSWER"), 10.0)
    one.entered(BridgeEnter("b1", TRUNK, "1.2"), 10.0)
    one.entered(BridgeEnter("b1", "Local/9@x-00000001;2", "1.4"), 10.1)
    one.entered(BridgeEnter("b2", "Local/9@x-00000001;1", "1.3"), 10.2)
    one.entered(BridgeEnter("b2", AGENT, "1.1"), 10.5)
    assert end(one, 20.0).details["agent_ms"] == 500


def test_a_local_channel_alone_is_nobody() -> None:
    """An application behind a Local channel does not speak as a person does."""
    one = calls()
    one.dialled(DialEnd("1.2", "ANSWER"), 10.0)
    one.entered(BridgeEnter("b1", TRUNK, "1.2"), 10.0)
    one.entered(BridgeEnter("b1", "Local/9@x-00000001;2", "1.4"), 10.1)
    assert end(one, 20.0).outcome is CallOutcome.SILENT


def test_an_agent_who_left_before_the_answer_is_not_there() -> None:
    """Only who is in the bridge then speaks."""
    one = calls()
    one.entered(BridgeEnter("b", AGENT, "1.1"), 9.0)
    one.left(BridgeLeave("b", AGENT))
    one.dialled(DialEnd("1.2", "ANSWER"), 10.0)
    one.entered(BridgeEnter("b", TRUNK, "1.2"), 10.0)
    assert end(one, 20.0).outcome is CallOutcome.SILENT


def test_a_refusal_is_the_outcome_whatever_the_line_says() -> None:
    """What the person said weighs more than that they answered."""
    one = calls()
    one.dialled(DialEnd("1.2", "ANSWER"), 10.0)
    one.refused("D")
    assert end(one, 20.0).outcome is CallOutcome.REFUSED


def test_a_leg_ends_once_and_others_tell_nothing() -> None:
    """An agent's channel has no outcome; a second hang-up counts nothing."""
    one = calls()
    assert one.hung_up(Hangup("1.1", AGENT, 16), 11.0) is None
    end(one, 12.0)
    assert one.hung_up(Hangup("1.2", TRUNK, 16), 13.0) is None


def test_nothing_is_kept_of_ended_calls() -> None:
    """A year of calls leaves no trace in memory."""
    one = Calls(["PJSIP/trunk"], agent_within=2.0)
    for index in range(1000):
        leg, trunk, agent = f"2.{index}", f"PJSIP/trunk-{index:08x}", f"PJSIP/agent-{index:08x}"
        one.begun(leg, trunk, "D", 0.0, needs_agent=True)
        one.dialled(DialEnd(leg, "ANSWER"), 1.0)
        one.entered(BridgeEnter("b", trunk, leg), 1.0)
        one.entered(BridgeEnter("b", agent, "x"), 1.0)
        one.hung_up(Hangup(leg, trunk, 16), 2.0)
        one.left(BridgeLeave("b", agent))
        one.hung_up(Hangup("x", agent, 16), 2.0)
    assert (len(one), one._bridge_of, one._members, one._of_channel) == (0, {}, {}, {})
