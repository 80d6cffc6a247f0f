"""The tree as audit.db keeps it, and what is known of it elsewhere."""

import sqlite3
from dataclasses import dataclass

import orjson

from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.entry import EntryKind
from vaglio.audit.keys import Keys
from vaglio.audit.merkle import HASH
from vaglio.audit.note import Note, Verifier
from vaglio.audit.tiles import FULL, WIDTH, Tile
from vaglio.errors import StoreError, VerificationError

LAST_CHECKPOINT = "checkpoint"
"""In the keys directory: the last checkpoint signed, so that yesterday's audit.db put back is noticed."""

_TILE = "SELECT hashes FROM tile WHERE level = ? AND number = ?"
_SIZE = "SELECT number, length(hashes) FROM tile WHERE level = 0 ORDER BY number DESC LIMIT 1"
_LAST = "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1"
_KEYS = """
    SELECT seq, body FROM entry
    WHERE kind NOT IN ('decision', 'delivery', 'outcome') AND kind IN ('log-created', 'key-rotation')
    ORDER BY seq"""
_VOUCH = "vaglio signing key\n"


def tree_size(connection: sqlite3.Connection) -> int:
    """How many leaves the level-0 tiles hold."""
    row = connection.execute(
        "SELECT number, length(hashes) FROM tile WHERE level = 0 ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return row[0] * WIDTH + row[1] // HASH if row else 0


def tile_reader(connection: sqlite3.Connection) -> Tile:
    """Tiles by level and number, from the table."""

    def read(level: int, number: int) -> bytes:
        row = connection.execute(_TILE, (level, number)).fetchone()
        return bytes(row[0]) if row and len(row[0]) <= FULL else b""

    return read


def kept_checkpoint(keys: Keys) -> Checkpoint | None:
    """The last checkpoint as kept outside audit.db; None before the first.

    Raises:
        VerificationError: when it is not one of this log, signed by its key.
        StoreError: when it cannot be read.
    """
    try:
        raw = (keys.directory / LAST_CHECKPOINT).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{keys.directory / LAST_CHECKPOINT}: cannot be read ({error.strerror})") from error
    return Checkpoint.parse(raw)


def last_checkpoint(connection: sqlite3.Connection) -> Checkpoint | None:
    """The newest checkpoint in the table; None before the first. Not verified."""
    row = connection.execute(_LAST).fetchone()
    return Checkpoint.parse(row[0]) if row else None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key of the log, and the entry from which it signs.

    Attributes:
        since: sequence number of the entry that brought it; checkpoints of that size and above are its own.
    """

    since: int
    verifier: Verifier


def signing_keys(connection: sqlite3.Connection) -> tuple[SigningKey, ...]:
    """The signing keys in the order in which they were in force, each vouched for by the one before.

    Raises:
        VerificationError: when the log does not begin with a key, or a key is not vouched for.
    """
    chain: list[SigningKey] = []
    for seq, raw in connection.execute(_KEYS):
        try:
            chain.append(SigningKey(seq, _introduced(seq, raw, chain[-1].verifier if chain else None)))
        except (VerificationError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise VerificationError(f"entry {seq}: its signing key is not vouched for ({error})") from error
    if not chain:
        raise VerificationError("the log does not begin with the entry that names its signing key")
    return tuple(chain)


def _introduced(seq: int, raw: bytes, before: Verifier | None) -> Verifier:
    """The key that an entry brings in."""
    body = orjson.loads(raw)
    verifier = Verifier.parse(body["vkey"])
    if before is None:
        if seq != 1 or body["kind"] != EntryKind.LOG_CREATED:
            raise VerificationError("the log does not begin with it")
        return verifier
    note = Note.parse(body["vouched"].encode())
    note.verified_by([before])
    if note.text != vouching_text(verifier):
        raise VerificationError("the old key vouches for another key")
    return verifier


def vouching_text(new: Verifier) -> str:
    """What the old key signs when a new one takes over."""
    return f"{_VOUCH}{new.vkey}\n"
