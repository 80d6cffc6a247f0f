"""One stretch of the log, checked row by row: what a worker of the verification does.

Stretches begin at a tile's first entry, so that workers share nothing.
"""

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import MsgspecError

from vaglio.audit.attempt_scan import Attempts
from vaglio.audit.canonical import leaf_hash
from vaglio.audit.damage import Damage, DamageKind
from vaglio.audit.entry import EntryKind, commitment
from vaglio.audit.keys import Keys
from vaglio.audit.merkle import HASH, fold
from vaglio.audit.removal import Removals
from vaglio.audit.said import COLUMNS, Said, microseconds, read
from vaglio.audit.store import IN_PASSING, open_reading
from vaglio.audit.tiles import FULL, WIDTH, split
from vaglio.audit.tree import tile_reader
from vaglio.errors import StoreError, VerificationError
from vaglio.model import Verdict

MAX_DAMAGES = 100
"""Of one kind in one stretch; a log that is damaged all over is not listed entry by entry."""

_WINDOW = 1024
_TELLING = frozenset({EntryKind.DELIVERY.value, EntryKind.OUTCOME.value})
_DECIDING = frozenset({EntryKind.DECISION.value, EntryKind.FAILOPEN.value})
_ENTRIES = """
    SELECT seq, body, id, kind, at, campaign, controller, verdict, reason, ref
    FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq"""
_SIDES = """
    SELECT subject.seq, salt, subject.token, sealed,
        attempt.controller, attempt.pbx, attempt.uniqueid, attempt.decision, delivered, outcome
    FROM subject CROSS JOIN entry USING (seq)
    LEFT JOIN attempt ON attempt.token = subject.token AND attempt.at = entry.at AND attempt.seq = subject.seq
    WHERE subject.seq BETWEEN ? AND ?"""
_HASHED = "SELECT body FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq"

_Side = tuple[Any, ...]
"""A side row, `seq, salt, token, sealed`, and the attempt's columns behind it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What to check.

    Attributes:
        first: sequence number, the first of a tile.
        last: sequence number, included.
        sealed: how many entries the tree holds.
        removals: which side rows may be gone.
        keys: directory of the keys; None to leave the side rows' contents alone.
    """

    path: Path
    first: int
    last: int
    sealed: int
    removals: Removals
    keys: Path | None


@dataclass(slots=True)
class Scan:
    """What was found in a stretch."""

    numbers: int = 0
    removed: int = 0
    attempts: int = 0
    """Calls let out that stand among the attempts."""
    damages: list[Damage] = field(default_factory=list)

    def add(self, seq: int, kind: DamageKind, detail: str) -> None:
        """Note a damage, up to the bound."""
        if sum(damage.kind is kind for damage in self.damages) < MAX_DAMAGES:
            self.damages.append(Damage(seq, kind, detail))


def scan(stretch: Stretch) -> Scan:
    """Check a stretch. Damage is a result; only a lack of keys or of the file itself raises."""
    found = Scan()
    keys = Keys.load(stretch.keys) if stretch.keys else None
    try:
        connection = open_reading(stretch.path, IN_PASSING)
        try:
            _scan(connection, stretch, keys, found)
        finally:
            connection.close()
    except (sqlite3.Error, StoreError) as error:
        found.add(stretch.first, DamageKind.UNREADABLE, f"entries {stretch.first} to {stretch.last}: {error}")
    return found


def _scan(connection: sqlite3.Connection, stretch: Stretch, keys: Keys | None, found: Scan) -> None:
    tile = tile_reader(connection)
    attempts = Attempts(connection, found.add)
    cursor = connection.execute(_ENTRIES, (stretch.first, stretch.last))
    shifted = False
    for start in range(stretch.first, stretch.last + 1, WIDTH):
        rows = cursor.fetchmany(min(WIDTH, stretch.last + 1 - start))
        gap = _gap(rows, start, min(start + WIDTH - 1, stretch.last))
        if gap is not None:
            found.add(gap[0], DamageKind.MISSING, f"entries {gap[0]} to {gap[1]} are missing")
            return
        hashes = [hashlib.sha256(b"\0" + row[1]).digest() for row in rows]
        number = (start - 1) // WIDTH
        known = tile(0, number)[: max(0, min(stretch.sealed - start + 1, WIDTH)) * HASH]
        if not shifted and b"".join(hashes)[: len(known)] != known:
            shifted = _compare(connection, start, hashes, split(known), found)
        _full(tile, number, known, found)
        sides = {side[0]: side for side in connection.execute(_SIDES, (start, start + len(rows) - 1))}
        for row in rows:
            _row(row, sides.get(row[0]), stretch.removals, keys, found, attempts)
    attempts.finish()
    found.attempts = attempts.right


def _gap(rows: list[tuple[Any, ...]], first: int, last: int) -> tuple[int, int] | None:
    """The first run of sequence numbers that the rows lack."""
    if len(rows) == last - first + 1 and rows[-1][0] == last:
        return None
    expected = first
    for row in rows:
        if row[0] != expected:
            return expected, row[0] - 1
        expected += 1
    return expected, last


