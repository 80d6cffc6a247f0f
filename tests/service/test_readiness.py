"""What keeps `/readyz` from saying ready; who is continued for holding the log's lock; whose presence is seen."""

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.pbx import eventually
from vaglio import site
from vaglio.index.definitions import definition
from vaglio.index.snapshots import import_list
from vaglio.index.store import Store
from vaglio.service import readiness
from vaglio.service.presence import Presence
from vaglio.service.stopped import continue_holders
from vaglio.service.systemd import passed_sockets
from vaglio.site import Site

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def made(tmp_path: Path) -> Site:
    """A new installation."""
    return site.init(tmp_path / "site")


def faults(made: Site, opened: tuple[tuple[int, int], ...] | None = None) -> str:
    return " ".join(readiness.inspect(made, opened or readiness.identities(made)).faults)


def test_a_whole_installation_has_no_fault(made: Site) -> None:
    """Nothing to see to, and no checkpoint yet."""
    assert readiness.inspect(made, readiness.identities(made)) == readiness.Inspection((), None)


def test_a_key_that_is_gone_is_a_fault(made: Site) -> None:
    """The running process has it in memory; the next start would fail."""
    (made.settings.path(made.settings.audit.keys) / "search.key").unlink()
    assert "search.key: missing" in faults(made)


def test_a_database_put_in_place_of_the_open_one_is_a_fault(made: Site, tmp_path: Path) -> None:
    """The process would go on writing to the file that is no longer there."""
    opened = readiness.identities(made)
    shutil.copy(made.log_file, tmp_path / "copy")
    (tmp_path / "copy").replace(made.log_file)
    assert "another file stands in its place" in faults(made, opened)
    made.index_file.unlink()
    assert "index.db: No such file" in faults(made, opened)


def test_a_full_disk_is_a_fault_before_it_is_full(made: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said while there is still room for some thousand entries."""
    disk = os.statvfs(made.log_file.parent)
    monkeypatch.setattr(readiness, "LEAST_FREE", disk.f_bavail * disk.f_frsize * 2)
    assert "left on its disk; make room" in faults(made)


async def test_a_register_is_dated_by_its_list(made: Site, tmp_path: Path) -> None:
    """What was never taken in has no age; what was has its own date, not that of its loading."""
    assert readiness.register_dates(made) == {}
    dated = datetime.now(UTC) - timedelta(days=3)
    (tmp_path / "tps.txt").write_text("02079460000\n02079460001\n")
    async with await Store.open(made.index_file) as store:
        await import_list(store, definition("tps"), tmp_path / "tps.txt", entry=2, as_of=dated)
    assert readiness.register_dates(made) == {"tps": pytest.approx(dated.timestamp(), abs=1)}


def test_who_is_stopped_with_the_lock_is_continued(tmp_path: Path) -> None:
    """Only that process, only while it is stopped; one that runs is left alone."""
    lock = tmp_path / "audit.db.desk"
    lock.touch()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert continue_holders([lock]) == []
        os.kill(holder.pid, signal.SIGSTOP)
        eventually(lambda: continue_holders([lock]) == [holder.pid], 5)
        eventually(lambda: continue_holders([lock]) == [], 5)
        holder.kill()


def test_nobody_is_continued_for_another_file(tmp_path: Path) -> None:
    """A lock elsewhere is nobody's business."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.touch()
    other.touch()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(other)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        os.kill(holder.pid, signal.SIGSTOP)
        time.sleep(0.05)
        assert continue_holders([mine]) == []
        holder.kill()


def test_the_presence_of_the_first_service_is_seen_and_its_end_heard(tmp_path: Path) -> None:
    """Absent, there, absent again; a second first service is told that there is one."""
    first, second, standby = (Presence(tmp_path / "audit.db") for _ in range(3))
    told: list[bool] = []
    standby.watch(told.append)
    eventually(lambda: told == [True], 2)
    assert first.take()
    assert not second.take()
    assert not standby.absent()
    eventually(lambda: told == [True, False], 2)
    first.leave()
    eventually(lambda: told == [True, False, True], 2)
    assert standby.absent()
    for presence in (first, second, standby):
        presence.close()


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"},
    ],
)
def test_sockets_meant_for_another_process_are_not_taken(told: dict[str, str]) -> None:
    """sd_listen_fds(3): only the process whose id is named, and the variables are gone afterwards."""
    assert passed_sockets(told) == {}
    assert not any(name.startswith("LISTEN") for name in told)
