"""Reading the log: what stands in it, and what the frequency rules count. Nothing here writes."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from vaglio.audit.attempts import counted
from vaglio.audit.canonical import microseconds, time_of
from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.redact import redacted, redacted_unique_id
from vaglio.audit.store import explained, open_reading
from vaglio.errors import NotFoundError
from vaglio.model import Attempt

_TAIL = "SELECT seq, id, kind, at, body FROM entry ORDER BY seq DESC LIMIT ?"
_BY_SEQ = "SELECT seq, id, kind, at, body FROM entry WHERE seq = ?"
_BY_ID = "SELECT seq, id, kind, at, body FROM entry WHERE id = ?"
_BY_REF = "SELECT seq, id, kind, at, body FROM entry WHERE ref = ? ORDER BY seq"
_OF_NUMBER = """
    SELECT entry.seq, id, kind, at, body FROM subject JOIN entry USING (seq) WHERE token = ? ORDER BY seq"""
_FIRST_SINCE = "SELECT min(seq) FROM entry WHERE at >= ?"
_LAST_BEFORE = "SELECT max(seq) FROM entry WHERE at < ?"
_BETWEEN = """
    SELECT seq, id, kind, at, body FROM entry NOT INDEXED
    WHERE seq BETWEEN :first AND :last AND at >= :since AND at < :until ORDER BY seq"""
_UNCONFIRMED = """
    SELECT seq, id, kind, at, body FROM entry AS announced
    WHERE kind NOT IN ('decision', 'delivery', 'outcome') AND kind = 'change-announced' AND NOT EXISTS (
        SELECT 1 FROM entry WHERE ref = announced.id AND kind IN ('change-confirmed', 'change-abandoned'))
    ORDER BY seq"""
_FAILOPEN = """
    SELECT id FROM entry WHERE kind = 'failopen' AND CAST(body AS TEXT) ->> '$.uniqueid' = ?
      AND CAST(body AS TEXT) ->> '$.pbx' = ? AND at = ? AND CAST(body AS TEXT) ->> '$.number.last3' = ?"""
_FAILOPENS = """
    SELECT seq, id, kind, at, body FROM entry WHERE kind = 'failopen' AND CAST(body AS TEXT) ->> '$.uniqueid' = ?
    ORDER BY seq DESC LIMIT 16"""
_OUTCOMES = """
    SELECT decision.campaign, CAST(told.body AS TEXT) ->> '$.outcome', count(*) FROM entry AS decision
    LEFT JOIN entry AS told ON told.seq = (
        SELECT max(seq) FROM entry WHERE ref = decision.id AND kind = 'outcome' AND seq <= :size)
    WHERE decision.at >= :since AND decision.at < :until AND decision.kind = 'decision'
      AND decision.verdict = 'allow' AND decision.campaign IS NOT NULL AND decision.seq <= :size
      AND (:controller IS NULL OR decision.controller = :controller)
      AND EXISTS (SELECT 1 FROM entry WHERE ref = decision.id AND kind = 'delivery' AND seq <= :size)
    GROUP BY 1, 2"""
_CHECKPOINTS = "SELECT note FROM checkpoint WHERE size < ? ORDER BY size DESC LIMIT ?"
_SEALED = "SELECT sealed FROM subject JOIN entry USING (seq) WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as it stands in the log."""

    seq: int
    id: str
    kind: str
    at: datetime
    raw: bytes = field(repr=False)
    """The canonical bytes."""

    @property
    def body(self) -> dict[str, Any]:
        """The body, read."""
        return orjson.loads(self.raw)  # type: ignore[no-any-return]


