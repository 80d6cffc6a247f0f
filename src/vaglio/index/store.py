"""The writing side of the index: every change is one or more short transactions, taken in turn.

Each change carries the sequence number of the entry in audit.db that announced it. `applied(entry)` tells whether
it has been made here, so that whoever starts after a crash can confirm it, or make it again: every change may be
made twice with the same result.

Durability: `synchronous=FULL`. Only the many chunks of an import are written with NORMAL; the last one, which
marks the import as done, makes them durable with it.
"""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import aiosqlite

from vaglio.errors import StoreError
from vaglio.index import database
from vaglio.index.campaigns import definition_json
from vaglio.index.instants import to_micros
from vaglio.index.records import KINDS, UPSERTS, FactKind, Record, Row
from vaglio.model import Campaign, Controller
from vaglio.turn import Turn

CHUNK_SECONDS: Final = 0.010
"""The longest a writer keeps its turn on purpose."""
_CHECKPOINT_BYTES: Final = 32 * 1024 * 1024
"""Of the log, from which its pages are moved into the file."""
_SYNC_BYTES: Final = 2 * 1024 * 1024
"""Written to the log, from which it is made durable although nobody asked."""
_BUSY_SECONDS: Final = 5.0
_PRAGMAS: Final = (
    "synchronous = FULL",
    "wal_autocheckpoint = 0",  # checkpoints happen outside of the turn: `_write_back`
    "journal_size_limit = 1048576",  # so that the log's size tells how much of it is in use
    "foreign_keys = ON",
    "cache_size = -65536",
)

_RAISE: Final = "UPDATE generation SET value = value + 1"
_RAISE_CAMPAIGNS: Final = "UPDATE generation SET campaigns = value"
_RAISE_REGISTERS: Final = "UPDATE generation SET registers = value"
_MARK: Final = """
INSERT INTO applied (entry, done, generation, applied_at)
VALUES (?1, ?2, (SELECT value FROM generation), ?3)
ON CONFLICT (entry) DO UPDATE SET
    done = max(done, excluded.done), generation = excluded.generation, applied_at = excluded.applied_at
"""
_PUT_CONTROLLER: Final = """
INSERT INTO controller (id, name, entry) VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, entry = excluded.entry WHERE name IS NOT excluded.name
"""
_PUT_CAMPAIGN: Final = """
INSERT INTO campaign (id, controller, definition, entry) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (id) DO UPDATE SET
    controller = excluded.controller, definition = excluded.definition, entry = excluded.entry
WHERE controller IS NOT excluded.controller OR definition IS NOT excluded.definition
"""
_LIFT: Final = """
UPDATE opposition SET lifted_at = ?1, lifted_evidence_uri = ?2, lifted_entry = ?3
WHERE number = ?4 AND controller = ?5 AND (?6 IS NULL OR purpose = ?6) AND lifted_at IS NULL AND opposed_at <= ?1
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows of one change."""

    new: int = 0
    corrected: int = 0
    """Known facts that got other values; the old ones are kept beside them."""
    unchanged: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.new + other.new, self.corrected + other.corrected, self.unchanged + other.unchanged)


