"""Changes of one sort that the log announced, newest first, and whether each was made."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from vaglio.audit.canonical import time_of
from vaglio.audit.store import IN_PASSING, explained, open_reading

_SECONDS: Final = 1.0
"""How long the log is read for."""
_ANNOUNCED: Final = """
SELECT seq, id, at, body, (
  SELECT kind FROM entry AS told WHERE told.ref = entry.id
    AND kind IN ('change-confirmed', 'change-abandoned') ORDER BY seq DESC LIMIT 1)
FROM entry WHERE kind = 'change-announced' ORDER BY seq DESC
"""


@dataclass(frozen=True, slots=True)
class Announced:
    """One change as announced."""

    seq: int
    id: str
    at: datetime
    body: dict[str, Any]
    made: bool | None
    """False when it was abandoned; None while the log does not tell."""


def announced(log: Path, change: str, most: int) -> tuple[list[Announced], bool]:
    """The newest changes of that sort, and whether all were looked through in the time there is; blocking.

    Raises:
        StoreError: when the log cannot be read.
    """
    found: list[Announced] = []
    deadline = time.monotonic() + _SECONDS
    with closing(open_reading(log, IN_PASSING)) as connection, explained(log):
        for row in connection.execute(_ANNOUNCED):
            body = orjson.loads(row[3])
            if body.get("change") == change:
                found.append(_change(row, body))
            if len(found) == most or time.monotonic() > deadline:
                return found, False
    return found, True


def _change(row: sqlite3.Row | tuple[Any, ...], body: dict[str, Any]) -> Announced:
    seq, name, at, _, told = row
    return Announced(seq, name, time_of(at), body, None if told is None else told == "change-confirmed")
