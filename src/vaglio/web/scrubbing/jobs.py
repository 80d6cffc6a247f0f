"""Scrubs under way and done: one an account, one running at a time, each gone with its files after a while."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

KEPT_SECONDS: Final = 3600.0
"""How long a result waits to be fetched."""
FETCHED_SECONDS: Final = 600.0
"""How long it stays once both lists were fetched."""
MOST: Final = 16
"""Results and runs of all accounts together."""
_LONGEST_SECONDS: Final = 3600.0
_STOP_SECONDS: Final = 5.0
_LINE_BYTES: Final = 1 << 20
_NICENESS: Final = 10


class State(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Wish:
    """What an account wants scrubbed."""

    account: str
    name: str
    """Of the list, as the person calls it."""
    campaign: str
    column: str | None
    column_field: str
    """How the page calls the field of the column, in the person's language."""
    at: datetime | None
    origin: Mapping[str, object]


@dataclass(slots=True)
class Job:
    """One uploaded list and what became of it."""

    id: str
    wish: Wish
    folder: Path
    state: State = State.WAITING
    done: int = 0
    total: int = 0
    rows: int = 0
    summary: dict[str, Any] | None = None
    problem: str = ""
    """Why it failed, in English; empty when it is nothing the person can mend."""
    fetched: set[str] = field(default_factory=set)
    both_fetched: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def list_file(self) -> Path:
        """Where the upload is put before the job begins."""
        return self.folder / "list"

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in {State.DONE, State.FAILED}

    def result(self, which: str) -> Path:
        """`allowed` or `blocked`, to be fetched now."""
        return self.folder / "out" / f"{which}.csv"

    def note_fetched(self, which: str) -> None:
        """Remember that a list was fetched; with both gone, the files need not stay."""
        self.fetched.add(which)
        if self.fetched >= {"allowed", "blocked"}:
            self.both_fetched.set()


class Jobs:
    """The jobs of one web process. Their files lie in `directory`, which is made with the first."""

    def __init__(self, directory: Path, configuration: Path) -> None:
        self._directory = directory
        self._configuration = configuration
        self._jobs: dict[str, Job] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(1)

    def of(self, account: str) -> Job | None:
        """The account's job."""
        return self._jobs.get(account)

    def busy(self, account: str) -> bool:
        """Whether the account must wait: its own list is under way, or too many others' are kept."""
        own = self._jobs.get(account)
        return not own.over if own is not None else len(self._jobs) >= MOST

    async def prepare(self, wish: Wish) -> Job:
        """A place for the list; the account's former result is gone. Call only while it is not `busy`.

        Raises:
            OSError: when it cannot be made.
        """
        await self.remove(wish.account)
        folder = self._directory / secrets.token_hex(16)
        job = Job(folder.name, wish, folder)
        self._jobs[wish.account] = job
        try:
            await asyncio.to_thread(_made, folder)
        except OSError:
            del self._jobs[wish.account]
            raise
        return job

    def begin(self, job: Job) -> None:
        """Scrub the list that was put in its place."""
        self._lives[job.wish.account] = asyncio.create_task(self._life(job))

    async def remove(self, account: str) -> None:
        """Stop the account's job, and delete its files."""
        job = self._jobs.get(account)
        life = self._lives.pop(account, None)
        if life is not None:
            life.cancel()
            await asyncio.wait([life])
        if job is not None:
            await self._forget(job)

    async def aclose(self) -> None:
        """Stop and delete everything."""
        for account in list(self._jobs):
            await self.remove(account)

    async def _life(self, job: Job) -> None:
        try:
            async with self._turn:
                job.state = State.RUNNING
                async with asyncio.timeout(_LONGEST_SECONDS):
                    await self._run(job)
        except (OSError, TimeoutError, ValueError) as error:
            structlog.get_logger("vaglio.web").error("scrub failed", error=repr(error))
        await asyncio.to_thread(job.list_file.unlink, missing_ok=True)
        job.state = State.FAILED if job.summary is None else State.DONE
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEPT_SECONDS):
                await job.both_fetched.wait()
                await asyncio.sleep(FETCHED_SECONDS)
        await self._forget(job)

    async def _run(self, job: Job) -> None:
        process = await asyncio.create_subprocess_exec(
            *_low_priority(),
            sys.executable,
            "-m",
            "vaglio.web.scrubbing.process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018, S101 - both are pipes
        try:
            process.stdin.write(orjson.dumps(self._order(job)))
            process.stdin.write_eof()
            async for line in process.stdout:
                _take(job, orjson.loads(line))
            await process.wait()
        finally:
            await _end(process)

    def _order(self, job: Job) -> dict[str, Any]:
        wish = job.wish
        return {
            "configuration": str(self._configuration),
            "file": str(job.list_file),
            "out": str(job.folder / "out"),
            "name": wish.name,
            "campaign": wish.campaign,
            "column": wish.column,
            "column_field": wish.column_field,
            "at": wish.at.isoformat() if wish.at else None,
            "origin": dict(wish.origin),
        }

    async def _forget(self, job: Job) -> None:
        if self._jobs.get(job.wish.account) is job:
            del self._jobs[job.wish.account]
            self._lives.pop(job.wish.account, None)
        await asyncio.to_thread(shutil.rmtree, job.folder, ignore_errors=True)


def _take(job: Job, told: Mapping[str, Any]) -> None:
    if "summary" in told:
        job.summary = told["summary"]
    elif "problem" in told:
        job.problem = str(told["problem"])
    else:
        job.done, job.total, job.rows = told["done"], told["total"], told["rows"]


def _made(folder: Path) -> None:
    """The folder, and no trace of those that a crash has left behind."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    oldest = time.time() - KEPT_SECONDS - _LONGEST_SECONDS
    for left in folder.parent.iterdir():
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < oldest:
                shutil.rmtree(left, ignore_errors=True)
    folder.mkdir(mode=0o700)


def _low_priority() -> tuple[str, ...]:
    """Calls come first."""
    program = shutil.which("nice")
    return () if program is None else (program, "-n", str(_NICENESS))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Leave no process behind: ask it to end, then force it."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
