"""The attempts that frequency caps count, checked against the entries they were derived from."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from vaglio.audit.damage import Damage, DamageKind
from vaglio.audit.scan import Scan
from vaglio.audit.store import IN_PASSING, open_reading
from vaglio.errors import StoreError

PARTS = 16
"""Tasks the table is divided into, by the first bits of the token."""

_WRONG_ATTEMPTS = """
    SELECT attempt.seq FROM attempt
    LEFT JOIN entry ON entry.seq = attempt.seq
    LEFT JOIN subject ON subject.seq = attempt.seq
    WHERE attempt.token >= :first AND attempt.token < :last AND attempt.seq <= :entries AND NOT coalesce(
        (entry.kind = 'failopen' OR entry.verdict = 'allow')
        AND entry.id = attempt.decision AND entry.at = attempt.at AND entry.controller = attempt.controller
        AND subject.token = attempt.token
        AND CAST(entry.body AS TEXT) ->> '$.pbx' = attempt.pbx
        AND CAST(entry.body AS TEXT) ->> '$.uniqueid' = attempt.uniqueid
        AND attempt.delivered IS CASE entry.kind WHEN 'failopen' THEN entry.at ELSE (
            SELECT told.at FROM entry AS told WHERE told.ref = entry.id AND told.kind = 'delivery'
            ORDER BY told.seq DESC LIMIT 1) END
        AND attempt.outcome IS (
            SELECT CAST(told.body AS TEXT) ->> '$.outcome' FROM entry AS told
            WHERE told.ref = entry.id AND told.kind = 'outcome'
            ORDER BY told.seq DESC LIMIT 1), FALSE)
    ORDER BY attempt.seq LIMIT 100"""
_COUNT = "SELECT count(*) FROM attempt WHERE seq <= ?"


def scan_attempts(part: tuple[Path, int, int]) -> Scan:
    """Check one part of the attempts: path of audit.db, number of entries, which of the `PARTS`."""
    path, entries, number = part
    width = 256 // PARTS
    last = bytes([(number + 1) * width]) if number + 1 < PARTS else b"\xff" * 33
    values = {"first": bytes([number * width]) if number else b"", "last": last, "entries": entries}
    found = Scan()
    try:
        with closing(open_reading(path, IN_PASSING)) as connection:
            for (seq,) in connection.execute(_WRONG_ATTEMPTS, values):
                found.add(int(seq), DamageKind.ATTEMPT, f"the attempt of entry {seq} is not what the entries tell")
    except (sqlite3.Error, StoreError) as error:
        found.add(0, DamageKind.ATTEMPT, f"the attempts cannot be read: {error}")
    return found


def missing_attempts(connection: sqlite3.Connection, entries: int, expected: int) -> Iterator[Damage]:
    """Calls let out that are not among the attempts, each of which was found to be right, hence counted once."""
    counted = int(connection.execute(_COUNT, (entries,)).fetchone()[0])
    if counted < expected:
        yield Damage(0, DamageKind.ATTEMPT, f"{expected - counted} attempts are missing")