class Reader:
    """A read-only view of the log; one thread at a time. Short reads may be called on the event loop.

    Raises:
        StoreError: when the file is missing, damaged, or of another version. Reads raise it too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = open_reading(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def attempts(
        self, token: bytes, controller: str, since: datetime, *, now: datetime, call: tuple[str, str] | None = None
    ) -> tuple[Attempt, ...]:
        """Calls of the controller to the number that count towards a cap, newest first; some microseconds.

        Counted are delivered allows, calls let out by the failure policy, and allows of the last two seconds that
        may still be delivered.

        Args:
            token: `Keys.token` of the number.
            controller: whose calls.
            since: where the window opens.
            now: the instant of the question.
            call: (pbx, unique id) of the call in question, whose own earlier decision does not count.
        """
        with explained(self._path):
            return counted(self._connection, token, controller, since, microseconds(now), call)

    def tail(self, count: int) -> list[Record]:
        """The last entries, oldest first."""
        rows = self._rows(_TAIL, (count,))
        return rows[::-1]

    def show(self, name: str) -> Record:
        """The entry with that id, in either case, or with that sequence number.

        Raises:
            NotFoundError: when there is none.
        """
        if name.isascii() and name.isdecimal() and len(name) < 19:  # noqa: PLR2004 - what fits 63 bits
            rows = self._rows(_BY_SEQ, (int(name),))
        else:
            rows = self._rows(_BY_ID, (name.upper(),))
        if not rows:
            raise NotFoundError(f"no entry {name[:40]!r} in {self._path}; `vaglio audit tail` lists the last ones")
        return rows[0]

    def about(self, name: str) -> list[Record]:
        """The entries that speak of the one with that id (delivery, outcome, confirmation), in order."""
        return self._rows(_BY_REF, (name,))

    def unconfirmed(self) -> list[Record]:
        """Announced changes of which the log does not tell whether they were made."""
        return self._rows(_UNCONFIRMED, ())

    def failopen(self, pbx: str, unique_id: str, at: datetime, last3: str) -> str | None:
        """The id of the entry of a call the failure policy let out, if it was handed over before.

        One channel can let out several calls: the time and the number's last digits tell them apart.
        """
        values = (redacted_unique_id(unique_id), redacted(pbx), microseconds(at), last3)
        with explained(self._path):
            row = self._connection.execute(_FAILOPEN, values).fetchone()
        return row[0] if row else None

    def failopens(self, unique_id: str) -> list[Record]:
        """The calls the failure policy let out on a channel of that unique id, handed over, newest first."""
        return self._rows(_FAILOPENS, (redacted_unique_id(unique_id),))

    def outcomes(
        self, since: datetime, until: datetime | None, controller: str | None = None, size: int | None = None
    ) -> list[tuple[str, str | None, int]]:
        """How many delivered allows of that time ended how: campaign, last outcome or None, count.

        With a controller its calls alone; with a size by the first so many entries alone.
        """
        values = {
            "since": microseconds(since),
            "until": microseconds(until) if until else 1 << 62,
            "controller": controller,
            "size": 1 << 62 if size is None else size,
        }
        with explained(self._path):
            return self._connection.execute(_OUTCOMES, values).fetchall()

    def sealed(self, name: str) -> bytes | None:
        """The sealed number behind the entry with that id; None when there is none, or it was erased."""
        with explained(self._path):
            row = self._connection.execute(_SEALED, (name,)).fetchone()
        return bytes(row[0]) if row else None

    def checkpoints(self, most: int, below: int | None = None) -> list[Checkpoint]:
        """Signed checkpoints, newest first, those of fewer than `below` entries; not verified.

        Raises:
            VerificationError: when one is not formed as it must be.
        """
        with explained(self._path):
            rows = self._connection.execute(_CHECKPOINTS, (below or 1 << 62, most)).fetchall()
        return [Checkpoint.parse(bytes(row[0])) for row in rows]

    def by_token(self, token: bytes) -> list[Record]:
        """All entries that concern the number with that token, in order."""
        return self._rows(_OF_NUMBER, (token,))

    def between(self, since: datetime | None, until: datetime | None) -> Iterator[Record]:
        """Entries of that time, `until` excluded, in order; read as they are taken."""
        begin = microseconds(since) if since else -(1 << 62)
        end = microseconds(until) if until else 1 << 62
        with explained(self._path):
            first, last = 1, 1 << 62
            if since is not None:
                first = self._connection.execute(_FIRST_SINCE, (begin,)).fetchone()[0] or last
            if until is not None:
                last = self._connection.execute(_LAST_BEFORE, (end,)).fetchone()[0] or 0
            values = {"first": first, "last": last, "since": begin, "until": end}
            for row in self._connection.execute(_BETWEEN, values):
                yield record_of(row)

    def size(self) -> int:
        """How many entries there are."""
        with explained(self._path):
            return int(self._connection.execute("SELECT ifnull(max(seq), 0) FROM entry").fetchone()[0])

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[Record]:
        with explained(self._path):
            return [record_of(row) for row in self._connection.execute(statement, values)]


def record_of(row: sqlite3.Row | tuple[Any, ...]) -> Record:
    """A record from its row: seq, id, kind, at, body."""
    seq, name, kind, at, body = row
    return Record(seq, name, kind, time_of(at), bytes(body))
