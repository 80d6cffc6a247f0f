"""Snapshots in the database: begun, filled in short turns, put in force, retired and cleared away."""

import asyncio
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import orjson

from vaglio.errors import StoreError
from vaglio.index import database
from vaglio.index.digits import Numbers
from vaglio.index.imports import OnProgress, next_size
from vaglio.index.instants import from_micros, to_micros
from vaglio.index.rows import Progress
from vaglio.index.shardwriting import Shard, changed_shards, shards_of
from vaglio.index.store import Store

_FIRST_CHUNK: Final = 64
_WAIT_SECONDS: Final = 0.1
_READ_AT_ONCE: Final = 256

_REGISTER: Final = "INSERT OR IGNORE INTO register (name, kind) VALUES (?, 'list')"
_BEGIN: Final = """
INSERT INTO register_snapshot
    (register, state, as_of, loaded_at, coverage, file_name, file_sha256, base, forced, entry)
VALUES (?, 'building', ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SHARD: Final = "INSERT INTO register_shard (snapshot, shard, first, numbers) VALUES (?, ?, ?, ?)"
_RETIRE: Final = "UPDATE register_snapshot SET state = 'retired' WHERE register = ? AND state = 'active'"
_ACTIVATE: Final = """
UPDATE register_snapshot SET state = 'active', entries = ?, shards = ?, checksum = ? WHERE id = ?
"""
_RAISE_REGISTERS: Final = "UPDATE generation SET registers = value"
_ACTIVE: Final = """
SELECT id, as_of, entries, coverage, file_sha256 FROM register_snapshot WHERE register = ? AND state = 'active'
"""
_LEFT_OVER: Final = """
SELECT id, state FROM register_snapshot WHERE state = 'building' OR
    (state = 'retired' AND EXISTS (SELECT 1 FROM register_shard WHERE snapshot = id))
"""
_CLEAR: Final = """
DELETE FROM register_shard WHERE snapshot = ?1 AND shard <= coalesce(
    (SELECT shard FROM register_shard WHERE snapshot = ?1 ORDER BY shard, first LIMIT 1 OFFSET ?2),
    9223372036854775807)
"""
NEXT_SHARDS: Final = """
SELECT shard, first, numbers FROM register_shard WHERE snapshot = ? AND (shard, first) > (?, ?)
ORDER BY shard, first LIMIT ?
"""
"""The rows of a snapshot after one, in order."""


@dataclass(frozen=True, slots=True)
class Active:
    """The snapshot that answers now."""

    id: int
    as_of: datetime
    entries: int
    coverage: tuple[str, ...] | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A snapshot to be built."""

    register: str
    as_of: datetime
    coverage: tuple[str, ...] | None
    file_name: str
    file_sha256: str
    base: int | None
    """The snapshot that the numbers change, instead of standing alone."""
    forced: str | None


async def active_snapshot(store: Store, register: str) -> Active | None:
    """The snapshot of a list register that answers now."""
    rows = await store.rows(_ACTIVE, (register,))
    if not rows:
        return None
    snapshot, as_of, entries, coverage, sha256 = rows[0]
    prefixes = None if coverage is None else tuple(orjson.loads(coverage))
    return Active(snapshot, from_micros(as_of), entries, prefixes, sha256)


@asynccontextmanager
async def only_import(store: Store) -> AsyncIterator[None]:
    """Wait until no other process imports a register into this index; the kernel ends a dead one's claim."""
    try:
        claim = os.open(f"{store.path}.import", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise StoreError(
            f"{store.path}: cannot open the imports' lock beside it ({error.strerror}); "
            "give the service's user write access to the directory"
        ) from error
    try:
        while True:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_WAIT_SECONDS)
        yield
    finally:
        os.close(claim)


