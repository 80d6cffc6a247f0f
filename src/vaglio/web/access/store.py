"""accounts.db as a file: made when first needed, mode 0600, opened for reading and for writing.

Reads are short enough for the event loop. Writes take a lock of this process and SQLite's own between processes;
they are few (log-ins, failures, new accounts), and a server makes them in a thread.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Final

from vaglio.errors import StoreError

_APPLICATION: Final = 0x56616163
"""`Vaac`: SQLite's application id, so that another file is not taken for this one."""
_VERSION: Final = 1
_BUSY_SECONDS: Final = 5.0


class AccessStore:
    """One process's view of accounts.db.

    Raises:
        StoreError: from any method, when the file cannot be made, read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        with self._explained():
            _make(path)
            self._writing = _connect(path)
            self._reading = _connect(path)
            self._reading.execute("PRAGMA query_only = ON")

    def close(self) -> None:
        """Let go of the file."""
        self._reading.close()
        self._writing.close()

    def rows(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """Read a few rows."""
        with self._explained():
            return self._reading.execute(statement, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction; undone on an error."""
        with self._lock, self._explained():
            self._writing.execute("BEGIN IMMEDIATE")
            try:
                yield self._writing
                self._writing.execute("COMMIT")
            except BaseException:
                self._writing.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{self.path}: {error}; it and its directory must belong to the service's user"
            ) from error


def _make(path: Path) -> None:
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
    try:
        database.execute("BEGIN IMMEDIATE")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        application = database.execute("PRAGMA application_id").fetchone()[0]
        if version == 0 and application == 0 and not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            schema = resources.files("vaglio.web.access").joinpath("schema.sql").read_text(encoding="utf-8")
            for statement in schema.split(";\n"):
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
            database.execute(f"PRAGMA user_version = {_VERSION}")
            version, application = _VERSION, _APPLICATION
        database.execute("COMMIT")
        if (version, application) != (_VERSION, _APPLICATION):
            raise StoreError(
                f"{path}: not this release's file of accounts; correct `[web] accounts`, or use the newer Vaglio"
            )
        database.execute("PRAGMA journal_mode = WAL")
    finally:
        database.close()


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA foreign_keys = ON")
    return database
