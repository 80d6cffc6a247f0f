"""What the figures were measured on, in one line."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import tempfile
import time
from pathlib import Path

from bench.tables import percentile
from lab import installation
from lab.errors import LabError

_SYNCS = 200


def machine_line() -> str:
    """Cores, processor, kernel, and the versions that matter to the figures."""
    parts = [
        f"{len(os.sched_getaffinity(0))} cores ({_processor()})",
        f"Linux {platform.release()}",
        _asterisk(),
        f"Python {platform.python_version()}",
        f"SQLite {sqlite3.sqlite_version}",
        f"load {os.getloadavg()[0]:.1f} at the start",
    ]
    return " · ".join(parts)


def _processor() -> str:
    match = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return " ".join(match[1].split()) if match else platform.machine()


def _asterisk() -> str:
    try:
        return installation.find().version()
    except LabError as error:
        return f"no Asterisk: {error}"


def sync_line() -> str:
    """What making one page durable costs in the temporary directory, on an otherwise idle file."""
    times = []
    with tempfile.TemporaryFile() as file:
        for number in range(_SYNCS):
            os.pwrite(file.fileno(), b"\1" * 4096, number * 4096)
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
            time.sleep(0.002)
    times.sort()
    return f"one fdatasync of 4 KiB: p50 {percentile(times, 50):.2f} ms, p99 {percentile(times, 99):.2f} ms"
