"""Processes that belong to one measurement: started, awaited, stopped by their own id."""

from __future__ import annotations

import multiprocessing
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.parts import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_LISTENING = "0A"


@contextmanager
def running(
    command: Sequence[str | Path],
    port: int,
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    seconds: float = 20.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on a TCP port of loopback, until the block ends.

    It is never connected to here: one of the peers does not survive a client that connects and says nothing.
    Raises NotMeasured with the last line of its log when it does not listen in time.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=None if environment is None else dict(environment),
            user=user,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + seconds
        while not _listened_to(port):
            if process.poll() is not None or time.monotonic() > deadline:
                lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
                raise NotMeasured(f"{Path(command[0]).name} did not start: {lines[-1]}")
            time.sleep(0.02)
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait(timeout=10)


def _listened_to(port: int) -> bool:
    wanted = f"0100007F:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == wanted and fields[3] == _LISTENING:
            return True
    return False


def alone(step: Callable[..., Any], *words: object) -> Any:  # noqa: ANN401 - what the step gives
    """Run a step in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(step, *words).result()
