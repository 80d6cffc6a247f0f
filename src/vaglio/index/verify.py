"""Is the index whole? Every page, every list's shards against their checksums and counts, every batch's numbers.

And if it is not: a new index with all that can still be read, so that no opposition is lost to a bad sector.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyroaring import BitMap

from vaglio.errors import InputError
from vaglio.index import database
from vaglio.index.building import NEXT_SHARDS, add_to_checksum
from vaglio.index.campaigns import campaign_of
from vaglio.index.shards import SHARD_BITS

_MOST_PROBLEMS: Final = 100
_AT_ONCE: Final = 512
_COUNTED: Final = (
    "controller", "campaign", "opposition", "consent", "withdrawal", "relationship", "contact", "former",
    "register_verdict", "batch",
)  # fmt: skip
_SNAPSHOTS: Final = """
SELECT id, register, entries, shards, checksum FROM register_snapshot WHERE state = 'active' ORDER BY register
"""
_BATCHES: Final = "SELECT id, numbers FROM batch ORDER BY id"
_BATCH_SHARDS: Final = (
    "SELECT shard, numbers FROM batch_shard WHERE batch = ? AND shard > ? ORDER BY shard LIMIT ?"
)

OnStep = Callable[[str], None]
"""Told what is being looked at."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found."""

    generation: int
    counts: dict[str, int]
    """Rows by table, and numbers by list register (`register tps`)."""
    problems: tuple[str, ...]
    """One line each; none means that the index is whole."""


def verify(index: Path, on_step: OnStep | None = None) -> Verification:
    """Check an index; reads every page, so minutes for a large one, and stops nobody meanwhile.

    Raises StoreError when the file cannot be opened as an index at all.
    """
    tell = on_step or (lambda _: None)
    problems: list[str] = []
    counts: dict[str, int] = {}
    with closing(database.read_only(index)) as db:
        generation = int(db.execute("SELECT value FROM generation").fetchone()[0])
        for name, check in (
            ("pages", _pages),
            ("references", _references),
            ("campaigns", _campaigns),
            ("tables", _tables),
            ("registers", _registers),
            ("batches", _batches),
        ):
            tell(name)
            try:
                problems += check(db, counts)
            except sqlite3.Error as error:
                problems.append(f"{name}: cannot be read ({error})")
    return Verification(generation, counts, tuple(problems[:_MOST_PROBLEMS]))


def _pages(db: sqlite3.Connection, _: dict[str, int]) -> Iterator[str]:
    for (line,) in db.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})"):
        if line != "ok":
            yield f"pages: {line}".replace("\n", "; ")


def _references(db: sqlite3.Connection, _: dict[str, int]) -> Iterator[str]:
    for table, _row, parent, _key in db.execute("PRAGMA foreign_key_check"):
        yield f"{table}: a row refers to a {parent} that is not there"


def _campaigns(db: sqlite3.Connection, _: dict[str, int]) -> Iterator[str]:
    for name, definition in db.execute("SELECT id, definition FROM campaign"):
        try:
            campaign_of(definition)
        except ValueError:
            yield f"campaign {name}: its definition cannot be read; import it again"


def _tables(db: sqlite3.Connection, counts: dict[str, int]) -> Iterator[str]:
    for table in _COUNTED:
        counts[table] = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a constant
    yield from ()


def _registers(db: sqlite3.Connection, counts: dict[str, int]) -> Iterator[str]:
    for snapshot, register, entries, shards, checksum in db.execute(_SNAPSHOTS).fetchall():
        digest = hashlib.sha256()
        found = number = 0
        try:
            for shard, first, numbers in _shards(db, snapshot):
                add_to_checksum(digest, shard, first, numbers)
                found += _size(numbers)
                number += 1
        except ValueError:
            yield f"register {register}: a shard of snapshot {snapshot} is damaged; import the register again"
            continue
        counts[f"register {register}"] = found
        if (found, number) != (entries, shards):
            yield (
                f"register {register}: {found} numbers in {number} shards, but {entries} in {shards} were loaded; "
                "import the register again"
            )
        elif digest.hexdigest() != checksum:
            yield f"register {register}: the checksum of snapshot {snapshot} is wrong; import the register again"


