"""Every way round the gate, tried on a real Asterisk: seen, recorded, and ended where the site says so."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.pbx import Pbx, eventually
from lab.watched import WatchedHouse, running

pytestmark = pytest.mark.pbx

DIALPLAN = (Path(__file__).parent / "watched.conf").read_text()


@pytest.fixture(scope="module")
def strict(running_pbx: Pbx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedHouse]:
    """A watched PBX on which unscreened calls are hung up."""
    assert running_pbx.asterisk.pid
    with running(tmp_path_factory.mktemp("strict"), DIALPLAN, hang_up=True) as one:
        yield one


@pytest.fixture
def guarded(strict: WatchedHouse) -> Iterator[WatchedHouse]:
    strict.pbx.set(VAGLIO_SKIP_SERVICE="0")
    yield strict
    strict.hang_up_all()


@contextmanager
def calling(house: WatchedHouse, dialled: str) -> Iterator[None]:
    """A call that goes on meanwhile; ended at the end."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(house.dial, dialled)
        try:
            yield
        finally:
            house.hang_up_all()
            call.result(timeout=30)


def unscreened(house: WatchedHouse, number: str) -> list[dict[str, Any]]:
    return [one for one in house.vaglio.entries("unscreened-call") if one["number"]["last3"] == number[-3:]]


def seen_in_time(house: WatchedHouse, number: str) -> dict[str, Any]:
    """The one entry of an unscreened call, written within a second of its INVITE."""
    eventually(lambda: bool(unscreened(house, number)), 5)
    (entry,) = unscreened(house, number)
    (invite,) = house.patient.invites(number)
    at = datetime.fromisoformat(entry["at"]).timestamp()
    assert at - invite.at < 1.0
    assert "commitment" in entry["number"]
    return entry


def ended(house: WatchedHouse) -> Callable[[], bool]:
    return lambda: not house.channels("PJSIP/patient")


def test_a_screened_call_raises_nothing(guarded: WatchedHouse, number: str) -> None:
    """What passed the gate is no alarm, and its call ends as it should."""
    before = guarded.metric("vaglio_unscreened_calls_total")
    assert guarded.dial(number).status == 200
    eventually(lambda: bool(outcomes(guarded, number)))
    assert unscreened(guarded, number) == []
    assert guarded.metric("vaglio_unscreened_calls_total") == before


def test_a_gate_inside_nested_local_channels_is_a_pass(guarded: WatchedHouse, number: str) -> None:
    """The pass names a channel that is neither the caller nor the first of the call."""
    assert guarded.dial(f"*24*{number}").status == 200
    eventually(lambda: bool(outcomes(guarded, number)))
    assert unscreened(guarded, number) == []


def test_an_originate_straight_to_the_trunk_is_ended(guarded: WatchedHouse, number: str) -> None:
    """No dialplan runs before such a call: only the guard sees it."""
    before = guarded.metric("vaglio_unscreened_calls_total")
    with guarded.manager() as manager:
        manager.act("Originate", Channel=f"PJSIP/{number}@patient", Application="Wait", Data="30", Async="true")
        entry = seen_in_time(guarded, number)
        eventually(ended(guarded), 2)
    assert (entry["trunk"], entry["pbx"], entry["hang_up"]) == ("PJSIP/patient", "milan", True)
    assert guarded.metric("vaglio_unscreened_calls_total") == before + 1


def test_a_pass_that_was_copied_opens_nothing(guarded: WatchedHouse, number: str) -> None:
    """An originated call with the variable of a real allow has no pass of its own."""
    guarded.dial(number)
    decision = guarded.decision(number)
    copied = f"__VAGLIO_PASS=allow:{decision['uniqueid']}:{decision['id']}:{number[1:]}"
    with guarded.manager() as manager:
        manager.act(
            "Originate",
            Channel=f"PJSIP/{number}@patient",
            Application="Wait",
            Data="30",
            Async="true",
            Variable=copied,
        )
        seen_in_time(guarded, number)
        eventually(ended(guarded), 2)


