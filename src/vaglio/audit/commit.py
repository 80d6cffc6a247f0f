"""One durable transaction of the log, on the calling thread. Everything that appends goes through here.

Each kind of row goes in by one statement a batch: the `sqlite3` module gives the interpreter's lock away at every
step, and beside a busy event loop each return costs a wait.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from vaglio.audit.attempts import counted
from vaglio.audit.entry import Entry, EntryKind
from vaglio.audit.keys import Keys
from vaglio.audit.store import explained, open_writing
from vaglio.errors import ConfigError, StoreError, VaglioError
from vaglio.model import Verdict
from vaglio.turn import Turn

MAX_BATCH = 64
"""Entries a transaction; what keeps a turn below 10 ms."""


_FIRST = """
    SELECT told ->> '$.origin', told ->> '$.fingerprints.search', told ->> '$.fingerprints.sealing'
    FROM (SELECT CAST(body AS TEXT) AS told FROM entry WHERE seq = 1 AND kind = ?)"""
_ADD_ENTRIES = """
    INSERT INTO entry (body, id, kind, at, campaign, controller, verdict, reason, ref) VALUES {rows}"""
_ADD_SUBJECTS = "INSERT INTO subject (seq, salt, token, sealed) VALUES {rows}"
_ADD_ATTEMPTS = """
    INSERT INTO attempt (seq, token, controller, at, pbx, uniqueid, decision, delivered) VALUES {rows}"""
_MARK_DELIVERED = """
    WITH mark (decision, told) AS (VALUES {rows})
    UPDATE attempt SET delivered = (SELECT told FROM mark WHERE mark.decision = attempt.decision)
    WHERE (token, at, seq) IN (
        SELECT subject.token, entry.at, entry.seq FROM mark
        CROSS JOIN entry ON entry.id = mark.decision
        CROSS JOIN subject ON subject.seq = entry.seq)"""
_MARK_OUTCOME = _MARK_DELIVERED.replace("SET delivered", "SET outcome")


class AttemptTaken(VaglioError):  # noqa: N818 - an answer, not a fault
    """Another call took an attempt since they were counted; decide again. Nothing was appended."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What an allow rests on when a frequency rule counted attempts.

    Attributes:
        since: where the rule's window opens.
        seen: decision ids of the attempts that the rule counted.
    """

    since: datetime
    seen: Collection[str]


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry with all that is expensive already done; made by `prepare`."""

    entry: Entry
    claim: Claim | None
    token: bytes | None
    sealed: bytes | None


def prepare(keys: Keys, entry: Entry, claim: Claim | None = None) -> Pending:
    """Compute token and sealed number; some ten microseconds, no I/O."""
    if entry.subject is None:
        return Pending(entry, claim, None, None)
    return Pending(entry, claim, keys.token(entry.subject.e164), keys.seal(entry.subject, entry.id))


def clock() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


class Log:
    """An open log for one thread at a time; what a command or another process uses to append.

    Raises:
        StoreError: when the file is missing, damaged, or of another version.
        ConfigError: when the keys are not those of the log.
    """

    def __init__(self, path: Path, keys: Keys, now: Callable[[], int] = clock) -> None:
        self._path = path
        self._keys = keys
        self._now = now
        self._turn = Turn(path)
        try:
            self._connection = open_writing(path)
            with explained(path):
                check_keys(self._connection, path, keys)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, entry: Entry, claim: Claim | None = None) -> int:
        """Append one entry; its sequence number, once it is durable.

        Raises:
            StoreError: nothing was appended.
            AttemptTaken: nothing was appended; decide again.
        """
        (result,) = self.commit([prepare(self._keys, entry, claim)])
        if isinstance(result, AttemptTaken):
            raise result
        return result

    def append_many(self, entries: Sequence[Entry], progress: Callable[[int], None] | None = None) -> range:
        """Append entries in order, in transactions that let other writers in between; their sequence numbers.

        They need not follow one another without a gap; the range is returned a batch at a time to `progress` as
        the number of entries done. For one contiguous block, append at most `MAX_BATCH`.

        Raises:
            StoreError: at most the batches before it were appended.
        """
        first = last = 0
        for start in range(0, len(entries), MAX_BATCH):
            batch = entries[start : start + MAX_BATCH]
            results = self.commit([prepare(self._keys, entry) for entry in batch])
            numbers = [result for result in results if isinstance(result, int)]
            first, last = first or numbers[0], numbers[-1]
            if progress is not None:
                progress(len(batch))
        return range(first, last + 1) if last else range(0)

    def commit(self, batch: Sequence[Pending]) -> list[int | AttemptTaken]:
        """Append at most `MAX_BATCH` prepared entries in one transaction; each one's sequence number or refusal.

        Raises:
            StoreError: none of them was appended. The next call tries with a fresh connection.
        """
        try:
            with self._turn, explained(self._path):
                return _transaction(self._connection, batch, self._now())
        except StoreError:
            self._reopen()
            raise

    def close(self) -> None:
        """Give the file back."""
        connection = getattr(self, "_connection", None)
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()
        self._turn.close()

    def _reopen(self) -> None:
        """After an error a connection may hold a stale view of the file; a new one does not."""
        with suppress(StoreError):
            fresh = open_writing(self._path)
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = fresh


