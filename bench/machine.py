"""What the figures were measured on, in one line."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from pathlib import Path

from lab import installation
from lab.errors import LabError


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
