"""The checkpoints signed so far, newest first, and when: the heartbeat before a checkpoint holds its time."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from vaglio.audit.canonical import time_of
from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.note import Verifier
from vaglio.audit.store import IN_PASSING, explained, open_reading
from vaglio.audit.tree import SigningKey, signing_keys
from vaglio.errors import NotFoundError

_PAGE: Final = "SELECT size, note FROM checkpoint WHERE size <= ? ORDER BY size DESC LIMIT ?"
_BEATS: Final = """
SELECT max(seq) FROM entry
WHERE kind NOT IN ('decision', 'delivery', 'outcome') AND kind = ? AND seq <= ?"""


@dataclass(frozen=True, slots=True)
class Signed:
    """One checkpoint, and when it was signed: the time of the heartbeat or rotation it covers last."""

    checkpoint: Checkpoint
    at: datetime | None


def checkpoints(log: Path, most: int, highest: int | None = None) -> tuple[Signed, ...]:
    """The newest checkpoints of at most `highest` entries; as many as `most`.

    Raises:
        StoreError: when the log cannot be read.
        VerificationError: when one is not formed as it must be.
    """
    with closing(open_reading(log, IN_PASSING)) as connection, explained(log):
        rows = connection.execute(_PAGE, (1 << 62 if highest is None else highest, most)).fetchall()
        return tuple(Signed(Checkpoint.parse(note), _signed_at(connection, size)) for size, note in rows)


def checkpoint_of(log: Path, size: int) -> Signed:
    """The checkpoint of so many entries.

    Raises:
        NotFoundError: when none was signed of that size.
        StoreError, VerificationError: as `checkpoints`.
    """
    for found in checkpoints(log, 1, size):
        if found.checkpoint.size == size:
            return found
    raise NotFoundError(f"no checkpoint of {size} entries was signed")


def public_keys(log: Path) -> tuple[SigningKey, ...]:
    """The log's public keys in the order in which they were in force, as the log itself tells.

    Raises:
        StoreError: when the log cannot be read.
        VerificationError: when a key is not vouched for by the one before.
    """
    with closing(open_reading(log, IN_PASSING)) as connection, explained(log):
        return signing_keys(connection)


def verifiers(log: Path) -> tuple[Verifier, ...]:
    """The keys of `public_keys` alone."""
    return tuple(one.verifier for one in public_keys(log))


def _signed_at(connection: sqlite3.Connection, size: int) -> datetime | None:
    beats = (connection.execute(_BEATS, (kind, size)).fetchone()[0] for kind in ("heartbeat", "key-rotation"))
    seq = max((beat for beat in beats if beat is not None), default=None)
    if seq is None:
        return None
    return time_of(connection.execute("SELECT at FROM entry WHERE seq = ?", (seq,)).fetchone()[0])