def test_a_call_file_is_ended(guarded: WatchedHouse, number: str) -> None:
    """The spool is read by Asterisk itself."""
    home = guarded.pbx.asterisk.home
    file = home / "call-file"
    file.write_text(f"Channel: PJSIP/{number}@patient\nApplication: Wait\nData: 30\n")
    (home / "spool" / "outgoing").mkdir(exist_ok=True)
    os.utime(file, (time.time() - 5, time.time() - 5))
    file.rename(home / "spool" / "outgoing" / "call-file")
    seen_in_time(guarded, number)
    eventually(ended(guarded), 2)


def test_a_dialplan_that_forgot_the_gate_is_ended(guarded: WatchedHouse, number: str) -> None:
    """Neither Gosub nor b(): the trunk leg lives for an instant."""
    guarded.dial(f"*20*{number}")
    seen_in_time(guarded, number)
    assert ended(guarded)()


def test_a_third_party_called_in_needs_a_pass_of_its_own(guarded: WatchedHouse, number: str, other: str) -> None:
    """The first person's allow is not the second's; the first conversation goes on."""
    with calling(guarded, f"*21*{number}*{other}"):
        seen_in_time(guarded, other)
        eventually(lambda: len(guarded.channels("PJSIP/patient")) == 1, 3)
        assert unscreened(guarded, number) == []


@pytest.mark.parametrize("action", ["Redirect", "BlindTransfer"])
def test_a_call_sent_on_past_the_gate_is_ended(
    guarded: WatchedHouse, number: str, other: str, action: str
) -> None:
    """A redirect or a transfer takes an allowed call to a number nobody asked about."""
    with calling(guarded, f"*22*{number}"):
        eventually(lambda: len(guarded.channels("PJSIP/patient")) == 1)
        eventually(lambda: bool(guarded.metric("vaglio_trunk_legs")))
        time.sleep(0.3)
        (agent,) = guarded.channels("PJSIP/agent")
        with guarded.manager() as manager:
            priority = {"Priority": "1"} if action == "Redirect" else {}
            manager.act(action, Channel=agent, Context="from-agents", Exten=f"*20*{other}", **priority)
        seen_in_time(guarded, other)
    assert unscreened(guarded, number) == []


def test_an_emergency_call_is_never_ended(guarded: WatchedHouse) -> None:
    """Even past both gates."""
    before = len(guarded.vaglio.entries("unscreened-call"))
    with calling(guarded, "*20*112"):
        eventually(lambda: len(guarded.channels("PJSIP/patient")) == 1)
        time.sleep(1.0)
        assert len(guarded.channels("PJSIP/patient")) == 1
    assert len(guarded.vaglio.entries("unscreened-call")) == before


def test_what_may_be_an_emergency_call_is_recorded_and_lives(guarded: WatchedHouse) -> None:
    """A prefix before 112 and no pass: an alarm, not a hang-up."""
    before = len(guarded.vaglio.entries("unscreened-call"))
    with calling(guarded, "*20*0112"):
        eventually(lambda: len(guarded.vaglio.entries("unscreened-call")) == before + 1)
        time.sleep(0.5)
        assert len(guarded.channels("PJSIP/patient")) == 1


def test_an_allow_given_before_a_restart_of_the_service_is_found_in_the_log(
    guarded: WatchedHouse, number: str
) -> None:
    """What this process did not decide itself is looked up: the standby's calls are not unscreened."""
    # The second leg of the call dials after the service has forgotten everything.
    with calling(guarded, f"*22*{number}"):
        eventually(lambda: len(guarded.channels("PJSIP/patient")) == 1)
        guarded.vaglio.stop()
        guarded.vaglio.start()
        eventually(guarded.watched)
        (agent,) = guarded.channels("PJSIP/agent")
        with guarded.manager() as manager:
            manager.act("Redirect", Channel=agent, Context="from-agents", Exten=f"*20*{number}", Priority="1")
        eventually(lambda: len(guarded.patient.invites(number)) == 2)
        time.sleep(0.7)
        assert len(guarded.channels("PJSIP/patient")) >= 1
    assert unscreened(guarded, number) == []