class Store:
    """One process's writer of index.db; share it between tasks, close it at the end.

    Raises:
        StoreError: from any method, when the file cannot be read or written.
    """

    def __init__(self, path: Path, connection: aiosqlite.Connection, turn: Turn) -> None:
        self.path = path
        self._db = connection
        self._turn = turn
        self._one_at_a_time = asyncio.Lock()
        self._log = Path(f"{path}-wal")
        self._synced = 0
        self.turn_seconds = 0.0
        """How long the last change kept its turn."""

    @classmethod
    async def create(cls, path: Path) -> Self:
        """Make an empty index and open it.

        Raises StoreError when the file exists already.
        """
        await asyncio.to_thread(database.create, path)
        return await cls.open(path)

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open an index; one of an older version is brought forward first.

        Raises StoreError when it is missing, damaged or of a newer version.
        """
        await asyncio.to_thread(database.bring_forward, path)
        turn = await asyncio.to_thread(Turn, path)
        try:
            connection = await aiosqlite.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
        except sqlite3.Error as error:
            turn.close()
            raise database.unreadable(path, error) from error
        try:
            for pragma in _PRAGMAS:
                await connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            await connection.close()
            turn.close()
            raise database.unreadable(path, error) from error
        return cls(path, connection, turn)

    async def close(self) -> None:
        """Write back what the log holds, and let go of the file."""
        try:
            await self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            raise database.unreadable(self.path, error) from error
        finally:
            await self._db.close()
            self._turn.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Reconciliation with audit.db

    async def applied(self, entry: int) -> bool:
        """Whether the change that this entry announced has been made here, wholly."""
        return await self._value("SELECT 1 FROM applied WHERE entry = ? AND done = 1", (entry,)) is not None

    async def begun(self, entry: int) -> bool:
        """Whether at least a part of the announced change has been made here."""
        return await self._value("SELECT 1 FROM applied WHERE entry = ?", (entry,)) is not None

    async def generation(self) -> int:
        """The counter that rises with every change."""
        value = await self._value("SELECT value FROM generation", ())
        if not isinstance(value, int):
            raise StoreError(f"{self.path}: the generation is missing; check it with: vaglio index verify")
        return value

    # Controllers and campaigns

    async def put_controllers_and_campaigns(
        self, controllers: Iterable[Controller], campaigns: Iterable[Campaign], *, entry: int
    ) -> Counts:
        """Add or replace controllers and campaigns by id, all in one transaction.

        They are taken as they are: `campaigns.load` has validated them. Others keep standing.
        """
        people = [(one.id, one.name, entry) for one in controllers]
        series = [(one.id, one.controller, definition_json(one), entry) for one in campaigns]
        async with self.change(entry) as db:
            known = {("controller", row[0]) for row in await db.execute_fetchall("SELECT id FROM controller")}
            known |= {("campaign", row[0]) for row in await db.execute_fetchall("SELECT id FROM campaign")}
            changed = (await db.executemany(_PUT_CONTROLLER, people)).rowcount if people else 0
            changed += (await db.executemany(_PUT_CAMPAIGN, series)).rowcount if series else 0
            await db.execute(_RAISE_CAMPAIGNS)
        keys = {("controller", row[0]) for row in people} | {("campaign", row[0]) for row in series}
        new = len(keys - known)
        return Counts(new=new, corrected=changed - new, unchanged=len(keys) - changed)

    # Facts

    async def add_oppositions(self, batch: Iterable[Record], *, entry: int) -> Counts:
        """Record oppositions; see `add`."""
        return await self.add(batch, entry=entry)

    async def add(self, batch: Iterable[Record], *, entry: int) -> Counts:
        """Record facts of any kinds in one transaction; for what a person or a call adds, not for files."""
        rows: dict[FactKind, list[Row]] = {}
        for record in batch:
            rows.setdefault(KINDS[type(record)], []).append((*record.row(), entry))
        counts = Counts()
        async with self.change(entry) as db:
            for kind, some in rows.items():
                counts += await _put(db, kind, some)
        return counts

    async def add_chunk(self, kind: FactKind, rows: Sequence[Row], *, entry: int, last: bool = False) -> Counts:
        """Record the next rows of an import (records' rows, each with the entry at its end).

        Not durable before the chunk that is `last`, which may be empty.
        """
        async with self.change(entry, done=last) as db:
            return await _put(db, kind, rows)

    async def lift_opposition(
        self,
        number: int,
        controller: str,
        *,
        purpose: str | None,
        lifted_at: datetime,
        evidence_uri: str,
        entry: int,
    ) -> int:
        """End a number's oppositions to a controller (and a purpose; None: all of them), by an act of its own.

        An opposition to every controller (`*`) is lifted by naming `*`. Returns how many were in force.
        """
        instant = to_micros(lifted_at)
        async with self.change(entry) as db:
            cursor = await db.execute(_LIFT, (instant, evidence_uri, entry, number, controller, purpose))
            return cursor.rowcount

    # Transactions

    @asynccontextmanager
    async def change(self, entry: int, *, done: bool = True) -> AsyncIterator[aiosqlite.Connection]:
        """One transaction of the change that `entry` announced; committed at the end, undone on an error.

        Waits for its turn off the event loop, raises the generation and notes what was applied.
        """
        async with self._one_at_a_time:
            await self._take_turn()
            taken = time.perf_counter()
            try:
                async with self._transaction(done=done) as db:
                    await db.execute(_RAISE)
                    yield db
                    await db.execute(_MARK, (entry, int(done), to_micros(datetime.now(UTC))))
            except sqlite3.Error as error:
                raise database.unreadable(self.path, error) from error
            finally:
                self._turn.__exit__(None, None, None)
                self.turn_seconds = time.perf_counter() - taken
            await self._write_back()

    @asynccontextmanager
    async def _transaction(self, *, done: bool) -> AsyncIterator[aiosqlite.Connection]:
        await self._db.execute(f"PRAGMA synchronous = {'FULL' if done else 'NORMAL'}")
        await self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            await self._db.execute("COMMIT")
        except BaseException:
            await asyncio.shield(self._db.rollback())
            raise

    async def _take_turn(self) -> None:
        waiting = asyncio.ensure_future(asyncio.to_thread(self._turn.__enter__))
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            await asyncio.wait([waiting])  # the thread cannot be called off, and must not keep the turn
            self._turn.__exit__(None, None, None)
            raise

    async def _write_back(self) -> None:
        """Make the log durable and move it into the file, bit by bit and outside of the turn.

        An import's chunks leave their pages to the kernel; if many of them gathered, the next writer whose change
        must be durable would pay for all of them while it holds its turn.
        """
        size = await asyncio.to_thread(self._log_size)
        if size > _CHECKPOINT_BYTES:
            await self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._synced = 0
        elif size - self._synced > _SYNC_BYTES:
            await asyncio.to_thread(self._sync_log)
            self._synced = size
        elif size < self._synced:  # the log began again
            self._synced = 0

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0

    def _sync_log(self) -> None:
        with contextlib.suppress(FileNotFoundError), self._log.open("rb") as log:
            os.fdatasync(log.fileno())

    async def note(self, statement: str, parameters: Iterable[object]) -> None:
        """Write what is no fact, such as how a source fared: no generation, no entry."""
        async with self._one_at_a_time:
            await self._take_turn()
            try:
                async with self._transaction(done=True) as db:
                    await db.execute(statement, parameters)
            except sqlite3.Error as error:
                raise database.unreadable(self.path, error) from error
            finally:
                self._turn.__exit__(None, None, None)

    async def rows(self, statement: str, parameters: Iterable[object] = ()) -> list[sqlite3.Row]:
        """Read, outside of any change."""
        async with self._one_at_a_time:
            try:
                return list(await self._db.execute_fetchall(statement, parameters))
            except sqlite3.Error as error:
                raise database.unreadable(self.path, error) from error

    async def _value(self, statement: str, parameters: Iterable[object]) -> object:
        found = await self.rows(statement, parameters)
        return found[0][0] if found else None


async def _put(db: aiosqlite.Connection, kind: FactKind, rows: Sequence[Row]) -> Counts:
    if not rows:
        return Counts()
    before = db.total_changes
    changed = (await db.executemany(UPSERTS[kind], rows)).rowcount
    corrected = db.total_changes - before - changed  # what the triggers wrote
    return Counts(new=changed - corrected, corrected=corrected, unchanged=len(rows) - changed)
