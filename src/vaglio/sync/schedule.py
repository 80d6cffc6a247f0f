"""The scheduler: sources that are due are run as processes of their own, one at a time.

An import never shares an interpreter with the hot path: it is `vaglio sync run NAME`, as a person runs it.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from vaglio.clock import Clock, now
from vaglio.errors import VaglioError
from vaglio.index.store import Store
from vaglio.sync.sources import Source
from vaglio.sync.status import status

_LOOK_SECONDS: Final = 15.0
_LONGEST_RUN_SECONDS: Final = 6 * 3600.0
_STOP_SECONDS: Final = 5.0
_LAST_WORDS: Final = 2000
_NICENESS: Final = 10


async def keep_synced(
    store: Store,
    known: Mapping[str, Source],
    configuration: Path,
    ran: Callable[[str, int, str], None],
    *,
    clock: Clock = now,
    look_seconds: float = _LOOK_SECONDS,
) -> None:
    """Run what is due until cancelled; `ran` hears the source, its exit code and its last words.

    A run that is cut off by the cancellation, or by its bound of six hours, is harmless: it is made again.
    """
    while known:
        try:
            due = [one.source for one in await status(store, known, clock) if one.due_at <= clock()]
        except VaglioError as error:
            ran("", 2, str(error))
            due = []
        for name in due:
            code, words = await _run(name, configuration)
            ran(name, code, words)
        await asyncio.sleep(look_seconds)


async def _run(name: str, configuration: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *_low_priority(),
        sys.executable,
        "-m",
        "vaglio",
        "sync",
        "run",
        name,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "VAGLIO_CONFIG": str(configuration)},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_LONGEST_RUN_SECONDS):
            words, _ = await process.communicate()
    except TimeoutError:
        return 2, f"source {name}: stopped after {_LONGEST_RUN_SECONDS / 3600:g} hours"
    finally:
        await _end(process)
    return process.returncode or 0, words[-_LAST_WORDS:].decode("utf-8", "replace").strip()


def _low_priority() -> tuple[str, ...]:
    """Calls come first: an import takes what processor time they leave."""
    program = shutil.which("nice")
    return () if program is None else (program, "-n", str(_NICENESS))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Leave no process behind: ask it to stop, then stop it."""
    for how in (signal.SIGINT, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
