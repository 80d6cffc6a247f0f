"""The promise the product stands on: whatever dies, no call goes out that the log does not know of."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.house import OURS, House
from lab.pbx import eventually
from lab.sipp import Call, Result, place

pytestmark = [pytest.mark.pbx, pytest.mark.slow, pytest.mark.timeout(240)]

KILLS = 10
RATE = 50


def stream(sip: int, until: threading.Event) -> list[Result]:
    """Place calls without a pause, each to a number of its own, each third for the campaign of risk."""
    results: list[Result] = []
    while not until.is_set():
        first = len(results)
        calls = [
            Call(f"+393331{index:06d}", "outage-notice" if index % 3 == 0 else "renewals", OURS)
            for index in range(first, first + 2 * RATE)
        ]
        results += place(sip, calls, rate=RATE)
    return results


def test_every_invite_has_its_record_though_the_service_is_killed(house: House) -> None:
    """Under 50 calls/s and ten SIGKILLs each INVITE names an allow in the log, or is a recorded failopen."""
    pbx, vaglio = house.pbx, house.vaglio
    begun = vaglio.entries()[-1]["seq"]
    killed = threading.Event()
    moments = random.Random(7)  # noqa: S311 - moments to kill at, not secrets
    with ThreadPoolExecutor(1) as pool:
        placed = pool.submit(stream, pbx.asterisk.ports.sip, killed)
        try:
            for _ in range(KILLS):
                time.sleep(moments.uniform(0.2, 0.9))
                vaglio.kill()
                time.sleep(moments.uniform(0.0, 0.3))
                vaglio.start()
        finally:
            killed.set()
        results = placed.result()
    eventually(lambda: not pbx.kept(), 30)

    entries = [entry for entry in vaglio.entries() if entry["seq"] > begun]
    allowed = {entry["id"]: entry for entry in entries if entry.get("verdict") == "allow"}
    let_out = Counter(entry["number"]["last3"] for entry in entries if entry["kind"] == "failopen")
    ours = {result.call.number: result.call for result in results}
    invites = [invite for invite in pbx.trunk.invites() if invite.number in ours]
    screened = [invite for invite in invites if invite.decision != "failopen"]
    unscreened = [invite for invite in invites if invite.decision == "failopen"]

    assert {result.status for result in results} == {200, 503}
    assert len(screened) > len(results) / 10
    assert [invite.number for invite in screened if invite.decision not in allowed] == []
    for invite in screened:
        assert allowed[str(invite.decision)]["number"]["last3"] == invite.number[-3:]
    assert len({invite.decision for invite in screened}) == len(screened)
    assert len(unscreened) > 0
    assert Counter(invite.number[-3:] for invite in unscreened) - let_out == Counter()
    assert {ours[invite.number].campaign for invite in unscreened} == {"outage-notice"}
    assert len(invites) == len([result for result in results if result.status == 200])
    assert [entry["seq"] for entry in entries] == list(range(begun + 1, begun + 1 + len(entries)))