def _batches(db: sqlite3.Connection, _: dict[str, int]) -> Iterator[str]:
    for batch, numbers in db.execute(_BATCHES).fetchall():
        try:
            found = sum(_size(packed) for _, packed in _batch_rows(db, batch))
        except ValueError:
            found = -1
        if found != numbers:
            yield f"batch {batch}: its numbers are damaged; its answer cannot be reconciled, make a new request"


def _shards(db: sqlite3.Connection, snapshot: int) -> Iterator[tuple[int, int, bytes]]:
    last = (-1, -1)
    while rows := db.execute(NEXT_SHARDS, (snapshot, *last, _AT_ONCE)).fetchall():
        yield from rows
        last = rows[-1][:2]


def _batch_rows(db: sqlite3.Connection, batch: str) -> Iterator[tuple[int, bytes]]:
    last = -1
    while rows := db.execute(_BATCH_SHARDS, (batch, last, _AT_ONCE)).fetchall():
        yield from rows
        last = rows[-1][0]


def _size(numbers: bytes) -> int:
    """How many numbers a shard holds; raises ValueError when it is damaged."""
    bitmap = BitMap.deserialize(numbers)
    if bitmap and bitmap.max() >> SHARD_BITS:
        raise ValueError("a number beyond its shard")
    return len(bitmap)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was saved into the new index."""

    file: Path
    rows: dict[str, int]
    damaged: tuple[str, ...]
    """Tables that could not be read to their end; their facts must be imported again."""


def rebuild(index: Path, into: Path) -> Rebuilt:
    """Save everything readable of a damaged index into a new one beside it; the damaged file is left as it is.

    Tables are read from both ends, so a bad page costs what lies behind it from both. Stop the service, move the
    new file into place, then `index verify` and import what is named as damaged.

    Raises StoreError when `into` exists or cannot be written, InputError when both are the same file.
    """
    if index.absolute() == into.absolute():
        raise InputError(f"{into}: is the damaged index itself; name another file")
    database.require(index)
    database.create(into)
    saved: dict[str, int] = {}
    damaged: list[str] = []
    with (
        closing(sqlite3.connect(index, isolation_level=None)) as old,
        closing(sqlite3.connect(into, isolation_level=None)) as new,
    ):
        new.execute("PRAGMA synchronous = OFF")
        new.execute("DELETE FROM generation")
        tables = [
            row[0] for row in new.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        ]
        for table in tables:
            saved[table], whole = _save(old, new, table)
            if not whole:
                damaged.append(table)
        new.execute("INSERT OR IGNORE INTO generation VALUES (1, 0, 0, 0)")
        new.execute("UPDATE generation SET value = value + 1, campaigns = value + 1, registers = value + 1")
        new.execute("PRAGMA synchronous = FULL")
        new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Rebuilt(into, saved, tuple(damaged))


def _save(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> tuple[int, bool]:
    """Copy a table's rows, from the front and, if that breaks, from the back."""
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    keys = [row[1] for row in sorted(new.execute(f"PRAGMA table_info({table})"), key=lambda row: row[5]) if row[5]]
    names = ", ".join(columns)
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
    whole = False
    new.execute("BEGIN")
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{key} {direction}" for key in keys)
        try:
            for row in old.execute(f"SELECT {names} FROM {table} ORDER BY {order}"):  # noqa: S608
                with suppress(sqlite3.IntegrityError):
                    new.execute(insert, row)
            whole = True
            break
        except sqlite3.DatabaseError:
            continue
    new.execute("COMMIT")
    return new.execute(f"SELECT count(*) FROM {table}").fetchone()[0], whole  # noqa: S608
