"""Files of facts and campaigns into the index: read strictly, written in chunks that let other writers in between.

Each function makes the change that `entry` announced. An import that was interrupted has loaded whole rows, each
naming its entry; run again, it goes on where facts are missing and changes nothing else.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from vaglio.index import campaigns
from vaglio.index.bulk import bulk_rows, strict_row
from vaglio.index.facts import FILES, FactFile
from vaglio.index.records import FactKind, Row
from vaglio.index.rows import (
    ImportSummary,
    Lines,
    Progress,
    Reject,
    Rejects,
    header,
    open_input,
    sha256_of,
    summary,
)
from vaglio.index.store import CHUNK_SECONDS, Counts, Store
from vaglio.model import ANY

OnProgress = Callable[[Progress], None]
"""Called after every chunk."""

BULK_BYTES: Final = 1024 * 1024
_FIRST_CHUNK: Final = 256
_MOST_UNKNOWN: Final = 1000
_LARGEST_CHUNK: Final = 8192


async def import_campaigns(store: Store, file: Path, *, entry: int) -> ImportSummary:
    """Add or replace the controllers and campaigns of a campaigns.toml; all of them or none.

    Raises InputError naming file and key.
    """
    started = time.monotonic()
    known = await store.rows("SELECT id FROM controller")
    content = await asyncio.to_thread(campaigns.load, file, known_controllers=[row[0] for row in known])
    counts = await store.put_controllers_and_campaigns(content.controllers, content.campaigns, entry=entry)
    return ImportSummary(
        file=file.name,
        sha256=await asyncio.to_thread(sha256_of, file),
        read=len(content.controllers) + len(content.campaigns),
        new=counts.new,
        corrected=counts.corrected,
        unchanged=counts.unchanged,
        rejected=0,
        seconds=round(time.monotonic() - started, 3),
    )


async def import_oppositions(
    store: Store, file: Path, *, entry: int, region: str | None = None, on_progress: OnProgress | None = None
) -> ImportSummary:
    """Load an oppositions.csv; see `import_facts`."""
    return await import_facts(
        store, FactKind.OPPOSITION, file, entry=entry, region=region, on_progress=on_progress
    )


async def import_facts(
    store: Store,
    kind: FactKind,
    file: Path,
    *,
    entry: int,
    region: str | None = None,
    on_progress: OnProgress | None = None,
    bulk_from: int = BULK_BYTES,
) -> ImportSummary:
    """Load a file of facts of one kind; bare digits are numbers of `region`, or rejects without one.

    Files from `bulk_from` bytes on are read many rows at a time, with the same result. Bad rows go to
    FILE.rejects.csv. Raises InputError when the file or its header cannot be read.
    """
    started = time.monotonic()
    sha256 = sha256_of(file)
    with open_input(file) as stream, Rejects(file) as rejects:
        total = os.fstat(stream.fileno()).st_size
        lines = Lines(stream)
        names = header(file, lines, FILES[kind].columns)
        told = _Told(on_progress, total)
        if total >= bulk_from:
            rows = bulk_rows(
                kind, stream, total, names, rejects, region,
                first_line=lines.number + 1, on_bytes=told.read,
            )  # fmt: skip
        else:
            rows = _rows(FILES[kind], lines, names, rejects, region, told.read)
        counts, unknown = await load_rows(store, kind, rows, entry=entry, on_written=told.written)
        told.end(counts)
    return summary(file, sha256, counts, rejects, started, unknown)


async def load_rows(
    store: Store,
    kind: FactKind,
    rows: Iterator[Row],
    *,
    entry: int,
    on_written: Callable[[Counts], None] | None = None,
) -> tuple[Counts, set[str]]:
    """Write rows in chunks so short that no other writer waits long; they are durable when this returns.

    `rows` are made in a thread. Also tells the controllers named that are not known here.
    """
    known = {ANY, *(row[0] for row in await store.rows("SELECT id FROM controller"))}
    unknown: set[str] = set()
    counts = Counts()
    size = _FIRST_CHUNK
    while chunk := await asyncio.to_thread(_chunk, rows, size, entry):
        unknown.update(islice({str(row[1]) for row in chunk} - known - unknown, _MOST_UNKNOWN - len(unknown)))
        counts += await store.add_chunk(kind, chunk, entry=entry)
        size = next_size(len(chunk), store.turn_seconds)
        if on_written is not None:
            on_written(counts)
    return counts + await store.add_chunk(kind, (), entry=entry, last=True), unknown


def _chunk(rows: Iterator[Row], size: int, entry: int) -> list[Row]:
    return [(*row, entry) for row in islice(rows, size)]


class _Told:
    """Progress as the bytes read so far, and the rows written so far."""

    def __init__(self, on_progress: OnProgress | None, total: int) -> None:
        self._on_progress = on_progress
        self._total = total
        self._done = 0
        self._rows = 0

    def read(self, done: int) -> None:
        """So many bytes of the file were read."""
        self._done = done
        self._tell()

    def written(self, counts: Counts) -> None:
        """So many rows are in the index."""
        self._rows = counts.new + counts.corrected + counts.unchanged
        self._tell()

    def end(self, counts: Counts) -> None:
        """All is done."""
        self._done = self._total
        self.written(counts)

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(Progress(self._done, self._total, self._rows))


def next_size(rows: int, seconds: float) -> int:
    """How many rows to write in the next turn, so that it stays within its time."""
    fitting = int(rows * CHUNK_SECONDS * 0.7 / max(seconds, 1e-6))
    return max(32, min(fitting, rows * 2, _LARGEST_CHUNK))


def _rows(
    kind: FactFile,
    lines: Lines,
    names: list[str],
    rejects: Rejects,
    region: str | None,
    on_bytes: Callable[[int], None],
) -> Iterator[Row]:
    for line, content in lines:
        try:
            if isinstance(content, Reject):
                raise content
            row = strict_row(kind, content, names, region)
        except Reject as reject:
            rejects.add(line, reject)
            continue
        if line % _FIRST_CHUNK == 0:
            on_bytes(lines.position)
        yield row
