"""Query registers (RPO, Bloctel): the register never leaves its keeper; a list goes up, verdicts come back.

A request is a batch: the numbers of one controller that are due, written to files and remembered, so that an
answer can be held against exactly what was asked. Verdicts date from the moment of the request: the earliest
instant at which the register can have been read for it, hence the strict one.
"""

import asyncio
import hashlib
import os
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import orjson
from phonenumbers import national_significant_number
from phonenumbers import parse as parse_number
from ulid import ULID

from vaglio.errors import InputError
from vaglio.index import database
from vaglio.index.definitions import NumberForm, RegisterDefinition, RegisterKind
from vaglio.index.digits import Numbers
from vaglio.index.imports import next_size
from vaglio.index.instants import to_micros
from vaglio.index.shardwriting import WHOLE, shards_of
from vaglio.index.store import Store

_LONGEST: Final = 15
_FIRST_CHUNK: Final = 64

_DUE: Final = """
SELECT number FROM (
    SELECT number FROM contact WHERE controller = :controller AND number BETWEEN :first AND :last
    UNION SELECT number FROM consent WHERE controller = :controller AND number BETWEEN :first AND :last
    UNION SELECT number FROM relationship WHERE controller = :controller AND number BETWEEN :first AND :last
) AS known
WHERE NOT EXISTS (
    SELECT 1 FROM register_verdict AS verdict
    WHERE verdict.number = known.number AND register = :register AND controller = :controller AND as_of > :fresh
)
"""
_REGISTER: Final = "INSERT OR IGNORE INTO register (name, kind) VALUES (?, 'query')"
_BATCH: Final = """
INSERT INTO batch (id, register, controller, requested_at, numbers, files, entry) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_SHARD: Final = "INSERT INTO batch_shard (batch, shard, numbers) VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class RequestFile:
    """One file to hand to the register's keeper."""

    file: str
    sha256: str
    numbers: int


@dataclass(frozen=True, slots=True)
class RequestSummary:
    """A request that was written; `batch` is None when no number is due."""

    register: str
    controller: str
    batch: str | None
    requested_at: datetime
    numbers: int
    files: tuple[RequestFile, ...]


async def request(
    store: Store,
    register: RegisterDefinition,
    controller: str,
    out: Path,
    *,
    entry: int,
    now: datetime | None = None,
) -> RequestSummary:
    """Write the numbers of a controller that are due for a check: never checked, or with few days left.

    They are those of its contacts, consents and relationships in the register's country, each once, in files of at
    most `max_rows` (`out`, then `-002` and so on), readable by the owner alone. No file is overwritten.

    Raises InputError for an unknown controller, a list register or a file that cannot be written.
    """
    if register.kind is not RegisterKind.QUERY:
        raise InputError(f"register {register.name}: is a list; import it: vaglio register import")
    if not await store.rows("SELECT 1 FROM controller WHERE id = ?", (controller,)):
        raise InputError(f"controller {controller!r}: not known; import it: vaglio campaign import FILE.toml")
    requested_at = now or datetime.now(UTC)
    fresh = requested_at - timedelta(days=register.max_age_days - register.due_days)
    numbers = await asyncio.to_thread(_due, store.path, register, controller, to_micros(fresh))
    if len(numbers) == 0:
        async with store.change(entry):
            pass
        return RequestSummary(register.name, controller, None, requested_at, 0, ())
    batch = str(ULID.from_datetime(requested_at))
    files = await asyncio.to_thread(_write_files, register, numbers, out)
    described = orjson.dumps([{"file": one.file, "sha256": one.sha256, "numbers": one.numbers} for one in files])
    async with store.change(entry, done=False) as db:
        await db.execute(_REGISTER, (register.name,))
    shards = ((batch, name, packed) for name, _, packed, _ in shards_of(numbers, WHOLE))
    size = _FIRST_CHUNK
    while chunk := list(islice(shards, size)):
        async with store.change(entry, done=False) as db:
            await db.executemany(_SHARD, chunk)
        size = next_size(len(chunk), store.turn_seconds)
    made = (batch, register.name, controller, to_micros(requested_at), len(numbers), described.decode(), entry)
    async with store.change(entry) as db:
        await db.execute(_BATCH, made)
    return RequestSummary(register.name, controller, batch, requested_at, len(numbers), files)


def _due(index: Path, register: RegisterDefinition, controller: str, fresh: int) -> Numbers:
    found: set[int] = set()
    connection = database.read_only(index)
    try:
        code = register.calling_code
        for more in range(_LONGEST - len(str(code)) + 1):
            span = {"first": code * 10**more, "last": (code + 1) * 10**more - 1}
            named = {"controller": controller, "register": register.name, "fresh": fresh}
            found.update(row[0] for row in connection.execute(_DUE, {**named, **span}))
    except sqlite3.Error as error:
        raise database.unreadable(index, error) from error
    finally:
        connection.close()
    return np.array(sorted(found), dtype=np.uint64)


def _write_files(register: RegisterDefinition, numbers: Numbers, out: Path) -> tuple[RequestFile, ...]:
    parts = [numbers[start : start + register.max_rows] for start in range(0, len(numbers), register.max_rows)]
    names = [
        out if place == 0 else out.with_name(f"{out.stem}-{place + 1:03d}{out.suffix}")
        for place in range(len(parts))
    ]
    for name in names:
        if name.exists():
            raise InputError(f"{name}: exists already; move it away, or name another with --out")
    return tuple(_write_file(register, part, name) for part, name in zip(parts, names, strict=True))


def _write_file(register: RegisterDefinition, numbers: Numbers, file: Path) -> RequestFile:
    digest = hashlib.sha256()
    draft = file.with_name(f".{file.name}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            lines = [f"{register.request_header}\n"] if register.request_header else []
            lines += [f"{written(register, number)}\n" for number in numbers.tolist()]
            content = "".join(lines).encode()
            digest.update(content)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.rename(file)
    except OSError as error:
        raise InputError(f"{file}: cannot be written ({error.strerror}); name another with --out") from error
    return RequestFile(file.name, digest.hexdigest(), len(numbers))


def written(register: RegisterDefinition, number: int) -> str:
    """A number in the form that the register's keeper wants."""
    match register.number_form:
        case NumberForm.E164:
            return f"+{number}"
        case NumberForm.INTERNATIONAL:
            return str(number)
        case NumberForm.NATIONAL:
            parsed = parse_number(f"+{number}")
            trunk = "0" if register.trunk_zero else ""
            return trunk + national_significant_number(parsed)