async def build(
    store: Store,
    draft: Draft,
    added: Numbers,
    deleted: Numbers,
    *,
    entry: int,
    on_progress: OnProgress | None = None,
) -> tuple[int, int]:
    """Write a snapshot beside the active one, put it in force, clear the old one away.

    Returns its id and how many numbers it holds. The old one answers until the last transaction.
    """
    coverage = None if draft.coverage is None else orjson.dumps(draft.coverage).decode()
    async with store.change(entry, done=False) as db:
        await db.execute(_REGISTER, (draft.register,))
        cursor = await db.execute(
            _BEGIN,
            (
                draft.register,
                to_micros(draft.as_of),
                to_micros(datetime.now(UTC)),
                coverage,
                draft.file_name,
                draft.file_sha256,
                draft.base,
                draft.forced,
                entry,
            ),
        )
        snapshot = cursor.lastrowid
    if snapshot is None:
        raise StoreError(f"{store.path}: the snapshot got no id; check it with: vaglio index verify")
    base = draft.base
    shards = shards_of(added) if base is None else changed_shards(stored_shards(store, base), added, deleted)
    written = await _write(store, snapshot, shards, entry=entry, on_progress=on_progress)
    async with store.change(entry) as db:
        await db.execute(_RETIRE, (draft.register,))
        await db.execute(_ACTIVATE, (written.entries, written.shards, written.checksum, snapshot))
        await db.execute(_RAISE_REGISTERS)
    await clear_leftovers(store, entry=entry)
    return snapshot, written.entries


async def clear_leftovers(store: Store, *, entry: int) -> None:
    """Take away what interrupted imports began and what retired snapshots held, in short turns.

    Only within `only_import`: what another import is building would look left over. The retired ones' own rows
    stay, so that "what was in force that day?" keeps its answer.
    """
    for snapshot, state in await store.rows(_LEFT_OVER):
        size, cleared = _FIRST_CHUNK, 1
        while cleared:
            async with store.change(entry, done=False) as db:
                cleared = (await db.execute(_CLEAR, (snapshot, size))).rowcount
            size = next_size(size, store.turn_seconds)
        if state == "building":
            async with store.change(entry, done=False) as db:
                await db.execute("DELETE FROM register_snapshot WHERE id = ?", (snapshot,))


def stored_shards(store: Store, snapshot: int) -> Iterator[tuple[int, bytes]]:
    """A snapshot's shards in order, read a few at a time so that no read lasts; for a worker thread."""
    connection = database.read_only(store.path)
    try:
        last = (-1, -1)
        while rows := connection.execute(NEXT_SHARDS, (snapshot, *last, _READ_AT_ONCE)).fetchall():
            yield from ((shard, numbers) for shard, _, numbers in rows)
            last = rows[-1][:2]
    except sqlite3.Error as error:
        raise database.unreadable(store.path, error) from error
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class _Written:
    entries: int
    shards: int
    checksum: str


async def _write(
    store: Store, snapshot: int, shards: Iterator[Shard], *, entry: int, on_progress: OnProgress | None
) -> _Written:
    digest = hashlib.sha256()
    entries = count = 0
    size = _FIRST_CHUNK
    while chunk := await asyncio.to_thread(lambda amount: list(islice(shards, amount)), size):
        async with store.change(entry, done=False) as db:
            await db.executemany(_SHARD, [(snapshot, *row[:3]) for row in chunk])
        size = next_size(len(chunk), store.turn_seconds)
        for name, first, numbers, amount in chunk:
            add_to_checksum(digest, name, first, numbers)
            entries += amount
        count += len(chunk)
        if on_progress is not None:
            on_progress(Progress(1, 1, entries))
    return _Written(entries, count, digest.hexdigest())


def add_to_checksum(digest: "hashlib._Hash", shard: int, first: int, numbers: bytes) -> None:
    """Add one row to a snapshot's checksum: shard in eight bytes and first in two, big-endian, and the bitmap."""
    digest.update(shard.to_bytes(8, "big") + first.to_bytes(2, "big"))
    digest.update(numbers)