def check_keys(connection: sqlite3.Connection, path: Path, keys: Keys) -> None:
    """Compare the keys with the log's first entry.

    Raises:
        ConfigError: when they are another log's.
        StoreError: when there is no such entry.
    """
    row = connection.execute(_FIRST, (EntryKind.LOG_CREATED.value,)).fetchone()
    prints = keys.fingerprints
    if row is None:
        raise StoreError(f"{path}: does not begin with the entry that names its keys; restore a copy of it")
    if tuple(row) != (keys.origin, prints["search"], prints["sealing"]):
        raise ConfigError(f"{keys.directory}: the keys are not those of {path}; restore the keys made with it")


def _transaction(connection: sqlite3.Connection, batch: Sequence[Pending], now: int) -> list[int | AttemptTaken]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        taken = _admit(connection, batch, now)
        admitted = [pending for index, pending in enumerate(batch) if index not in taken]
        numbers = iter(insert(connection, admitted) if admitted else ())
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise
    return [taken[index] if index in taken else next(numbers) for index in range(len(batch))]


def _admit(connection: sqlite3.Connection, batch: Sequence[Pending], now: int) -> dict[int, AttemptTaken]:
    """Refuse the claims whose attempt somebody else took, in this batch or before."""
    taken: dict[int, AttemptTaken] = {}
    if not any(pending.claim for pending in batch):
        return taken
    here: dict[tuple[bytes, str], dict[tuple[str, str] | None, str]] = {}
    for index, (entry, claim, token) in enumerate((item.entry, item.claim, item.token) for item in batch):
        if token is None or entry.controller is None or not _counts(batch[index]):
            continue
        others = here.setdefault((token, entry.controller), {})
        if claim is not None:
            attempts = counted(connection, token, entry.controller, claim.since, now, entry.call)
            found = {attempt.decision for attempt in attempts}
            found.update(decision for call, decision in others.items() if call != entry.call)
            if not found <= set(claim.seen):
                taken[index] = AttemptTaken(f"decision {entry.id}: another call took the attempt; decide again")
                continue
        others[entry.call] = entry.id
    return taken


def _counts(pending: Pending) -> bool:
    """Whether the entry lets out a call that counts towards a frequency cap."""
    entry = pending.entry
    return (
        entry.call is not None
        and pending.token is not None
        and entry.controller is not None
        and (entry.kind is EntryKind.FAILOPEN or entry.verdict == Verdict.ALLOW)
    )


def insert(connection: sqlite3.Connection, batch: Sequence[Pending]) -> range:
    """Insert the rows in the open transaction; their sequence numbers, which follow one another."""
    values: list[object] = []
    for pending in batch:
        entry = pending.entry
        values += (entry.body, entry.id, entry.kind.value, entry.at, entry.campaign, entry.controller)
        values += (entry.verdict, entry.reason, entry.ref)
    cursor = connection.execute(_with_rows(_ADD_ENTRIES, 9, len(batch)), values)
    if cursor.lastrowid is None:
        raise StoreError("the log gave no sequence number")
    first = cursor.lastrowid - len(batch) + 1
    _insert_subjects(connection, first, batch)
    _insert_attempts(connection, first, batch)
    _mark_attempts(connection, batch)
    return range(first, first + len(batch))


def _insert_subjects(connection: sqlite3.Connection, first: int, batch: Sequence[Pending]) -> None:
    values: list[object] = []
    for seq, pending in enumerate(batch, first):
        if pending.entry.subject is not None:
            values += (seq, pending.entry.subject.salt, pending.token, pending.sealed)
    if values:
        connection.execute(_with_rows(_ADD_SUBJECTS, 4, len(values) // 4), values)


def _insert_attempts(connection: sqlite3.Connection, first: int, batch: Sequence[Pending]) -> None:
    values: list[object] = []
    for seq, pending in enumerate(batch, first):
        entry = pending.entry
        if _counts(pending) and entry.call is not None:
            delivered = entry.at if entry.kind is EntryKind.FAILOPEN else None
            values += (seq, pending.token, entry.controller, entry.at, *entry.call, entry.id, delivered)
    if values:
        connection.execute(_with_rows(_ADD_ATTEMPTS, 8, len(values) // 8), values)


def _mark_attempts(connection: sqlite3.Connection, batch: Sequence[Pending]) -> None:
    delivered: dict[str | None, object] = {}
    outcomes: dict[str | None, object] = {}
    for pending in batch:
        entry = pending.entry
        if entry.kind is EntryKind.DELIVERY:
            delivered[entry.ref] = entry.at
        elif entry.kind is EntryKind.OUTCOME:
            outcomes[entry.ref] = entry.outcome
    for statement, marks in ((_MARK_DELIVERED, delivered), (_MARK_OUTCOME, outcomes)):
        if marks:
            values = [value for mark in marks.items() for value in mark]
            connection.execute(_with_rows(statement, 2, len(marks)), values)


@cache
def _with_rows(statement: str, width: int, count: int) -> str:
    """The statement with placeholders for so many rows; one text a count, so that it is prepared only once."""
    row = f"({', '.join('?' * width)})"
    return statement.replace("{rows}", ", ".join([row] * count))
