"""The file index.db itself: made, opened, brought to the present schema, and refused with a way out.

Every statement here is the reader's or the store's common ground; who reads and who writes is told there.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from vaglio.errors import StoreError
from vaglio.turn import Turn

APPLICATION_ID: Final = 0x5661676C
"""`PRAGMA application_id` of an index: the ASCII letters `Vagl`."""
SCHEMA_VERSION: Final = 1
"""`PRAGMA user_version` that this release reads and writes."""

MIGRATIONS: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType({})
"""From the version that is the key to the next: statements, run in one transaction by the first writer."""

_PAGE_BYTES: Final = 4096


def create(path: Path) -> None:
    """Make an empty index; the file appears whole or not at all.

    Raises StoreError when it exists already or cannot be written.
    """
    if path.exists():
        raise StoreError(f"{path}: exists already; move it away first, or keep it")
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        database = sqlite3.connect(draft, isolation_level=None)
        try:
            database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            database.execute("PRAGMA journal_mode = WAL")
            schema = resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
            database.executescript(f"BEGIN;\n{schema}\nCOMMIT;")
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        finally:
            database.close()
        draft.chmod(0o640)
        draft.rename(path)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{path}: cannot be made ({error}); check the directory's owner and free space"
        ) from error


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that can only read, in autocommit; usable from any one thread at a time.

    Raises StoreError when the file is missing, damaged or of another version.
    """
    require(path)
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        database = sqlite3.connect(
            uri, uri=True, isolation_level=None, cached_statements=64, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    try:
        check_version(path, database)
    except BaseException:
        database.close()
        raise
    return database


def require(path: Path) -> None:
    """Raises StoreError unless the file is there."""
    if not path.is_file():
        raise StoreError(f"{path}: no index there; make one with: vaglio init DIR, or restore its backup")


def check_version(path: Path, database: sqlite3.Connection) -> None:
    """Raises StoreError unless the file is an index of the present version."""
    try:
        application = database.execute("PRAGMA application_id").fetchone()[0]
        version = database.execute("PRAGMA user_version").fetchone()[0]
        database.execute("SELECT value FROM generation").fetchone()
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    require_version(path, application, version)


def require_version(path: Path, application: int, version: int) -> None:
    """Raises StoreError unless both are those of an index of the present version."""
    if application != APPLICATION_ID:
        raise StoreError(f"{path}: a database, but not an index of Vaglio; name the right one in [index] file")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: schema version {version} is newer than the {SCHEMA_VERSION} of this release; "
            "install the release that wrote it"
        )
    if version < SCHEMA_VERSION:
        raise StoreError(
            f"{path}: schema version {version} is older than the {SCHEMA_VERSION} of this release; "
            "bring it forward with: vaglio index verify"
        )


def unreadable(path: Path, error: sqlite3.Error) -> StoreError:
    """The error for a file that SQLite refuses, with what to do about it."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StoreError(
            f"{path}: damaged ({error}); restore its backup, or save what can still be read: vaglio index rebuild"
        )
    if code is not None and code & 0xFF == sqlite3.SQLITE_FULL:
        return StoreError(f"{path}: the disk is full; free some space and run the command again")
    return StoreError(f"{path}: cannot be used ({error}); check it with: vaglio index verify")


def bring_forward(path: Path) -> None:
    """Run the migrations that an index of an older version needs, in one transaction of the writer's turn.

    Raises StoreError when the file is missing, damaged or newer than this release.
    """
    require(path)
    try:
        database = sqlite3.connect(path, isolation_level=None, timeout=5.0)
        try:
            application = database.execute("PRAGMA application_id").fetchone()[0]
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if application == APPLICATION_ID and version < SCHEMA_VERSION:
                with closing(Turn(path)) as turn, turn:
                    _migrate(database)
            check_version(path, database)
        finally:
            database.close()
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def _migrate(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        while version < SCHEMA_VERSION and version in MIGRATIONS:
            for statement in MIGRATIONS[version]:
                database.execute(statement)
            version += 1
            database.execute(f"PRAGMA user_version = {version}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
