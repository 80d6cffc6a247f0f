"""The real service stopped, frozen, or unable to write its log: who is refused, who goes out, what is recorded."""

import resource
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from lab.house import OURS, SAMPLE, House
from lab.pbx import eventually
from lab.sipp import Call, place

pytestmark = pytest.mark.pbx

REFUSED_MS = 1500
"""One second is promised; the rest is for a busy machine."""
HANDED_OVER_SECONDS = 30.0


@contextmanager
def stopped(house: House) -> Iterator[None]:
    """Nobody listens."""
    house.vaglio.stop()
    try:
        yield
    finally:
        house.vaglio.start()


@contextmanager
def frozen(house: House) -> Iterator[None]:
    """The kernel accepts, nobody answers."""
    house.vaglio.send(signal.SIGSTOP)
    try:
        yield
    finally:
        house.vaglio.send(signal.SIGCONT)


@contextmanager
def unwritable(house: House) -> Iterator[None]:
    """The service answers `failure`, for its log cannot be written."""
    house.vaglio.stop()
    house.vaglio.start()
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(house.vaglio.pid, resource.RLIMIT_FSIZE, (4096, unlimited))
    try:
        yield
    finally:
        resource.prlimit(house.vaglio.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))


Fault = Callable[[House], AbstractContextManager[None]]
FAULTS = pytest.mark.parametrize("fault", [stopped, frozen, unwritable])


@FAULTS
def test_without_a_verdict_a_call_is_refused_at_once(house: House, number: str, fault: Fault) -> None:
    """503 within a second, and the trunk gets nothing; afterwards verdicts come again."""
    with fault(house):
        result = house.dial(number)
    assert result.status == 503
    assert result.ms < REFUSED_MS
    house.pbx.set(VAGLIO_SKIP_SERVICE="0")
    eventually(house.vaglio.ready)
    assert house.dial(number).status == 200
    assert len(house.pbx.saw(number)) == 1


@FAULTS
def test_a_campaign_that_accepts_the_risk_goes_out_and_is_recorded(
    house: House, number: str, fault: Fault
) -> None:
    """The trunk sees `failopen`, and once the service is back the log has that call."""
    before = len(house.vaglio.entries("failopen"))
    with fault(house):
        result = house.dial(number, "outage-notice")
    assert result.status == 200
    assert result.ms < REFUSED_MS
    assert [invite.decision for invite in house.pbx.saw(number)] == ["failopen"]
    eventually(lambda: not house.pbx.kept(), HANDED_OVER_SECONDS)
    (entry,) = house.vaglio.entries("failopen")[before:]
    assert (entry["number"]["last3"], entry["campaign"]) == (number[-3:], "outage-notice")


@FAULTS
def test_an_emergency_call_goes_out_whatever_is_down(house: House, fault: Fault) -> None:
    """It does not even wait for the watchdog, and a wrong campaign or caller id does not matter."""
    before = {number: len(house.pbx.saw(number)) for number in ("112", "118")}
    with fault(house):
        results = [house.dial(number, "no-such-campaign", "") for number in before]
    assert [result.status for result in results] == [200, 200]
    for number, count in before.items():
        assert [invite.decision for invite in house.pbx.saw(number)[count:]] == ["emergency"]


def test_a_policy_changed_by_an_import_reaches_the_dialplan(
    house: House, number: str, other: str, tmp_path: Path
) -> None:
    """Changed while the service runs, and changed back while it does not: the next call follows."""
    changed = tmp_path / "changed.toml"
    text = (SAMPLE / "campaigns.toml").read_text()
    changed.write_text(text.replace('on_failure = "block"', 'on_failure = "allow"'))
    house.vaglio.run("campaign", "import", str(changed))
    with stopped(house):
        assert house.dial(number).status == 200
        house.vaglio.run("campaign", "import", str(SAMPLE / "campaigns.toml"))
        assert house.dial(other).status == 503
    assert [invite.decision for invite in house.pbx.saw(number)] == ["failopen"]
    assert house.pbx.saw(other) == []
    eventually(lambda: not house.pbx.kept(), HANDED_OVER_SECONDS)


def test_calls_in_flight_at_a_stop_are_answered_or_refused(house: House, unused_numbers: Iterator[int]) -> None:
    """Under a stream of calls a stop and a start cost 503s, never an unrecorded call."""
    calls = [Call(f"+39335{next(unused_numbers):07d}", "renewals", OURS) for _ in range(120)]
    with ThreadPoolExecutor(1) as pool:
        placed = pool.submit(place, house.pbx.asterisk.ports.sip, calls, rate=40)
        house.vaglio.stop()
        house.vaglio.start()
        results = placed.result()
    assert {result.status for result in results} <= {200, 503}
    allowed = {entry["id"] for entry in house.vaglio.entries("decision") if entry["verdict"] == "allow"}
    ours = {call.number for call in calls}
    seen = [invite for invite in house.pbx.trunk.invites() if invite.number in ours]
    assert [invite for invite in seen if invite.decision not in allowed] == []
    assert len(seen) == len([result for result in results if result.status == 200])
