"""The promise the product stands on: whatever dies, no call goes out that the log does not know of."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import pytest

from lab.asterisk import Asterisk
from lab.pbx import Pbx, eventually
from lab.sipp import Call, Trunk, place
from lab.vaglio import Vaglio

pytestmark = [pytest.mark.pbx, pytest.mark.slow]

SAMPLE = Path(str(resources.files("lab"))) / "sample"
OURS = "+390612345678"
KILLS = 10
CALLS = 900
RATE = 50


@pytest.fixture
def bench(running_pbx: Pbx, tmp_path: Path) -> Iterator[tuple[Pbx, Vaglio]]:
    """A PBX of its own and a service that may be killed."""
    assert running_pbx.asterisk.pid
    asterisk = Asterisk()
    vaglio = Vaglio(tmp_path, port=asterisk.ports.service, policy_directory=asterisk.policy_dir)
    vaglio.run("campaign", "import", str(SAMPLE / "campaigns.toml"))
    with asterisk, Trunk(asterisk.ports.trunk) as trunk, vaglio:
        yield Pbx(asterisk, trunk), vaglio


def test_every_invite_has_its_record_though_the_service_is_killed(bench: tuple[Pbx, Vaglio]) -> None:
    """Under 50 calls/s and ten SIGKILLs each INVITE names an allow in the log, or is a recorded failopen."""
    pbx, vaglio = bench
    calls = [
        Call(f"+393331{index:06d}", "outage-notice" if index % 3 == 0 else "renewals", OURS)
        for index in range(CALLS)
    ]
    moments = random.Random(7)  # noqa: S311 - moments to kill at, not secrets
    with ThreadPoolExecutor(1) as pool:
        placed = pool.submit(place, pbx.asterisk.ports.sip, calls, rate=RATE)
        for _ in range(KILLS):
            time.sleep(moments.uniform(0.1, 0.8))
            vaglio.kill()
            time.sleep(moments.uniform(0.0, 0.3))
            vaglio.start()
        results = placed.result()
    eventually(lambda: not pbx.kept(), 30)

    entries = vaglio.json("audit", "tail", "--count", "10000")
    allowed = {entry["id"] for entry in entries if entry["kind"] == "decision" and entry["verdict"] == "allow"}
    let_out = Counter(entry["number"]["last3"] for entry in entries if entry["kind"] == "failopen")
    invites = pbx.trunk.invites()
    screened = [invite for invite in invites if invite.decision != "failopen"]
    unscreened = Counter(invite.number[-3:] for invite in invites if invite.decision == "failopen")

    assert {result.status for result in results} == {200, 503}
    assert len(screened) > CALLS / 10
    assert [invite.number for invite in screened if invite.decision not in allowed] == []
    assert unscreened - let_out == Counter()
    assert sum(unscreened.values()) > 0