def test_the_standby_watches_while_the_first_service_is_gone(guarded: WatchedHouse, number: str) -> None:
    """Killed without warning: the next call past the gate is seen and ended all the same, once."""
    with guarded.vaglio.standby:
        eventually(lambda: "vaglio_ami_up" in guarded.vaglio.standby.get("/metrics")[1])
        eventually(lambda: 'vaglio_ami_up{pbx="milan"} 1.0' in guarded.vaglio.standby.get("/metrics")[1])
        guarded.vaglio.kill()
        try:
            time.sleep(0.3)
            guarded.dial(f"*20*{number}")
            seen_in_time(guarded, number)
            assert ended(guarded)()
        finally:
            guarded.vaglio.start()
            eventually(guarded.watched)
        guarded.dial(f"*20*{number}")
        eventually(lambda: len(unscreened(guarded, number)) == 2)
        time.sleep(0.3)
        assert len(unscreened(guarded, number)) == 2


HEARD = {"DialBegin", "DialEnd", "BridgeEnter", "BridgeLeave", "HangupRequest", "Hangup", "UserEvent"}


def test_only_what_the_guard_needs_leaves_asterisk(guarded: WatchedHouse, number: str) -> None:
    """The event filters keep the rest inside: fewer than twenty events a call."""
    with guarded.as_guard() as manager:
        guarded.dial(f"*27*{number}")
        guarded.dial(number)
        heard = manager.heard(1.0)
    assert {"DialBegin", "Hangup", "UserEvent"} <= set(heard) <= HEARD
    assert len(heard) < 40


@pytest.mark.parametrize("action", ["Originate", "Command", "DBPut", "GetConfig"])
def test_the_guards_account_can_do_little_else(guarded: WatchedHouse, action: str) -> None:
    """Whoever steals its secret can neither call nor run commands."""
    with guarded.as_guard() as manager, pytest.raises(LabError, match="Permission denied"):
        manager.act(action, Channel="Local/1@from-agents", Command="core show version", Filename="manager.conf")


def test_no_number_stands_in_the_service_log(guarded: WatchedHouse, number: str) -> None:
    """The alarm names the last three digits."""
    guarded.dial(f"*20*{number}")
    eventually(lambda: bool(unscreened(guarded, number)))
    log = guarded.vaglio.log
    assert "unscreened call" in log
    assert f"…{number[-3:]}" in log or f"\\u2026{number[-3:]}" in log
    assert number[1:] not in log


def outcomes(house: WatchedHouse, number: str) -> list[dict[str, Any]]:
    decision = house.decision(number)["id"]
    return [one for one in house.vaglio.entries("outcome") if one["ref"] == decision]


def test_an_answered_call_has_its_outcome(guarded: WatchedHouse, number: str) -> None:
    """Tied to its decision, with cause and times."""
    with calling(guarded, f"*22*{number}"):
        eventually(lambda: len(guarded.channels("PJSIP/patient")) == 1)
        time.sleep(0.7)
    eventually(lambda: bool(outcomes(guarded, number)))
    (one,) = outcomes(guarded, number)
    assert (one["outcome"], one["details"]["dial_status"]) == ("answered", "ANSWER")
    assert one["details"]["agent_ms"] < 1000
    assert one["details"]["talk_ms"] >= 500


def test_a_busy_line_has_its_outcome(guarded: WatchedHouse, number: str) -> None:
    """Busy is told apart from failed."""
    guarded.dial(f"*23*{number}")
    eventually(lambda: bool(outcomes(guarded, number)))
    assert outcomes(guarded, number)[0]["outcome"] == "busy"


def test_a_call_answered_and_left_without_agent_is_silent(guarded: WatchedHouse, number: str) -> None:
    """A dialler calls out, the person answers, nobody speaks for more than two seconds."""
    with guarded.manager() as manager:
        manager.act(
            "Originate", Channel=f"Local/{number}@predictive/n", Application="Wait", Data="30", Async="true"
        )
        eventually(lambda: len(guarded.channels("PJSIP/patient")) == 1)
        time.sleep(2.2)
    guarded.hang_up_all()
    eventually(lambda: bool(outcomes(guarded, number)))
    (one,) = outcomes(guarded, number)
    assert (one["outcome"], "agent_ms" in one["details"]) == ("silent", False)
    assert unscreened(guarded, number) == []