def _full(tile: Callable[[int, int], bytes], number: int, known: bytes, found: Scan) -> None:
    """A full tile's root must stand in the level above."""
    if len(known) == FULL:
        above, place = divmod(number, WIDTH)
        if tile(1, above)[place * HASH : (place + 1) * HASH] != fold(known):
            detail = f"tile 0/{number} or 1/{above} was edited: the one is not the hash of the other"
            found.add(number * WIDTH + 1, DamageKind.TILE, detail)


def _compare(
    connection: sqlite3.Connection, start: int, hashes: list[bytes], known: list[bytes], found: Scan
) -> bool:
    """Name what differs between the entries and the leaves of a tile; true when the rest is out of step."""
    for seq, (made, leaf) in enumerate(zip(hashes, known, strict=False), start):
        if made != leaf:
            kind, detail = _classify(connection, seq)
            found.add(seq, kind, detail)
            if kind is not DamageKind.EDITED:
                return True
    return False


def _classify(connection: sqlite3.Connection, seq: int) -> tuple[DamageKind, str]:
    """What happened at the first entry that is not its leaf, seen from what stands around it."""
    rows = [leaf_hash(body) for (body,) in connection.execute(_HASHED, (seq, seq + _WINDOW - 1))]
    tile = tile_reader(connection)
    number, place = divmod(seq - 1, WIDTH)
    leaves: list[bytes] = []
    for following in range(number, number + _WINDOW // WIDTH + 1):
        leaves += split(tile(0, following))
    leaves = leaves[place : place + _WINDOW]
    moved = leaves.index(rows[0]) if rows[0] in leaves else 0
    if moved and leaves[0] in rows:
        return DamageKind.REORDERED, f"entry {seq} is the leaf of entry {seq + moved}"
    if moved:
        return DamageKind.MISSING, f"{moved} entries are missing before the one that is now {seq}"
    if leaves[0] in rows:
        return DamageKind.INSERTED, f"{rows.index(leaves[0])} entries were inserted at {seq}"
    return DamageKind.EDITED, f"entry {seq} is not what was sealed"


def _row(
    row: tuple[Any, ...],
    side: _Side | None,
    removals: Removals,
    keys: Keys | None,
    found: Scan,
    attempts: Attempts,
) -> None:
    seq, raw, name, kind, at, campaign, controller, verdict, reason, ref = row
    try:
        said = read(raw)
    except (MsgspecError, UnicodeDecodeError):
        found.add(seq, DamageKind.EDITED, f"entry {seq}: its body is no entry")
        return
    if not (
        said.id == name
        and microseconds(said) == at
        and said.kind == kind
        and said.campaign == campaign
        and said.controller == controller
        and said.verdict == verdict
        and said.reason == reason
        and said.ref == ref
    ):
        found.add(
            seq, DamageKind.EDITED, f"entry {seq}: column {_wrong_column(said, row)} is not what its body says"
        )
    committed = said.number.commitment if said.number is not None else None
    if side is not None:
        _side_row(name, committed, side, keys, found)
    elif committed is not None and said.number is not None:
        if removals.cover(seq, said.number.country, at):
            found.removed += 1
        else:
            found.add(seq, DamageKind.SIDE_TABLE, f"entry {seq}: its side row is missing, and was not purged")
    if kind in _TELLING:
        attempts.told(said, at)
    elif kind in _DECIDING:
        if side is not None and _counts(said):
            attempts.let_out(seq, said, at, side[4:])
        else:
            attempts.decided(name)


def _counts(said: Said) -> bool:
    """Whether the call was let out and counts towards a frequency cap."""
    let_out = said.verdict == Verdict.ALLOW or said.kind == EntryKind.FAILOPEN
    return let_out and bool(said.uniqueid) and said.controller is not None


def _wrong_column(said: Said, row: tuple[Any, ...]) -> str:
    columns = zip(COLUMNS, row[2:], strict=True)
    return next((column for column, value in columns if column != "at" and getattr(said, column) != value), "at")


def _side_row(name: str, committed: str | None, side: _Side, keys: Keys | None, found: Scan) -> None:
    seq, salt, token, sealed = side[:4]
    if committed is None:
        found.add(seq, DamageKind.SIDE_TABLE, f"entry {seq}: has a side row, but concerns no number")
    elif keys is not None:
        found.numbers += 1
        try:
            e164 = keys.unseal(sealed, name)
        except VerificationError as error:
            found.add(seq, DamageKind.SIDE_TABLE, str(error))
            return
        if commitment(salt, e164) != committed:
            found.add(seq, DamageKind.SIDE_TABLE, f"entry {seq}: salt and number are not what it committed to")
        elif keys.token(e164) != token:
            found.add(seq, DamageKind.SIDE_TABLE, f"entry {seq}: its search token is not its number's")
