"""The standby behind a real Asterisk: what calls see while the first service is stopped, killed and back."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from lab.house import OURS, House, running
from lab.sipp import Call, Result, place

pytestmark = [pytest.mark.pbx, pytest.mark.slow]

OPPOSED = "+393331234567"
CALLS = 800
RATE = 100
STORM = 200


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A PBX of its own, its dialplan told of the standby, both services running."""
    with running(tmp_path) as house, house.vaglio.standby:
        house.pbx.set(VAGLIO_STANDBY=f"127.0.0.1:{house.vaglio.standby.port}")
        yield house


def unscreened(house: House) -> list[str]:
    """Trunk legs whose header names no allow of the log."""
    allowed = {one["id"] for one in house.vaglio.entries("decision") if one["verdict"] == "allow"}
    return [invite.number for invite in house.pbx.trunk.invites() if invite.decision not in allowed]


def expected(result: Result) -> int:
    """What the call must end with when it gets its verdict."""
    return 603 if result.call.number == OPPOSED else 200


def slowest(results: list[Result]) -> str:
    """The call that waited longest, for the message of a failure and for who reads the run."""
    worst = max(results, key=lambda result: result.ms)
    return f"slowest of {len(results)} calls: …{worst.call.number[-3:]} after {worst.ms:.0f} ms"


def test_a_storm_on_a_stopped_and_then_killed_service_is_answered_by_the_standby(
    house: House, record_property: Callable[[str, object], None]
) -> None:
    """200 calls at once: every one gets its verdict, within the two watchdogs."""
    calls = [Call(f"+393330{index:06d}", "renewals", OURS) for index in range(2 * STORM)]
    house.vaglio.send(signal.SIGSTOP)
    stopped = place(house.pbx.asterisk.ports.sip, calls[:STORM], rate=STORM * 5, at_once=STORM)
    house.vaglio.kill()
    killed = place(house.pbx.asterisk.ports.sip, calls[STORM:], rate=STORM * 5, at_once=STORM)

    record_property("stopped", slowest(stopped))
    record_property("killed", slowest(killed))
    assert Counter(result.status for result in stopped) == {200: STORM}, slowest(stopped)
    assert Counter(result.status for result in killed) == {200: STORM}, slowest(killed)
    assert unscreened(house) == []
    assert len(house.pbx.trunk.invites()) == 2 * STORM
    assert house.vaglio.json("audit", "verify")["intact"]


def test_a_kill_under_load_loses_no_call_and_lets_none_out_unscreened(house: House) -> None:
    """At 100 calls/s, killed and started again: allowed calls go out, opposed ones do not, the log verifies."""
    calls = [
        Call(OPPOSED if index % 10 == 0 else f"+393330{index:06d}", "renewals", OURS) for index in range(CALLS)
    ]
    with ThreadPoolExecutor(1) as pool:
        placed = pool.submit(place, house.pbx.asterisk.ports.sip, calls, rate=RATE)
        time.sleep(2)
        house.vaglio.kill()
        at = time.time()
        time.sleep(2)
        house.vaglio.start()
        results = placed.result()

    assert house.pbx.saw(OPPOSED) == []
    assert unscreened(house) == []
    assert house.pbx.kept() == []
    wrong = [result for result in results if result.status != expected(result)]
    assert wrong == [], f"{len(wrong)}, {slowest(results)}"
    by_standby = [one for one in house.vaglio.entries("decision") if _epoch(one["at"]) > at]
    assert len(by_standby) > RATE
    assert house.vaglio.json("audit", "verify")["intact"]


def test_a_restart_refuses_no_call(house: House) -> None:
    """SIGTERM and a new start under load: every call has its verdict, none by the failure policy."""
    calls = [Call(f"+393340{index:06d}", "renewals", OURS) for index in range(CALLS // 2)]
    with ThreadPoolExecutor(1) as pool:
        placed = pool.submit(place, house.pbx.asterisk.ports.sip, calls, rate=RATE)
        time.sleep(1)
        assert house.vaglio.stop() == 0
        house.vaglio.start()
        results = placed.result()

    assert unscreened(house) == []
    assert {result.status for result in results} == {200}, slowest(results)


def _epoch(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
