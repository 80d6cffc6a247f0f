"""Appends to a log until it is killed or its time is over; an acknowledged entry is a line `id seq milliseconds`.

Arguments: the directory of the log, `hot` (calls at a steady rate, and the sealer) or `tight` (one after
another, as fast as it can), and seconds.
"""

import asyncio
import os
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from vaglio.audit import Entry, EntryKind, Keys, Log, Writer, keep_sealed, make
from vaglio.numbers import parse

PERSON = parse("+393401234567", region="IT", emergency=frozenset())


def entry() -> Entry:
    return make(EntryKind.CONFIG, datetime.now(UTC), {"process": os.getpid(), "text": "x" * 800}, number=PERSON)


def tell(made: Entry, seq: int, started: float) -> None:
    os.write(1, f"{made.id} {seq} {(time.monotonic() - started) * 1000:.3f}\n".encode())


def tight(path: Path, keys: Keys, seconds: float) -> None:
    end = time.monotonic() + seconds
    with Log(path, keys) as log:
        while time.monotonic() < end:
            made, started = entry(), time.monotonic()
            tell(made, log.append(made), started)


async def hot(path: Path, keys: Keys, seconds: float) -> None:
    async def call(writer: Writer) -> None:
        made, started = entry(), time.monotonic()
        tell(made, await writer.append(made), started)

    sealer = asyncio.create_task(keep_sealed(path, keys, 0.2, lambda _: None, lambda _: None, 0.05))
    async with Writer(path, keys) as writer, asyncio.TaskGroup() as calls:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            calls.create_task(call(writer))
            await asyncio.sleep(0.01)
    sealer.cancel()
    with suppress(asyncio.CancelledError):
        await sealer


def main(directory: Path, mode: str, seconds: float) -> None:
    keys = Keys.load(directory / "keys")
    if mode == "hot":
        asyncio.run(hot(directory / "audit.db", keys, seconds))
    else:
        tight(directory / "audit.db", keys, seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
