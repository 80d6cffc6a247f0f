"""Looks for phone numbers in bytes where none may stand."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path


def traces(number: str) -> Iterator[bytes]:
    """How a number could stand in bytes: whole, national, its last seven digits, as SQLite's integer."""
    digits = number.removeprefix("+")
    yield digits.encode()
    yield digits[2:].encode()
    yield digits[-7:].encode()
    if len(digits) < 15:  # noqa: PLR2004 - what fits six bytes
        yield int(digits).to_bytes(6, "big")


def found_in(data: bytes, people: Mapping[str, str]) -> list[str]:
    """Whose numbers, by name, can be read in it."""
    return [person for person, number in people.items() if any(trace in data for trace in traces(number))]


def cells(database: Path) -> bytes:
    """Every value of every table, so that what SQLite spreads over pages is seen whole."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        values = [
            value
            for table in tables
            for row in connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - names from the schema
            for value in row
        ]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)
