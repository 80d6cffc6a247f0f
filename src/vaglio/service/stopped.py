"""A process stopped while it holds the writers' lock would keep every other from recording a decision.

Ctrl-Z on an import, SIGSTOP to the service: the kernel does not free the lock, and without a record there is no
verdict. Such a process is continued (SIGCONT): it ends its transaction and gives the lock back within
milliseconds. One that is traced, or belongs to another user, cannot be continued from here.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

_STUCK_SECONDS: Final = 0.04
_LOCKS: Final = Path("/proc/locks")


async def keep_writers_moving(waiting: Callable[[], float], log_file: Path) -> None:
    """Continue who was stopped at the log, whenever an entry of ours waits, until cancelled.

    Args:
        waiting: seconds the commit under way has been waiting; 0 when there is none.
        log_file: audit.db.
    """
    log = structlog.get_logger("vaglio.service.stopped")
    files = [Path(f"{log_file}.{part}") for part in ("door", "desk")]
    while True:
        await asyncio.sleep(_STUCK_SECONDS)
        if waiting() > _STUCK_SECONDS and (continued := continue_holders(files)):
            log.warning("continued a process stopped while it wrote to the log", processes=continued)


def continue_holders(files: Iterable[Path]) -> list[int]:
    """Continue every stopped process that holds a lock (flock(2), fcntl(2)) on one of the files; its ids.

    Reads /proc: some hundred microseconds. Where there is none, nothing happens.
    """
    wanted = set()
    for file in files:
        with suppress(OSError):
            wanted.add(file.stat().st_ino)
    continued = []
    for process in _holders(wanted):
        if process != os.getpid() and _is_stopped(process):
            with suppress(OSError):
                os.kill(process, signal.SIGCONT)
                continued.append(process)
    return continued


def _holders(inodes: set[int]) -> set[int]:
    """Who holds a lock on a file with one of these inodes; on another file system a wrong match is harmless.

    A line reads `1: FLOCK ADVISORY WRITE 1234 08:02:5678 0 EOF`; that of a waiter has `->` after its number.
    """
    holders = set()
    with suppress(OSError):
        for line in _LOCKS.read_text(encoding="ascii", errors="replace").splitlines():
            fields = line.split()
            if len(fields) == 8 and fields[4].isdecimal() and int(fields[5].rpartition(":")[2]) in inodes:  # noqa: PLR2004 - see above
                holders.add(int(fields[4]))
    return holders


def _is_stopped(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False
