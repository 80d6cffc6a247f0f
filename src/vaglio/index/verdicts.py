"""Answers of query registers: held against their request, then one verdict a number, for that controller alone.

An answer that does not reconcile is refused whole: a number that was not asked, or in the flagged layout one that
was and is missing, says that it answers another request.
"""

import asyncio
import hashlib
import time
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from vaglio.errors import InputError
from vaglio.index.answers import Answer, read_answer
from vaglio.index.definitions import AnswerLayout, RegisterDefinition, RegisterKind
from vaglio.index.digits import Numbers
from vaglio.index.imports import OnProgress, next_size
from vaglio.index.instants import from_micros, to_micros
from vaglio.index.rows import Progress, sha256_of
from vaglio.index.shardwriting import numbers_of
from vaglio.index.store import Store

_FIRST_CHUNK: Final = 256

_BATCH: Final = """
SELECT register, controller, requested_at, answer_sha256, opposed, numbers FROM batch WHERE id = ?
"""
_ASKED: Final = "SELECT shard, numbers FROM batch_shard WHERE batch = ? ORDER BY shard"
_PUT: Final = """
INSERT INTO register_verdict (number, register, controller, opposed, as_of, consents_void_until, batch, entry)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (number, register, controller) DO UPDATE SET
    opposed = excluded.opposed, as_of = excluded.as_of, consents_void_until = excluded.consents_void_until,
    batch = excluded.batch, entry = excluded.entry
WHERE excluded.as_of >= as_of
"""
_ANSWERED: Final = """
UPDATE batch SET answered_at = ?, answer_sha256 = ?, opposed = ?, answer_entry = ? WHERE id = ?
"""


@dataclass(frozen=True, slots=True)
class VerdictSummary:
    """What an answer said."""

    register: str
    controller: str
    batch: str
    files: tuple[str, ...]
    sha256: str
    """Of the file; of several, of their digests in order."""
    requested_at: datetime
    """The verdicts' date."""
    read: int
    new: int
    """Verdicts recorded; a newer one of the same number stays."""
    unchanged: int
    rejected: int
    opposed: int
    clear: int
    seconds: float


async def import_verdicts(
    store: Store,
    register: RegisterDefinition,
    files: Sequence[Path],
    *,
    controller: str,
    batch: str,
    entry: int,
    layout: AnswerLayout | None = None,
    on_progress: OnProgress | None = None,
) -> VerdictSummary:
    """Take in the answer to a batch, in one file or several.

    The same answer again changes nothing. Raises InputError when it is not readable, does not reconcile with the
    request, or another answer was taken before.
    """
    if register.kind is not RegisterKind.QUERY:
        raise InputError(f"register {register.name}: is a list; leave --controller and --batch out")
    started = time.monotonic()
    digests = [await asyncio.to_thread(sha256_of, file) for file in files]
    sha256 = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    rows = await store.rows(_BATCH, (batch,))
    if not rows or tuple(rows[0][:2]) != (register.name, controller):
        raise InputError(
            f"batch {batch[:40]!r}: no request to {register.name} for controller {controller!r}; "
            "the batch id is the last line that vaglio register request printed"
        )
    requested_at, answered_by, opposed_before, asked_numbers = rows[0][2:]
    requested = from_micros(requested_at)
    if answered_by is not None:
        if answered_by != sha256:
            raise InputError(f"batch {batch}: another answer was taken already; make a new request")
        async with store.change(entry):
            pass
        clear = asked_numbers - opposed_before
        return VerdictSummary(
            register.name, controller, batch, tuple(file.name for file in files), sha256, requested,
            asked_numbers, 0, asked_numbers, 0, opposed_before, clear, round(time.monotonic() - started, 3),
        )  # fmt: skip
    asked = numbers_of([(row[0], row[1]) for row in await store.rows(_ASKED, (batch,))])
    chosen = layout or register.answer
    answers = [await asyncio.to_thread(read_answer, register, file, chosen) for file in files]
    opposed, void_until = _reconcile(files, asked, answers, chosen)
    date = requested.astimezone(zoneinfo.ZoneInfo(register.timezone)).date().isoformat()
    verdicts = (
        (
            number,
            register.name,
            controller,
            int(against),
            requested_at,
            void_until.get(number, date if against else None),
            batch,
            entry,
        )
        for number, against in zip(asked.tolist(), opposed.tolist(), strict=True)
    )
    recorded = await _write(store, verdicts, len(asked), entry, on_progress)
    against = int(opposed.sum())
    async with store.change(entry) as db:
        await db.execute(_ANSWERED, (to_micros(datetime.now(UTC)), sha256, against, entry, batch))
    return VerdictSummary(
        register=register.name,
        controller=controller,
        batch=batch,
        files=tuple(file.name for file in files),
        sha256=sha256,
        requested_at=requested,
        read=sum(len(answer.numbers) for answer in answers),
        new=recorded,
        unchanged=len(asked) - recorded,
        rejected=0,
        opposed=against,
        clear=len(asked) - against,
        seconds=round(time.monotonic() - started, 3),
    )


def _reconcile(
    files: Sequence[Path], asked: Numbers, answers: Sequence[Answer], layout: AnswerLayout
) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], dict[int, str]]:
    """Whether each asked number is opposed, and the dates given.

    Raises InputError when the answer is not one to what was asked.
    """
    names = ", ".join(str(file) for file in files)
    numbers = np.concatenate([answer.numbers for answer in answers])
    if len(np.unique(numbers)) < len(numbers):
        raise InputError(f"{names}: a number stands in two of the files; name each file of the answer once")
    too_many = int((~np.isin(numbers, asked)).sum())
    if too_many:
        raise InputError(
            f"{names}: {too_many} numbers were not asked in this batch; it answers another request: check --batch"
        )
    missing = len(asked) - len(numbers)
    if layout is AnswerLayout.FLAGGED and missing:
        raise InputError(
            f"{names}: {missing} of {len(asked)} numbers asked are missing; give all files of the answer, "
            "or --layout cleansed if what is missing was opposed"
        )
    if layout is AnswerLayout.CLEANSED:
        return ~np.isin(asked, numbers), {}
    flags = np.concatenate([answer.opposed for answer in answers])
    void_until = {number: date for answer in answers for number, date in answer.void_until.items()}
    return flags[np.argsort(numbers)], void_until


async def _write(
    store: Store, verdicts: Iterator[tuple[object, ...]], total: int, entry: int, on_progress: OnProgress | None
) -> int:
    size = _FIRST_CHUNK
    written = recorded = 0
    while chunk := list(islice(verdicts, size)):
        async with store.change(entry, done=False) as db:
            recorded += (await db.executemany(_PUT, chunk)).rowcount
        size = next_size(len(chunk), store.turn_seconds)
        written += len(chunk)
        if on_progress is not None:
            on_progress(Progress(written, total, written))
    return recorded