def test_an_agents_disposition_is_the_outcome(guarded: WatchedHouse, number: str) -> None:
    """A refusal told by UserEvent stands in the log at once."""
    guarded.dial(f"*27*{number}")
    eventually(lambda: bool(outcomes(guarded, number)))
    assert outcomes(guarded, number)[0]["outcome"] == "refused"


def test_a_dialler_tells_over_ami_what_the_agent_chose(guarded: WatchedHouse, number: str) -> None:
    """The action UserEvent with the decision's id: a refusal, then an objection."""
    guarded.dial(number)
    decision = guarded.decision(number)["id"]
    with guarded.manager() as manager:
        manager.act("UserEvent", UserEvent="VaglioRefusal", Decision=decision)
        manager.act("UserEvent", UserEvent="VaglioOpposition", Decision=decision)
    opposed_after(guarded, number)
    assert "refused" in [one["outcome"] for one in guarded.vaglio.entries("outcome") if one["ref"] == decision]


def opposed_after(house: WatchedHouse, number: str) -> None:
    """The next call one second later is blocked, from the principal's other campaign too."""
    time.sleep(1.0)
    assert house.dial(number).status == 603
    assert house.dial(number, "outage-notice").status == 603
    assert house.decision(number)["reason"] == "OPPOSITION"
    (entry,) = [
        one
        for one in house.vaglio.entries("change-announced")
        if one["change"] == "opposition" and one["number"]["last3"] == number[-3:]
    ]
    assert entry["evidence_uri"].startswith("decision:")


def test_an_objection_told_by_the_dialler_blocks_the_next_call(guarded: WatchedHouse, number: str) -> None:
    """`UserEvent(VaglioOpposition)` on the call's channel is enough: the call names itself."""
    guarded.dial(f"*26*{number}")
    opposed_after(guarded, number)


def test_an_objection_pressed_in_the_call_blocks_the_next_call(guarded: WatchedHouse, number: str) -> None:
    """*7 pressed by the called person; nothing is left in AstDB once it is recorded."""
    guarded.dial(f"*25*{number}")
    opposed_after(guarded, number)
    assert "0 results" in guarded.pbx.asterisk.cli("database show vaglio oppose")


def test_a_silent_service_cannot_hold_the_conversation_and_the_key_counts(
    guarded: WatchedHouse, number: str
) -> None:
    """What was pressed while the service was stopped is kept, and recorded once it answers."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(guarded.dial, f"*25*{number}")
        eventually(lambda: call.done() or bool(guarded.channels("Local/s@presses-the-key")))
        assert not call.done(), call.result()
        guarded.vaglio.send(signal.SIGSTOP)
        try:
            assert call.result(timeout=12).status == 200
            assert "1 results" in guarded.pbx.asterisk.cli("database show vaglio oppose")
        finally:
            guarded.vaglio.send(signal.SIGCONT)
    eventually(lambda: "0 results" in guarded.pbx.asterisk.cli("database show vaglio oppose"), 12)
    opposed_after(guarded, number)


def test_a_key_pressed_before_a_restart_of_asterisk_counts(guarded: WatchedHouse, number: str) -> None:
    """The service is down, and Asterisk restarts before it is back: AstDB holds the objection."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(guarded.dial, f"*25*{number}")
        eventually(lambda: call.done() or bool(guarded.channels("Local/s@presses-the-key")))
        assert not call.done(), call.result()
        guarded.vaglio.kill()
        try:
            assert call.result(timeout=12).status == 200
            guarded.pbx.asterisk.restart()
            assert "1 results" in guarded.pbx.asterisk.cli("database show vaglio oppose")
        finally:
            guarded.vaglio.start()
    eventually(lambda: "0 results" in guarded.pbx.asterisk.cli("database show vaglio oppose"), 15)
    eventually(guarded.watched, 15)
    opposed_after(guarded, number)


