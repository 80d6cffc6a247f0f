"""Who goes first on a busy machine: the two threads that a call waits for, and nobody else."""

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
import os, threading
from vaglio.service import priority
print(priority.go_first(), os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
thread = threading.Thread(target=lambda: print(os.sched_getscheduler(0)))
thread.start()
thread.join()
child = os.fork()
if child == 0:
    print(os.sched_getscheduler(0), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


def tried(before: str = "") -> list[str]:
    """What `go_first` said; the policies of its thread, of a thread and of a process started by it."""
    words = [sys.executable, "-c", before + TRIED]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return subprocess.run(
        words, capture_output=True, text=True, check=True, env=environment, timeout=60
    ).stdout.split()


def ahead(pid: int) -> set[str]:
    """Names of the process's threads under a real-time policy."""
    threads = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    policies = {thread: os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK for thread in threads}
    return {"loop" if thread == pid else "another" for thread, policy in policies.items() if policy == os.SCHED_RR}


@needs_root
def test_only_the_thread_that_asks_goes_first() -> None:
    """What it starts, such as an import, runs at everybody's priority."""
    assert tried() == ["True", str(os.SCHED_RR), str(os.SCHED_OTHER), str(os.SCHED_OTHER)]


def test_where_it_is_not_granted_everything_stays_as_it_was() -> None:
    """No right to real-time priority is no reason not to serve."""
    before = """
import os, resource, threading, vaglio.service.priority
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
if os.geteuid() == 0:
    os.setuid(65534)
"""
    assert tried(before)[:2] == ["False", str(os.SCHED_OTHER)]


@needs_root
@pytest.mark.parametrize("wanted", [True, False])
def test_the_service_goes_first_where_it_is_told_to(tmp_path: Path, *, wanted: bool) -> None:
    """Event loop and committing thread with `fastagi.real_time`; without it, none."""
    vaglio = Vaglio(tmp_path / "site")
    if wanted:
        settings = vaglio.home / "vaglio.toml"
        settings.write_text(settings.read_text().replace("[fastagi]\n", "[fastagi]\nreal_time = true\n"))
    with vaglio:
        assert vaglio.pid is not None
        assert ahead(vaglio.pid) == ({"loop", "another"} if wanted else set())
