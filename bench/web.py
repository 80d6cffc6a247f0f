"""The HTTP API: checks a second, and what its load does to calls beside it.

Run `python -m bench.web`. The client is a few lines over bare sockets, so that what is measured is the service.
The calls go through a real Asterisk at 100 a second, in turns with and without 200 requests a second beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from bench import call
from bench.agi_load import cpu_seconds
from bench.machine import machine_line, sync_line
from bench.parts import NotMeasured
from bench.peers.start import agi_step
from bench.processes import running
from bench.service import CALLER_ID, CAMPAIGN, vaglio
from bench.tables import percentile, table
from lab.asterisk import Asterisk
from lab.errors import LabError
from lab.ports import free_port
from lab.sipp import Call

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONNECTIONS = 8
BESIDE = 200
"""Requests a second beside the calls."""
_SECONDS = 5.0
_TURN = 500
"""Calls of one turn: five seconds of them."""


@dataclass(slots=True)
class Load:
    """What a load of requests got: seconds of each answer, and how many were not 200."""

    times: list[float] = field(default_factory=list)
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Web:
    """A running `vaglio web`, and the key that opens it."""

    port: int
    pid: int
    key: str

    def request(self, numbers: int, first: int) -> bytes:
        """One `POST /v1/check` about so many numbers, findings left out."""
        asked = [
            {"number": f"+336{first + place:08d}", "campaign": CAMPAIGN, "caller_id": CALLER_ID}
            for place in range(numbers)
        ]
        body = orjson.dumps(asked if numbers > 1 else asked[0])
        head = (
            f"POST /v1/check?explain=false HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n"
            f"authorization: Bearer {self.key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@contextmanager
def web(directory: Path) -> Iterator[Web]:
    """Serve the web of the site in this directory."""
    port = free_port()
    environment = os.environ | {
        "VAGLIO_CONFIG": str(directory / "vaglio.toml"),
        "VAGLIO_WEB__LISTEN": f"127.0.0.1:{port}",
    }
    program = Path(sys.executable).with_name("vaglio")
    command = [str(program), "api-key", "add", "bench", "--role", "campaign-manager", "--json"]
    made = subprocess.run(command, capture_output=True, check=False, env=environment, timeout=60)
    if made.returncode != 0:
        raise NotMeasured(f"no API key: {made.stderr.decode().strip()}")
    with running([program, "web"], port, log=directory / "web.log", environment=environment) as process:
        yield Web(port, process.pid, orjson.loads(made.stdout)["key"])


async def _asking(service: Web, numbers: int, load: Load, until: float, pause: float, first: int) -> None:
    """One connection: the next request `pause` seconds after the last was due, or at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    due = time.perf_counter()
    while (now := time.perf_counter()) < until:
        if pause and now < due:
            await asyncio.sleep(due - now)
        begun = due if pause else now  # a request that had to wait for the one before has waited
        due += pause
        writer.write(service.request(numbers, first))
        first += numbers
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        load.times.append(time.perf_counter() - begun)
        load.failed += not head.startswith(b"HTTP/1.1 200")
    writer.close()


def ask(service: Web, numbers: int, seconds: float, connections: int, rate: float = 0.0) -> Load:
    """Ask from so many connections, as fast as answers come or `rate` requests a second in all."""
    load = Load()

    async def all_of_them() -> None:
        until = time.perf_counter() + seconds
        pause = connections / rate if rate else 0.0
        await asyncio.gather(
            *(
                _asking(service, numbers, load, until, pause, 10_000_000 * (place + 1))
                for place in range(connections)
            )
        )

    asyncio.run(all_of_them())
    load.times.sort()
    return load


def _alone(service: Web) -> list[list[str]]:
    ask(service, 1, 1.0, 1)
    rows = []
    for numbers, connections in ((1, 1), (1, CONNECTIONS), (1000, 1)):
        before = cpu_seconds(service.pid)
        load = ask(service, numbers, _SECONDS, connections)
        used = cpu_seconds(service.pid) - before
        rate = len(load.times) / _SECONDS
        rows.append(
            [
                f"{numbers} a request, {connections} connection{'s' if connections > 1 else ''}",
                f"{rate:.0f}",
                f"{rate * numbers:.0f}",
                f"{percentile(load.times, 50) * 1000:.1f}",
                f"{percentile(load.times, 99) * 1000:.1f}",
                f"{used / len(load.times) * 1000:.2f}",
                str(load.failed),
            ]
        )
    return rows


