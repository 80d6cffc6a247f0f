"""audit.db as a file: made once, opened many times, refused with a reason when it is not what it must be."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

from vaglio.errors import StoreError
from vaglio.turn import Turn

SCHEMA_VERSION = 1
MIGRATIONS: dict[int, str] = {}
"""Schema version → the statements that lead from it to the next."""

_APPLICATION = 0x5661676C
"""`Vagl`: SQLite's application id, so that another program's file is not taken for a log."""
_BUSY_MS = 5000
_CACHED_STATEMENTS = 512
IN_PASSING = 1 << 26
"""Bytes mapped by who reads the whole file once."""
_TRIES, _PAUSE = 20, 0.05


@contextmanager
def creating(path: Path) -> Iterator[sqlite3.Connection]:
    """A new file with the schema in it, in a transaction that is committed when the block ends well.

    What is put in there makes it a log; a file left without it by a crash is refused by whoever opens it.

    Raises:
        StoreError: when a file of that name exists or none can be made.
    """
    schema = files("vaglio.audit").joinpath("schema.sql").read_text(encoding="utf-8")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError as error:
        raise StoreError(f"{path}: exists; a log is never overwritten") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be made ({error.strerror}); correct `[audit] file`") from error
    with explained(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(f"BEGIN IMMEDIATE; PRAGMA application_id = {_APPLICATION}; {schema}")
        yield connection
        connection.execute("COMMIT")


def open_writing(path: Path) -> sqlite3.Connection:
    """A connection that appends: every commit durable, no WAL checkpoint. For one thread at a time.

    Raises:
        StoreError: when the file is missing, damaged, or of another version.
    """
    connection = _open(path, "rw")
    with explained(path):
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA foreign_keys = OFF")  # seq is given by the same transaction
    return connection


def open_reading(path: Path, mapped: int = 1 << 30) -> sqlite3.Connection:
    """A connection that only reads; a read of a few rows is short enough for the event loop.

    Up to `mapped` bytes of the file are mapped into memory: fewer copies, but counted as the process's own.

    Raises:
        StoreError: when the file is missing, damaged, or of another version.
    """
    connection = _open(path, "ro")
    with explained(path):
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA mmap_size = {mapped}")
    return connection


def empty_wal(connection: sqlite3.Connection, turn: Turn) -> bool:
    """Move the write-ahead log into the file and cut it to nothing; whether no reader stood in the way.

    What was deleted with `secure_delete` is then in neither. Writers wait no longer than for a commit: the bulk is
    moved while they go on, and a reader in the way ends the attempt at once.
    """
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        for _ in range(_TRIES):
            with turn:
                busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if not busy:
                return True
            time.sleep(_PAUSE)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    return False


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one line that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {_advice(error)}") from error


def _open(path: Path, mode: str) -> sqlite3.Connection:
    if not path.is_file():
        raise StoreError(f"{path}: no log here; run `vaglio init` or correct `[audit] file`")
    with explained(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_CACHED_STATEMENTS,
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            _check(path, connection, migrate=mode == "rw")
        except BaseException:
            connection.close()
            raise
    return connection


def _check(path: Path, connection: sqlite3.Connection, *, migrate: bool) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != _APPLICATION:
        raise StoreError(f"{path}: not a log of Vaglio; correct `[audit] file`")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: schema version {version}, this Vaglio knows up to {SCHEMA_VERSION}; use the newer Vaglio"
        )
    while migrate and version < SCHEMA_VERSION:
        connection.executescript(
            f"BEGIN IMMEDIATE; {MIGRATIONS[version]} PRAGMA user_version = {version + 1}; COMMIT;"
        )
        version += 1
    if version < SCHEMA_VERSION:
        raise StoreError(f"{path}: schema version {version}, expected {SCHEMA_VERSION}; start `vaglio serve` once")


def _advice(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    advice = {
        sqlite3.SQLITE_FULL: "the disk is full; make room and it goes on by itself",
        sqlite3.SQLITE_IOERR: "the disk reports an error; see the kernel's log, then run `vaglio audit verify`",
        sqlite3.SQLITE_CORRUPT: "damaged; keep the file, restore a copy and run `vaglio audit verify` on both",
        sqlite3.SQLITE_NOTADB: "not an SQLite database; correct `[audit] file`",
        sqlite3.SQLITE_BUSY: "another program holds it locked; find it with `fuser`",
        sqlite3.SQLITE_READONLY: "cannot be written; it must belong to the service's user",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened; it and its directory must belong to the service's user",
    }
    return f"{advice[primary]} ({error})" if primary in advice else str(error)
