"""First come, first served among the processes that write one database.

SQLite's busy handler is not fair: beside a process that commits in a tight loop another can starve for seconds.
Every writer therefore takes its turn here before `BEGIN IMMEDIATE` and gives it back after the commit.

Two advisory locks make the queue fair: who wants to write first holds the door, then waits for the desk, and
lets go of the door only once at the desk. Who has just left the desk must pass the door again, behind everybody
who is already there. The kernel frees both when a process dies (flock(2)).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from vaglio.errors import StoreError


class Turn:
    """A writer's place in the queue for one database; use as a context manager around a transaction.

    Entering blocks: never do it on the event loop. Not re-entrant; one object serves one thread at a time.

    Raises:
        StoreError: when the lock files beside the database cannot be opened.
    """

    __slots__ = ("_desk", "_door")

    def __init__(self, database: Path) -> None:
        try:
            self._door = os.open(f"{database}.door", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
            self._desk = os.open(f"{database}.desk", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError as error:
            raise StoreError(
                f"{database}: cannot open the writers' lock beside it ({error.strerror}); "
                "give the service's user write access to the directory"
            ) from error

    def __enter__(self) -> Self:
        fcntl.flock(self._door, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._desk, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._door, fcntl.LOCK_UN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._desk, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the lock files back."""
        os.close(self._door)
        os.close(self._desk)


@contextmanager
def alone(file: Path) -> Iterator[bool]:
    """Whether nobody else holds the lock file now; if so, nobody takes it until the end. Never waits.

    Raises:
        StoreError: when the lock file cannot be opened.
    """
    try:
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise StoreError(
            f"{file}: the lock cannot be opened ({error.strerror}); "
            "give the service's user write access to the directory"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except BlockingIOError:
            held = False
        yield held
    finally:
        os.close(lock)
