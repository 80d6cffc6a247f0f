"""How long calls are without a verdict when the service is killed or restarted, by what stands in for it.

Run `python -m bench.recovery`. A hundred calls a second ask as the shipped dialplan does: the service under a
watchdog of 0.5 s, then the standby where there is one. The process is started again 100 ms after its end, as
`systemd/vaglio.service` has it. The last table is `vaglio-agi`, which is a process a call.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from typing import TYPE_CHECKING

from bench.machine import machine_line
from bench.tables import percentile, table
from lab.agi_client import Status, call, header_block
from lab.vaglio import Vaglio

if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket

RATE = 100
BEFORE, AFTER = 1.0, 1.0
RESTART_SECONDS = 0.1
OURS = "+390612345678"
CAMPAIGNS = Path(__file__).resolve().parents[1] / "lab" / "sample" / "campaigns.toml"
SCRIPT_CALLS = 60


@dataclass(frozen=True, slots=True)
class Way:
    """What stands in for the service: a socket that outlives it, a standby in the dialplan, one on that socket."""

    title: str
    socket: bool = False
    standby: bool = False
    shared: bool = False


WAYS = (
    Way("nothing"),
    Way("socket activation", socket=True),
    Way("standby in the dialplan", standby=True),
    Way("socket shared with the standby", socket=True, shared=True),
    Way("both", socket=True, standby=True, shared=True),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: when it asked, in seconds after the end of the service; how long it took; whether it was told."""

    at: float
    seconds: float
    verdict: bool


def measure(way: Way, *, kill: bool) -> list[Asked]:
    """End a service under load, start it again, and tell of every call."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vaglio-recovery-")))
        vaglio = Vaglio(home / "site")
        vaglio.run("campaign", "import", str(CAMPAIGNS))
        passed: list[tuple[str, socket]] = []
        port = vaglio.port
        if way.socket:
            held = stack.enter_context(create_server(("127.0.0.1", 0), backlog=1024))
            passed, port = [("fastagi", held)], held.getsockname()[1]
        if way.standby or way.shared:
            vaglio.standby.start(passed if way.shared else [])
            stack.callback(vaglio.standby.kill)
        vaglio.start(passed)
        stack.callback(vaglio.kill)
        ports = [port, vaglio.standby.port] if way.standby else [port]
        return asyncio.run(_under_load(vaglio, passed, ports, kill=kill))


async def _under_load(
    vaglio: Vaglio, passed: Sequence[tuple[str, socket]], ports: Sequence[int], *, kill: bool
) -> list[Asked]:
    done: list[Asked] = []
    calls = []
    began = time.monotonic()
    ended = began + BEFORE
    until: float | None = None
    restart: asyncio.Task[None] | None = None
    serial = 0
    while until is None or time.monotonic() < until:
        serial += 1
        calls.append(asyncio.create_task(_dial(serial, ports, ended, done)))
        if restart is None and time.monotonic() >= ended:
            ended = time.monotonic()
            restart = asyncio.create_task(asyncio.to_thread(_restart, vaglio, passed, kill=kill))
        if restart is not None and restart.done() and until is None:
            restart.result()
            until = time.monotonic() + AFTER
        await asyncio.sleep(max(0.0, began + serial / RATE - time.monotonic()))
    await asyncio.gather(*calls)
    return done


def _restart(vaglio: Vaglio, passed: Sequence[tuple[str, socket]], *, kill: bool) -> None:
    if kill:
        vaglio.kill()
    else:
        vaglio.stop()
    time.sleep(RESTART_SECONDS)
    vaglio.start(passed)


async def _dial(serial: int, ports: Sequence[int], ended: float, done: list[Asked]) -> None:
    """One call: each address in turn."""
    began = time.monotonic()
    told = False
    for port in ports:
        number = f"+39333{serial:07d}"
        headers = {"agi_uniqueid": f"1700000000.{serial}"}
        outcome = await call("127.0.0.1", port, "screen", number, "renewals", OURS, headers=headers)
        told = outcome.status is Status.ANSWERED and "VAGLIO" in outcome.variables
        if told:
            break
    done.append(Asked(began - ended, time.monotonic() - began, told))


def _row(way: Way, asked: list[Asked]) -> list[str]:
    lost = [one for one in asked if not one.verdict]
    answered = sorted(one.seconds * 1000 for one in asked if one.verdict)
    after = [one.at + one.seconds for one in asked if one.verdict and one.at >= 0]
    gap = (max(one.at for one in lost) - min(one.at for one in lost)) if lost else 0.0
    return [
        way.title,
        f"{min(after) * 1000:.0f}" if after else "-",
        str(len(lost)),
        f"{gap:.2f}",
        f"{percentile(answered, 50):.1f}",
        f"{answered[-1]:.0f}",
        str(len(asked)),
    ]


def script_report() -> str:
    """A verdict through `vaglio-agi`, start of the process included, and how long it takes to fail."""
    with tempfile.TemporaryDirectory(prefix="vaglio-recovery-") as home:
        vaglio = Vaglio(Path(home) / "site")
        vaglio.run("campaign", "import", str(CAMPAIGNS))
        with vaglio:
            good = _script_times(f"agi://127.0.0.1:{vaglio.port}/screen")
        refused = _script_times(f"agi://127.0.0.1:{vaglio.port}/screen")
        with create_server(("127.0.0.1", 0)) as silent:
            late = _script_times(f"agi://127.0.0.1:{silent.getsockname()[1]}/screen")
    rows = [
        [title, f"{percentile(times, 50):.0f}", f"{percentile(times, 99):.0f}", f"{times[-1]:.0f}"]
        for title, times in (("verdict", good), ("service refuses", refused), ("service silent", late))
    ]
    return f"A call through vaglio-agi, ms, one at a time\n{table(['', 'p50', 'p99', 'max'], rows)}"


def _script_times(address: str) -> list[float]:
    times = []
    for serial in range(SCRIPT_CALLS):
        block = header_block("ignored", headers={"agi_uniqueid": f"1700000001.{serial}"}) + b"200 result=0\n"
        words = [sys.executable, "-m", "vaglio.pbx.plain_agi", address, f"+39333{serial:07d}", "renewals", OURS]
        began = time.monotonic()
        subprocess.run(words, input=block, capture_output=True, check=True, timeout=10)
        times.append((time.monotonic() - began) * 1000)
    return sorted(times)


def main() -> int:
    """Print the tables."""
    print(machine_line(), flush=True)
    head = ["stands in", "first verdict ms", "without", "over s", "p50 ms", "max ms", "calls"]
    for kill, title in ((True, "killed (SIGKILL)"), (False, "restarted (SIGTERM)")):
        rows = [_row(way, measure(way, kill=kill)) for way in WAYS]
        print(f"\nThe service {title} under {RATE} calls/s\n{table(head, rows)}", flush=True)
    print(f"\n{script_report()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
