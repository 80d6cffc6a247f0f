"""Files of facts and campaigns into the index: read strictly, written in chunks that let other writers in between.

Each function makes the change that `entry` announced. An import that was interrupted has loaded whole rows, each
naming its entry; run again, it goes on where facts are missing and changes nothing else.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from vaglio.index import campaigns
from vaglio.index.facts import FILES, FactFile
from vaglio.index.records import FactKind, Row
from vaglio.index.rows import (
    ImportSummary,
    Lines,
    Progress,
    Reject,
    Rejects,
    fields,
    header,
    named,
    open_input,
    sha256_of,
    summary,
)
from vaglio.index.store import CHUNK_SECONDS, Counts, Store
from vaglio.model import ANY

OnProgress = Callable[[Progress], None]
"""Called after every chunk."""

_FIRST_CHUNK: Final = 256
_LARGEST_CHUNK: Final = 8192


async def import_campaigns(store: Store, file: Path, *, entry: int) -> ImportSummary:
    """Add or replace the controllers and campaigns of a campaigns.toml; all of them or none.

    Raises InputError naming file and key.
    """
    started = time.monotonic()
    known = await store.rows("SELECT id FROM controller")
    content = campaigns.load(file, known_controllers=[row[0] for row in known])
    counts = await store.put_controllers_and_campaigns(content.controllers, content.campaigns, entry=entry)
    return ImportSummary(
        file=file.name,
        sha256=sha256_of(file),
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
) -> ImportSummary:
    """Load a file of facts of one kind; bare digits are numbers of `region`, or rejects without one.

    Bad rows go to FILE.rejects.csv. Raises InputError when the file or its header cannot be read.
    """
    started = time.monotonic()
    sha256 = sha256_of(file)
    counts = Counts()
    known = {ANY, *(row[0] for row in await store.rows("SELECT id FROM controller"))}
    unknown: set[str] = set()
    with open_input(file) as stream, Rejects(file) as rejects:
        total = os.fstat(stream.fileno()).st_size
        lines = Lines(stream)
        names = header(file, lines, FILES[kind].columns)
        size = _FIRST_CHUNK
        chunk: list[Row] = []
        for row in _rows(FILES[kind], lines, names, rejects, region):
            controller = str(row[1])
            if controller not in known and len(unknown) < _LARGEST_CHUNK:
                unknown.add(controller)
            chunk.append((*row, entry))
            if len(chunk) >= size:
                counts += await store.add_chunk(kind, chunk, entry=entry)
                size = next_size(len(chunk), store.turn_seconds)
                chunk = []
                if on_progress is not None:
                    on_progress(Progress(lines.position, total, lines.number - 1))
        counts += await store.add_chunk(kind, chunk, entry=entry, last=True)
        if on_progress is not None:
            on_progress(Progress(total, total, max(lines.number - 1, 0)))
    return summary(file, sha256, counts, rejects, started, unknown)


def next_size(rows: int, seconds: float) -> int:
    """How many rows to write in the next turn, so that it stays within its time."""
    fitting = int(rows * CHUNK_SECONDS * 0.7 / max(seconds, 1e-6))
    return max(32, min(fitting, rows * 2, _LARGEST_CHUNK))


def _rows(kind: FactFile, lines: Lines, names: list[str], rejects: Rejects, region: str | None) -> Iterator[Row]:
    for line, content in lines:
        try:
            if isinstance(content, Reject):
                raise content
            yield kind.record(named(fields(content), names), region).row()
        except Reject as reject:
            rejects.add(line, reject)
