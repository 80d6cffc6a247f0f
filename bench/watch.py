"""What watching a PBX costs: processor time of the service at 100 calls a second, with the guard and without.

    .venv/bin/python -m bench.watch [--calls 1000]

One Asterisk, one service, SIPp on both sides; every call is screened, answered, bridged and hung up. The same
calls are placed twice: with the PBX watched over AMI (event filters as shipped), and with the watch taken away.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab.house import OURS
from lab.sipp import Call, place
from lab.watched import running

if TYPE_CHECKING:
    from lab.watched import WatchedHouse

RATE = 100.0
"""Calls a second."""


def main() -> None:
    """Place the calls, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    count = parser.parse_args().calls
    with (
        tempfile.TemporaryDirectory(prefix="vaglio-bench-") as home,
        running(Path(home), "[bench-unused]\n", hang_up=True) as house,
    ):
        _calls(house, 50, 9)
        watched = _measured(house, count, 1)
        outcomes = house.metric("vaglio_outcomes_total")
        unscreened = house.metric("vaglio_unscreened_calls_total")
        text = house.vaglio.configuration.read_text()
        house.vaglio.configuration.write_text(re.sub(r"\[\[pbx\]\].*", "", text, flags=re.DOTALL))
        house.vaglio.stop()
        house.vaglio.start()
        _calls(house, 50, 8)
        alone = _measured(house, count, 2)
    print("| service at 100 calls a second | of one core | ms a call |")
    print("| --- | --- | --- |")
    for name, used in (("watched", watched), ("not watched", alone), ("the watch", watched - alone)):
        print(f"| {name} | {used / count * RATE:.1%} | {used / count * 1000:.2f} |")
    print(f"outcomes heard: {outcomes:.0f} of {count + 50}; unscreened: {unscreened:.0f}")


def _measured(house: WatchedHouse, count: int, series: int) -> float:
    """Seconds of processor time the service took for the calls."""
    before = _processor_seconds(house.vaglio.pid)
    _calls(house, count, series)
    time.sleep(2)
    return _processor_seconds(house.vaglio.pid) - before


def _calls(house: WatchedHouse, count: int, series: int) -> None:
    numbers = [f"+39333{series}{index:06d}" for index in range(count)]
    results = place(
        house.pbx.asterisk.ports.sip, [Call(number, "renewals", OURS) for number in numbers], rate=RATE
    )
    failed = sum(result.status != 200 for result in results)
    if failed:
        print(f"{failed} of {count} calls did not go through; the machine is too busy for this measurement")


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
