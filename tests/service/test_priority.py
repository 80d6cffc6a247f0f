"""Who goes first on a busy machine: the service where it is told to, never an import that it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.vaglio import Vaglio

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(
    not ROOT and not os.environ.get("CI"), reason="NOT ROOT: no real-time priority can be had, none is tried"
)
TRIED = """
import os
from vaglio.service import priority
print(priority.go_first(), os.sched_getscheduler(0))
priority.stand_back()
print(os.sched_getscheduler(0))
"""


def tried(before: str = "") -> list[str]:
    """What `go_first` said, and the policies after it and after `stand_back`."""
    words = [sys.executable, "-c", before + TRIED]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.split()


def policies(pid: int) -> set[int]:
    """Under which the process's threads run."""
    return {os.sched_getscheduler(int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()}


@needs_root
def test_who_went_first_can_stand_back() -> None:
    """An import that a service at real-time priority starts is among all others again."""
    assert tried() == ["True", str(os.SCHED_RR), str(os.SCHED_OTHER)]


def test_where_it_is_not_granted_everything_stays_as_it_was() -> None:
    """No right to real-time priority is no reason not to serve."""
    before = """
import os, resource, vaglio.service.priority
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
if os.geteuid() == 0:
    os.setuid(65534)
"""
    assert tried(before) == ["False", str(os.SCHED_OTHER), str(os.SCHED_OTHER)]


@needs_root
@pytest.mark.parametrize("wanted", [True, False])
def test_the_service_goes_first_where_it_is_told_to(tmp_path: Path, *, wanted: bool) -> None:
    """All its threads with `fastagi.real_time`; without it, none."""
    vaglio = Vaglio(tmp_path / "site")
    if not wanted:
        settings = vaglio.home / "vaglio.toml"
        settings.write_text(settings.read_text().replace("real_time = true\n", ""))
    with vaglio:
        assert policies(vaglio.pid) == {os.SCHED_RR if wanted else os.SCHED_OTHER}