def _beside(service: Web, port: int, turns: int) -> str:
    """Calls alone and beside the load, turn by turn on one Asterisk."""
    dialplan = call.DIALPLAN_HEAD + call.DIALPLAN_PEER.format(index=0, skip=len("b0-"), step=agi_step(port))
    times: dict[bool, list[float]] = {False: [], True: []}
    asked = Load()
    with Asterisk(extra={"extensions_local.conf": dialplan}) as asterisk:
        call.place_calls(asterisk, _calls(0, 100))
        seen = len(call.await_readings(asterisk, 100))
        if not seen:
            raise LabError("no call reached the dialplan; run again")
        for turn in range(2 * turns):
            loaded = bool(turn % 2)
            loads: list[Load] = []
            beside = threading.Thread(
                target=lambda loads=loads: loads.append(ask(service, 1, _TURN / call.RATE, CONNECTIONS, BESIDE))
            )
            if loaded:
                beside.start()
            call.place_calls(asterisk, _calls(100 + turn * _TURN, _TURN))
            if loaded:
                beside.join()
                asked.times += loads[0].times
                asked.failed += loads[0].failed
            readings = call.await_readings(asterisk, seen + _TURN)
            times[loaded] += [ms for _, ms, answer in readings[seen:] if answer]
            seen = len(readings)
    return _told(times, asked, turns)


def _calls(first: int, count: int) -> Sequence[Call]:
    return [Call(f"b0-336{2 * number + 1:08d}") for number in range(first, first + count)]


def _told(times: dict[bool, list[float]], asked: Load, turns: int) -> str:
    rows = []
    alone, beside = sorted(times[False]), sorted(times[True])
    for title, own in (("alone", alone), (f"beside {BESIDE} requests/s", beside)):
        if not own:
            raise NotMeasured("no call was answered")
        cells = [percentile(own, 50), percentile(own, 99), own[-1]]
        unanswered = turns * _TURN - len(own)
        rows.append([title, *(f"{cell:.2f}" for cell in cells), str(len(own)), str(unanswered)])
    ratio = percentile(beside, 99) / percentile(alone, 99)
    asked.times.sort()
    rate = len(asked.times) / (turns * _TURN / call.RATE)
    return (
        f"The call seen from the dialplan, {call.RATE} calls/s, turns of {_TURN} alone and beside the API's load\n"
        f"{table(['ms', 'p50', 'p99', 'max', 'calls', 'unanswered'], rows)}\n"
        f"p99 beside / alone: {ratio:.2f}. The API meanwhile: {rate:.0f} requests/s, "
        f"p99 {percentile(asked.times, 99) * 1000:.1f} ms, {asked.failed} failed."
    )


def main(arguments: Sequence[str]) -> int:
    """Print both tables; 1 when there is nothing to measure on."""
    parser = argparse.ArgumentParser(prog="python -m bench.web", description=__doc__)
    parser.add_argument("--no-calls", action="store_true", help="leave out the calls")
    parser.add_argument("--turns", type=int, default=4, help="turns of 500 calls alone, and as many beside")
    options = parser.parse_args(arguments)
    print(machine_line(), flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="vaglio-web-") as name:
            directory = Path(name) / "vaglio"
            with vaglio(directory) as service, web(directory) as served:
                head = ["POST /v1/check", "requests/s", "numbers/s", "p50 ms", "p99 ms", "CPU ms", "failed"]
                print(f"\nChecks over HTTP, findings left out\n{table(head, _alone(served))}", flush=True)
                if not options.no_calls:
                    print(f"\n{_beside(served, service.port, options.turns)}\n{sync_line()}")
    except (NotMeasured, LabError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
