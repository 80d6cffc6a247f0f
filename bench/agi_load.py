"""Decisions a second by direct AGI load on one `vaglio serve`, every decision durable before its answer.

Run `python -m bench.agi_load`. The clients are one C program (`agi_load.c`) that holds N conversations in flight,
so that what is measured is the service and not its clients.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.machine import machine_line
from bench.parts import NotMeasured, compiled
from bench.service import CALLER_ID, CAMPAIGN, vaglio
from bench.tables import percentile, table

CALLS = 5_000
IN_FLIGHT = (1, 8, 32, 128)
_WARM_UP = 500
_SOURCE = Path(__file__).resolve().with_suffix(".c")


@dataclass(frozen=True, slots=True)
class Load:
    """One run: seconds it took, verdicts, calls that got none, microseconds of each verdict in rising order."""

    seconds: float
    allowed: int
    blocked: int
    failed: int
    latencies: list[float]


def load(program: Path, port: int, *, calls: int, in_flight: int, first: int) -> Load:
    """Put so many calls through, so many at a time; raises NotMeasured when the service stops answering."""
    words = [str(program), str(port), str(calls), str(in_flight), CAMPAIGN, CALLER_ID, str(first)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired as error:
        raise NotMeasured("the load did not end in 120 s") from error
    if done.returncode != 0:
        raise NotMeasured(f"the load broke off: {done.stderr.strip()}")
    lines = done.stdout.split("\n")
    seconds, allowed, blocked, failed = (float(line.split()[1]) for line in lines[:4])
    return Load(
        seconds, int(allowed), int(blocked), int(failed), sorted(float(line) for line in lines[4:] if line)
    )


def report(calls: int = CALLS) -> str:
    """The table, or the one line that says why there is none."""
    title = (
        f"Direct AGI load on one process, every decision durable, {calls} calls a row; CPU of the service a call"
    )
    try:
        with tempfile.TemporaryDirectory(prefix="vaglio-load-") as name:
            directory = Path(name)
            program = compiled(_SOURCE, directory)
            with vaglio(directory / "vaglio") as service:
                rows = _measure(program, service.port, service.pid, calls)
    except NotMeasured as error:
        return f"{title}\nnot measured: {error}"
    head = [
        "in flight",
        "decisions/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "CPU µs",
        "allowed",
        "blocked",
        "failed",
    ]
    return f"{title}\n{table(head, rows)}"


def _measure(program: Path, port: int, pid: int, calls: int) -> list[list[str]]:
    load(program, port, calls=_WARM_UP, in_flight=8, first=1)
    first = 1 + _WARM_UP
    rows = []
    for in_flight in IN_FLIGHT:
        before = cpu_seconds(pid)
        run = load(program, port, calls=calls, in_flight=in_flight, first=first)
        used = cpu_seconds(pid) - before
        first += calls
        if not run.latencies:
            raise NotMeasured("no call got a verdict")
        times = [run.latencies[-1] if p == 100 else percentile(run.latencies, p) for p in (50, 99, 100)]
        milliseconds = [f"{time / 1000:.2f}" for time in times]
        rate = f"{len(run.latencies) / run.seconds:.0f}"
        counts = [str(run.allowed), str(run.blocked), str(run.failed)]
        rows.append([str(in_flight), rate, *milliseconds, f"{used / calls * 1e6:.0f}", *counts])
    return rows


def cpu_seconds(pid: int) -> float:
    """User and system time the process has used, from /proc (10 ms steps)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    print(machine_line())
    print(f"\n{report(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)}")
