"""The hot writer: entries of many calls in one durable commit.

One thread owns the connection. It takes all that waits, commits, and hands the whole batch back to the event loop
in one hop; what arrives meanwhile is the next batch. So the delay of a lone append is one commit and two hops, and
under load a commit is shared by as many as wait.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

from vaglio.audit.commit import MAX_BATCH, AttemptTaken, Claim, Log, Pending, clock, prepare
from vaglio.audit.entry import Entry
from vaglio.audit.keys import Keys
from vaglio.errors import StoreError, VaglioError

MAX_WAITING = 4096
"""Appends that may wait; beyond, they are refused at once."""
PATIENCE = 0.05
"""Seconds for which a patient entry may wait for others to share its commit."""

_Job = tuple[Pending, asyncio.Future[int]]


class Writer:
    """Appends from one event loop; use as an async context manager.

    Raises, on entering:
        StoreError: when the file is missing, damaged, or of another version.
        ConfigError: when the keys are not those of the log.
    """

    def __init__(self, path: Path, keys: Keys, now: Callable[[], int] = clock) -> None:
        self._path = path
        self._keys = keys
        self._now = now
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._patient: list[_Job] = []
        """Jobs for which nobody waits in a call; the loop's alone."""
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.last_seq = 0
        """The highest sequence number this writer was given; 0 before the first."""
        self.failing = False
        """Whether the last commit failed; true means that no verdict can be given now."""
        self.failures = 0
        """How many commits failed; tells of a failure that is over before anybody asks."""
        self._committing_since: float | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        log = await asyncio.to_thread(Log, self._path, self._keys, self._now)
        self._thread = Thread(target=self._work, args=(log,), name="audit-writer", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Commit what waits, then give the file back; later appends are refused."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._send_patient()
            self._queue.put(None)
            await asyncio.to_thread(thread.join)

    @property
    def waiting_seconds(self) -> float:
        """How long the commit under way has been waiting for its turn or the disk; 0 when there is none."""
        since = self._committing_since
        return 0.0 if since is None else time.monotonic() - since

    async def append(self, entry: Entry, *, claim: Claim | None = None, patient: bool = False) -> int:
        """Append an entry; its sequence number, once it is durable.

        A `patient` entry may wait up to `PATIENCE` for a commit with others, so that no call stands behind it. A
        caller that is cancelled while it waits leaves the entry to be written all the same.

        Raises:
            StoreError: it was not appended; the same call may be tried again.
            AttemptTaken: it was not appended; count the attempts anew and decide again.
        """
        if self._thread is None or self._loop is None:
            raise StoreError(f"{self._path}: the log is closed")
        if self._queue.qsize() + len(self._patient) >= MAX_WAITING:
            raise StoreError(f"{self._path}: {MAX_WAITING} entries wait to be written; the disk is too slow")
        future: asyncio.Future[int] = self._loop.create_future()
        job = (prepare(self._keys, entry, claim), future)
        if not patient:
            self._queue.put(job)
        else:
            if not self._patient:
                self._loop.call_later(PATIENCE, self._send_patient)
            self._patient.append(job)
        return await future

    def _send_patient(self) -> None:
        for job in self._patient:
            self._queue.put(job)
        self._patient.clear()

    def _work(self, log: Log) -> None:
        """The thread: batches until told to stop."""
        with log:
            while True:
                job = self._queue.get()
                if job is None:
                    return
                batch, last = self._gather(job)
                self._commit(log, batch)
                if last:
                    return

    def _gather(self, job: _Job) -> tuple[list[_Job], bool]:
        """All that waits behind the job, up to a batch; and whether the end was reached."""
        batch = [job]
        while len(batch) < MAX_BATCH:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                return batch, True
            batch.append(following)
        return batch, False

    def _commit(self, log: Log, batch: list[_Job]) -> None:
        results: list[int | AttemptTaken] | Exception
        self._committing_since = time.monotonic()
        try:
            results = log.commit([pending for pending, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, every caller of the batch must hear of it
            results = error
        self._committing_since = None
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop was closed while callers waited: nobody is left to tell
                self._loop.call_soon_threadsafe(self._resolve, batch, results)

    def _resolve(self, batch: list[_Job], results: list[int | AttemptTaken] | Exception) -> None:
        self.failing = isinstance(results, Exception)
        self.failures += self.failing
        for index, (_, future) in enumerate(batch):
            if future.done():
                continue
            if isinstance(results, Exception):
                future.set_exception(_refusal(self._path, results))
                continue
            result = results[index]
            if isinstance(result, AttemptTaken):
                future.set_exception(result)
            else:
                self.last_seq = result
                future.set_result(result)


def _refusal(path: Path, error: Exception) -> VaglioError:
    """An exception of its own for every caller, so that tracebacks do not pile up on one."""
    made = StoreError(str(error) if isinstance(error, VaglioError) else f"{path}: {type(error).__name__}: {error}")
    made.__cause__ = error
    return made
