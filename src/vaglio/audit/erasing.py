"""Deleting the numbers behind entries: what has expired, and what a person asks for.

Only side rows and the attempts derived from them go; entries stay, so every proof still holds. An entry that tells
what is deleted is written first: whoever stops in between has announced more than was done, and goes on next time.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from vaglio.audit.canonical import microseconds, timestamp
from vaglio.audit.commit import Log
from vaglio.audit.entry import EntryKind, make
from vaglio.audit.keys import Keys
from vaglio.audit.reader import Reader, Record
from vaglio.audit.removal import merge
from vaglio.audit.store import empty_wal, explained, open_writing
from vaglio.turn import Turn

DEFAULT_RETENTION_DAYS: Mapping[str, int] = {"DE": 1826, "US": 1826, "CA": 1096, "GB": 2190}
"""Days by country; a policy, not the law's text. Others: `OTHER_DAYS`."""
OTHER_DAYS = 730
OBJECTION = "kept to honour the objection (GDPR art. 17(3)(b), 21(3))"

_CHUNK = 100
"""Side rows a transaction, so that a turn stays below 10 ms."""
_RUNS = 2000
"""Runs of sequence numbers an erasure entry lists; more go into further entries."""
_EXPIRED = """
    SELECT subject.seq FROM subject JOIN entry USING (seq)
    WHERE entry.at < :newest AND entry.at < coalesce(
        (SELECT value FROM json_each(:limits) WHERE key = CAST(body AS TEXT) ->> '$.number.country'), :other)
    ORDER BY subject.seq"""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done with a person's side rows.

    Attributes:
        erased: sequence numbers whose number is gone.
        kept: sequence number → why it was kept.
    """

    erased: tuple[int, ...]
    kept: Mapping[int, str]


def purge(path: Path, keys: Keys, retention_days: Mapping[str, int], at: datetime) -> int:
    """Delete the side rows that have expired; how many.

    Args:
        path: audit.db.
        keys: the log's keys.
        retention_days: by country, two letters; over `DEFAULT_RETENTION_DAYS`. `*` is for every other country.
        at: now.

    Raises:
        StoreError: when the file cannot be written.
    """
    days = {**DEFAULT_RETENTION_DAYS, "*": OTHER_DAYS}
    days |= {country.upper(): count for country, count in retention_days.items()}
    before = {country: at - timedelta(days=count) for country, count in days.items()}
    limits = {country: microseconds(limit) for country, limit in before.items()}
    other = limits.pop("*")
    values = {"newest": max(other, *limits.values()), "limits": orjson.dumps(limits).decode(), "other": other}
    with closing(open_writing(path)) as connection, explained(path):
        expired = [int(seq) for (seq,) in connection.execute(_EXPIRED, values)]
        if expired:
            rules = [
                {"country": None if country == "*" else country, "before": timestamp(limit)}
                for country, limit in sorted(before.items())
            ]
            with Log(path, keys) as log:
                log.append(make(EntryKind.PURGE, at, {"rules": rules, "rows": len(expired)}))
            _delete(path, connection, expired)
    return len(expired)


def erase(
    path: Path, keys: Keys, e164: str, at: datetime, keep: Callable[[Record], str | None] | None = None
) -> Erased:
    """Delete what stands behind the entries about a number, but for what must be kept.

    Args:
        path: audit.db.
        keys: the log's keys.
        e164: the number, with its plus.
        at: now.
        keep: says why an entry's side row must be kept, or None; `keep_objections` when not given.

    Raises:
        StoreError: when the file cannot be written.
    """
    reason = keep or keep_objections
    with Reader(path) as reader:
        found = {record.seq: reason(record) for record in reader.by_token(keys.token(e164))}
    erased = tuple(seq for seq, why in found.items() if why is None)
    kept = {seq: why for seq, why in found.items() if why is not None}
    if erased:
        with Log(path, keys) as log:
            for runs in _parts(merge((seq, seq) for seq in erased)):
                log.append(make(EntryKind.ERASURE, at, {"entries": [list(run) for run in runs]}))
        with closing(open_writing(path)) as connection, explained(path):
            _delete(path, connection, erased)
    return Erased(erased, kept)


def keep_objections(record: Record) -> str | None:
    """An objection is kept, or it could not be honoured; everything else may go."""
    change = str(record.body.get("change", ""))
    return OBJECTION if record.kind == EntryKind.CHANGE_ANNOUNCED and change.startswith("opposition") else None


def _delete(path: Path, connection: sqlite3.Connection, rows: Iterable[int]) -> None:
    """Delete side rows and attempts in short turns, and leave no copy of them in the file or its log."""
    connection.execute("PRAGMA secure_delete = ON")
    pending = list(rows)
    with closing(Turn(path)) as turn:
        for start in range(0, len(pending), _CHUNK):
            chunk = [(seq,) for seq in pending[start : start + _CHUNK]]
            with turn:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    connection.executemany(
                        "DELETE FROM attempt WHERE (token, at, seq) IN (SELECT token, at, seq FROM subject"
                        " JOIN entry USING (seq) WHERE seq = ?)",
                        chunk,
                    )
                    connection.executemany("DELETE FROM subject WHERE seq = ?", chunk)
                    connection.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
        empty_wal(connection, turn)


def _parts(runs: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(runs), _RUNS):
        yield runs[start : start + _RUNS]
