"""A log of millions of calls, made in bulk: the same bodies, side rows and attempts as the service writes.

Nothing here is durable or measured; what it makes is verified like any other log.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import orjson

from vaglio.audit.canonical import canonical, microseconds, new_id, timestamp
from vaglio.audit.entry import Entry, Subject, number_fields, searchable
from vaglio.audit.entry import EntryKind as Kind
from vaglio.audit.keys import Keys
from vaglio.audit.store import open_writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

_CHUNK = 20_000
_ENTRY = """
    INSERT INTO entry (body, id, kind, at, campaign, controller, verdict, reason, ref)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SUBJECT = "INSERT INTO subject (seq, salt, token, sealed) VALUES (?, ?, ?, ?)"
_ATTEMPT = """
    INSERT INTO made (seq, token, controller, at, pbx, uniqueid, decision, delivered, outcome)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_GUARDS = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"


@dataclass(frozen=True, slots=True)
class _Mobile:
    """An Italian mobile number as `number_fields` needs it."""

    e164: str
    country: str = "IT"
    kind: str = "mobile"

    @property
    def last3(self) -> str:
        return self.e164[-3:]


def fill(
    path: Path, directory: Path, entries: int, like: tuple[Entry, ...], start: datetime, numbers: int
) -> list[str]:
    """Append that many entries: calls, each told of by entries like those given, a decision first.

    Args:
        path: a log that nobody else has open.
        directory: of its keys.
        entries: at least so many are made.
        like: the entries of one call; the later ones speak of the first.
        start: of the first call; the next follow a millisecond apart.
        numbers: how many different numbers are called, at random.

    Returns:
        The ids of some decisions, spread over all.
    """
    keys = Keys.load(directory)
    calls = -(-entries // len(like))
    some: list[str] = []
    with closing(open_writing(path)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -4000000")
        connection.execute("CREATE TEMP TABLE made AS SELECT * FROM attempt WHERE FALSE")
        connection.execute("BEGIN IMMEDIATE")
        guards = connection.execute(_GUARDS).fetchall()
        for kind, name, _ in guards:
            connection.execute(f"DROP {kind} {name}")
        seq = connection.execute("SELECT max(seq) FROM entry").fetchone()[0]
        called = np.random.default_rng(seq).integers(0, numbers, calls)
        bodies = [orjson.loads(entry.body) for entry in like]
        for first in range(0, calls, _CHUNK):
            rows, sides, attempts = [], [], []
            for call, number in enumerate(called[first : first + _CHUNK].tolist(), first):
                made = list(_call(bodies, start + timedelta(milliseconds=call), number, f"1776850200.{seq}"))
                rows += [_columns(entry) for entry in made]
                decided = made[0]
                if decided.subject is not None:
                    token = keys.token(decided.subject.e164)
                    sides.append((seq + 1, decided.subject.salt, token, keys.seal(decided.subject, decided.id)))
                    if decided.verdict == "allow":
                        attempts.append((seq + 1, token, *_attempt(bodies[0], made, f"1776850200.{seq}")))
                seq += len(made)
            connection.executemany(_ENTRY, rows)
            connection.executemany(_SUBJECT, sides)
            connection.executemany(_ATTEMPT, attempts)
            some.append(str(rows[0][1]))
        connection.execute("INSERT INTO attempt SELECT * FROM made ORDER BY token, at, seq")
        for _, _, statement in guards:
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    return some


def dialled(number: int) -> str:
    """The E.164 form of one of the numbers that are called."""
    return f"+39{3_200_000_000 + number}"


def _call(bodies: list[dict[str, object]], at: datetime, number: int, unique_id: str) -> Iterator[Entry]:
    name = ""
    for place, body in enumerate(bodies):
        when = at if place == 0 else at + timedelta(seconds=1)
        stamp = microseconds(when)
        own = new_id(stamp)
        told: dict[str, object] = {**body, "id": own, "at": timestamp(when)}
        subject: Subject | None = None
        if place == 0:
            name = own
            told["number"], subject = number_fields(_Mobile(dialled(number)))
            told["uniqueid"] = unique_id
        else:
            told["ref"] = name
        outcome = told.get("outcome")
        kind = Kind(str(told["kind"]))
        yield Entry(
            own, kind, stamp, canonical(told), *searchable(told), subject, None, str(outcome) if outcome else None
        )


def _columns(entry: Entry) -> tuple[object, ...]:
    return (
        entry.body,
        entry.id,
        entry.kind.value,
        entry.at,
        entry.campaign,
        entry.controller,
        entry.verdict,
        entry.reason,
        entry.ref,
    )


def _attempt(body: dict[str, object], made: list[Entry], unique_id: str) -> tuple[object, ...]:
    decided = made[0]
    delivered = next((entry.at for entry in made if entry.kind is Kind.DELIVERY), None)
    outcome = next((entry.outcome for entry in made if entry.kind is Kind.OUTCOME), None)
    return (decided.controller, decided.at, body["pbx"], unique_id, decided.id, delivered, outcome)
