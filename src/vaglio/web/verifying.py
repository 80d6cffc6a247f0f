"""Verifying the whole log on request: one at a time, in a process of its own, with its progress."""

import asyncio
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vaglio.clock import now
from vaglio.site import Site

_LINE: Final = re.compile(rb"(\d{1,18}) (\d{1,18})\n")
_ERROR_BYTES: Final = 2000


@dataclass(frozen=True, slots=True)
class Running:
    """A verification under way."""

    by: str
    since: datetime
    done: int
    total: int
    """Entries; 0 until the first are done."""


class Verifying:
    """The verifications that this web process has started."""

    def __init__(self) -> None:
        self.running: Running | None = None
        self.problem: str | None = None
        """Why the last one started here came to no result."""
        self._task: asyncio.Task[None] | None = None

    def start(self, site: Site, by: str) -> bool:
        """Start one; False when one is running already."""
        if self.running is not None:
            return False
        self.running, self.problem = Running(by, now(), 0, 0), None
        self._task = asyncio.create_task(self._run(site, by))
        return True

    async def close(self) -> None:
        """End the one that is running."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, site: Site, by: str) -> None:
        began = now()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "vaglio.reports.verification",
                str(site.settings.file),
                by,
                "console",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                await self._follow(process, by, began)
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        except OSError as error:
            self.problem = f"the verification cannot be started ({error.strerror})"
        finally:
            self.running = None

    async def _follow(self, process: asyncio.subprocess.Process, by: str, began: datetime) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        assert process.stderr is not None  # noqa: S101 - the same
        async for line in process.stdout:
            if told := _LINE.fullmatch(line):
                self.running = Running(by, began, int(told[1]), int(told[2]))
        complaint = (await process.stderr.read(_ERROR_BYTES)).decode("utf-8", "replace").strip()
        if await process.wait() != 0:
            self.problem = complaint or "the verification was ended before it was done"