def test_a_person_who_calls_back_can_object(guarded: WatchedHouse, number: str) -> None:
    """The IVR takes the key 1 and returns the entry."""
    guarded.pbx.set(CALLED_BACK=number)
    with guarded.manager() as manager:
        manager.act("Originate", Channel="Local/s@calls-back/n", Context="from-agents", Exten="*28*", Priority="1")
    eventually(lambda: len(guarded.pbx.stored("test", "entry")) == 26)
    assert guarded.dial(number).status == 603


def test_asterisk_restarted_under_the_service_is_watched_again(guarded: WatchedHouse, number: str) -> None:
    """The manager interface comes back by itself, and nothing is counted twice."""
    before = guarded.metric("vaglio_unscreened_calls_total")
    guarded.pbx.asterisk.restart()
    eventually(guarded.watched, 40)
    assert guarded.dial(number).status == 200
    assert guarded.metric("vaglio_unscreened_calls_total") == before
    guarded.dial(f"*20*{number}")
    eventually(lambda: bool(unscreened(guarded, number)))
    assert guarded.metric("vaglio_unscreened_calls_total") == before + 1


def test_a_refused_login_is_a_fault_of_the_service(guarded: WatchedHouse) -> None:
    """A wrong secret makes /readyz say so; the right one and a reload mend it."""
    secret = guarded.vaglio.home / "ami-secret"
    right = secret.read_text()
    secret.write_text("wrong")
    guarded.vaglio.stop()
    try:
        guarded.vaglio.launch()
        eventually(lambda: "refused" in guarded.vaglio.get("/readyz")[1])
        assert guarded.dial("+393331999001").status == 200
    finally:
        secret.write_text(right)
    guarded.vaglio.send(signal.SIGHUP)
    eventually(guarded.watched)
    assert guarded.vaglio.ready()


FASTER = """\
eventfilter(name(DialBegin)) =
eventfilter(name(DialEnd)) =
eventfilter(name(BridgeEnter)) =
eventfilter(name(BridgeLeave)) =
eventfilter(name(HangupRequest)) =
eventfilter(name(Hangup)) =
eventfilter(name(UserEvent),header(UserEvent),method(starts_with)) = Vaglio
"""


@pytest.fixture
def lenient(running_pbx: Pbx, tmp_path: Path) -> Iterator[WatchedHouse]:
    """A watched PBX that only records, with the newer event filters where Asterisk has them."""
    newer = "Asterisk 16" not in running_pbx.asterisk.cli("core show version")
    with running(tmp_path / "lenient", DIALPLAN, hang_up=False, filters=FASTER if newer else "") as one:
        yield one


def test_where_the_site_only_watches_nothing_is_ended(lenient: WatchedHouse, number: str, other: str) -> None:
    """The unscreened call is recorded and lives; the filters of manager.conf let through what is needed."""
    with calling(lenient, f"*20*{number}"):
        assert seen_in_time(lenient, number)["hang_up"] is False
        time.sleep(0.5)
        assert len(lenient.channels("PJSIP/patient")) == 1
    with lenient.as_guard() as manager:
        lenient.dial(f"*27*{other}")
        assert {"Hangup", "UserEvent"} <= set(manager.heard(1.0)) <= HEARD
    eventually(lambda: bool(outcomes(lenient, other)))


def test_a_pbx_is_watched_over_tls(running_pbx: Pbx, tmp_path: Path, number: str) -> None:
    """Asterisk's own TLS listener, its certificate trusted by a file."""
    assert running_pbx.asterisk.pid
    with running(tmp_path / "tls", DIALPLAN, hang_up=True, tls=True) as house:
        house.dial(f"*20*{number}")
        seen_in_time(house, number)


def test_the_log_of_all_this_verifies(guarded: WatchedHouse, number: str) -> None:
    """Unscreened calls, outcomes and objections are entries like any other: sealed and provable."""
    guarded.dial(f"*20*{number}")
    eventually(lambda: bool(unscreened(guarded, number)))
    guarded.vaglio.run("audit", "checkpoint")
    guarded.vaglio.run("audit", "verify")
