"""Whether the first service is there: a lock it holds while it answers, which the kernel frees when it dies.

The standby seals the log, and takes questions from a socket both were given, only while nobody holds it.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from vaglio.errors import StoreError

_LOOKS_EVERY = 0.2
_TAKE_SECONDS = 1.0


class Presence:
    """The lock beside one log.

    Raises:
        StoreError: when the lock file cannot be opened.
    """

    def __init__(self, log_file: Path) -> None:
        self._path = Path(f"{log_file}.serving")
        self._descriptor = self._open()
        self._closed = Event()

    def close(self) -> None:
        """Give the lock back; whoever watches stops watching."""
        self._closed.set()
        os.close(self._descriptor)

    def take(self) -> bool:
        """Hold it until `leave` or the end of the process; False when another first service holds it.

        May block for a second: never call it on the event loop.
        """
        until = time.monotonic() + _TAKE_SECONDS
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # a standby that looks holds it for an instant
                if time.monotonic() > until:
                    return False
                time.sleep(0.005)
            else:
                return True

    def leave(self) -> None:
        """Stop being there."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def absent(self) -> bool:
        """Whether no first service is there now; never waits."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return True

    def watch(self, changed: Callable[[bool], None]) -> None:
        """Call this from a thread of its own, at once and at every change, with whether the service is absent.

        The thread sleeps in the kernel while the first service is there, so that its death is heard at once.
        """
        Thread(target=self._watch, args=(changed,), name="presence", daemon=True).start()

    def _watch(self, changed: Callable[[bool], None]) -> None:
        descriptor = self._open()
        told: bool | None = None
        while not self._closed.is_set():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                absent = True
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            except BlockingIOError:
                absent = False
            if absent is not told:
                told = absent
                changed(absent)
            if absent:
                self._closed.wait(_LOOKS_EVERY)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError as error:
            raise StoreError(
                f"{self._path}: cannot be opened ({error.strerror}); "
                "give the service's user write access to the directory"
            ) from error
