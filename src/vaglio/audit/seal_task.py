"""The sealer as a task of the service: one thread of its own, two steps a second."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from vaglio.audit.keys import Keys
from vaglio.audit.sealing import InconsistentLog, Sealed, Sealer
from vaglio.errors import VaglioError


async def keep_sealed(
    path: Path,
    keys: Keys,
    every: float,
    sealed: Callable[[Sealed], None],
    failed: Callable[[VaglioError], None],
    period: float = 0.5,
    due: Callable[[], bool] = lambda: True,
) -> None:
    """Seal until cancelled; then seal and sign once more.

    Args:
        path: audit.db.
        keys: the log's keys.
        every: seconds within which a checkpoint is signed.
        sealed: told of every step that did something.
        failed: told of every step that failed. `InconsistentLog` is an alarm, and ends the sealing: what cannot
            be continued must not be signed. Anything else is tried again a period later.
        period: seconds between steps.
        due: asked before each step whether this process is the one to seal now; it must not block.

    Raises:
        StoreError, ConfigError: when the log cannot be opened.
    """
    while not due():  # noqa: ASYNC110 - a pace, not a condition to wait for
        await asyncio.sleep(period)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, "audit-sealer") as thread:
        sealer = await loop.run_in_executor(thread, lambda: Sealer(path, keys, round(every * 1_000_000)))
        try:
            alarm = False
            while not alarm:
                if due():
                    alarm = await _step(loop.run_in_executor(thread, sealer.step), sealed, failed)
                await asyncio.sleep(period)
        except asyncio.CancelledError:
            if due():
                with suppress(VaglioError):
                    sealed(await loop.run_in_executor(thread, lambda: sealer.step(now=True)))
            raise
        finally:
            await loop.run_in_executor(thread, sealer.close)


async def _step(
    step: Awaitable[Sealed], sealed: Callable[[Sealed], None], failed: Callable[[VaglioError], None]
) -> bool:
    """Wait for a step and tell of it; whether it raised the alarm."""
    try:
        done = await step
    except VaglioError as error:
        failed(error)
        return isinstance(error, InconsistentLog)
    if done.added or done.checkpoint:
        sealed(done)
    return False
