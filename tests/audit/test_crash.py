"""What survives: a process killed at any point, a disk that fails at any operation, four writers at once."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vaglio.audit import Reader
from vaglio.audit.verify import verify_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.audit.conftest import Site

HERE = Path(__file__).parent
MINUTE = 60.0


def start(site: Site, mode: str, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, HERE / "appender.py", site.directory, mode, str(seconds)], stdout=subprocess.PIPE
    )


def acknowledged(output: bytes) -> list[tuple[str, int, float]]:
    lines = [line.split() for line in output.decode().splitlines(keepends=True) if line.endswith("\n")]
    return [(name, int(seq), float(wait)) for name, seq, wait in lines]


def present(site: Site) -> dict[int, str]:
    with Reader(site.path) as reader:
        return {record.seq: record.id for record in reader.between(None, None)}


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(site: Site) -> None:
    """SIGKILL at random moments of appending and sealing, eight times on the same log."""
    told: list[tuple[str, int, float]] = []
    pause = random.Random(7)  # noqa: S311 - the same moments every time
    for _ in range(8):
        process = start(site, "hot", 30)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(pause.uniform(0.02, 0.5))
        process.kill()
        rest, _ = process.communicate()
        told += acknowledged(first + rest)
        found = verify_log(site.path, site.keys.verifier, keys=site.keys)
        assert found.damages == ()
    entries = present(site)
    assert len(told) > 100
    assert [name for name, seq, _ in told if entries.get(seq) != name] == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_four_processes_append_at_once(site: Site) -> None:
    """For a minute, one steady and three as fast as they can: one order, no loss, no duplicate, fair turns."""
    processes = [start(site, mode, MINUTE) for mode in ("hot", "tight", "tight", "tight")]
    outputs = [process.communicate(timeout=3 * MINUTE)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    told = [acknowledged(output) for output in outputs]
    numbers = [seq for lines in told for _, seq, _ in lines]
    entries = present(site)
    assert len(numbers) == len(set(numbers))
    assert all(entries[seq] == name for lines in told for name, seq, _ in lines)
    assert sorted(entries) == list(range(1, len(entries) + 1))
    assert verify_log(site.path, site.keys.verifier, keys=site.keys).damages == ()
    steady, greedy = (sorted(wait for _, _, wait in lines) for lines in (told[0], list(chain(*told[1:]))))
    assert len(steady) > 20
    # Without turns the steady one waits a thousand times as long as the greedy ones (seconds, not milliseconds).
    assert steady[len(steady) // 2] < 20 * greedy[len(greedy) // 2] + 20


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes disk operations fail."""
    compiler = shutil.which("cc")
    if compiler is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("NO C COMPILER HERE: the library that makes disk operations fail cannot be built; run make parts")
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, HERE / "faults.c", "-ldl"], check=True)
    return library


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: the errors are made, so the disk only costs time."""
    shared = Path("/dev/shm")  # noqa: S108 - the name of the kernel's, and a random one below it
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as made:
        yield Path(made)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("error", "width"), [("EIO", 1), ("ENOSPC", 6)])
def test_a_failing_disk_loses_nothing_acknowledged(faults: Path, memory: Path, error: str, width: int) -> None:
    """An error at every write, sync, truncation and rename of appending and sealing: refused or durable."""
    done = subprocess.run(
        [sys.executable, HERE / "broken_disk.py", memory / "site", error, str(width)],
        env={**os.environ, "LD_PRELOAD": str(faults)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(cases) > 150
    assert [case["nth"] for case in cases] == list(range(1, len(cases) + 1))
    assert sum(case["failed"] > 0 for case in cases) > len(cases) // 2
    assert [case for case in cases if case["lost"] or case["damages"]] == []
