"""Finding decisions: by time, campaign, controller, verdict, reason, call, page by page, newest first.

A page costs a bounded read whatever is asked: where few entries fit, it may come back short or empty with a cursor
that goes on from where the reading stopped.
"""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from vaglio.audit.canonical import microseconds
from vaglio.audit.entry import EntryKind
from vaglio.audit.reader import Record, record_of
from vaglio.audit.redact import redacted_unique_id
from vaglio.audit.store import IN_PASSING, explained, open_reading

_STRETCH: Final = 20_000
"""Entries looked through between two looks at the clock."""
_SECONDS: Final = 1.0
"""How long a page may be searched for."""
_CALL_LASTS: Final = timedelta(hours=6)
_EPOCH: Final = re.compile(r"(?:.*-)?(\d{9,10})\.\d+", re.ASCII)
_FIRST_SINCE: Final = "SELECT min(seq) FROM entry WHERE at >= ?"
_LAST_BEFORE: Final = "SELECT max(seq) FROM entry WHERE at < ?"
_FOUND: Final = """
SELECT seq, id, kind, at, body FROM entry
WHERE seq BETWEEN :lowest AND :highest AND kind = :kind AND at >= :since AND at < :until
  AND (:campaign IS NULL OR campaign = :campaign) AND (:controller IS NULL OR controller = :controller)
  AND (:verdict IS NULL OR verdict = :verdict) AND (:reason IS NULL OR reason = :reason)
  AND (:uniqueid IS NULL OR CAST(body AS TEXT) ->> '$.uniqueid' = :uniqueid)
ORDER BY seq DESC LIMIT :most
"""
_OF_NUMBER: Final = """
SELECT entry.seq, id, kind, at, body FROM subject JOIN entry USING (seq)
WHERE token = :token AND entry.seq <= :highest AND (:controller IS NULL OR controller = :controller)
  AND (:kind IS NULL OR kind = :kind) AND at >= :since AND at < :until
  AND (:campaign IS NULL OR campaign = :campaign)
  AND (:verdict IS NULL OR verdict = :verdict) AND (:reason IS NULL OR reason = :reason)
  AND (:uniqueid IS NULL OR CAST(body AS TEXT) ->> '$.uniqueid' = :uniqueid)
ORDER BY entry.seq DESC LIMIT :most
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; None does not matter."""

    kind: EntryKind = EntryKind.DECISION
    since: datetime | None = None
    until: datetime | None = None
    """Not included."""
    campaign: str | None = None
    controller: str | None = None
    verdict: str | None = None
    reason: str | None = None
    uniqueid: str | None = None
    """Asterisk's unique id of the call's channel; it holds the second in which the channel began."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what was found, newest first."""

    records: tuple[Record, ...]
    next: int | None
    """Cursor of the next page: the highest sequence number still to be looked at; None when all was."""


def search(log: Path, wanted: Wanted, most: int, cursor: int | None = None) -> Page:
    """One page; reads for about a second at the most, so it belongs into a thread.

    Raises:
        StoreError: when the log cannot be read.
    """
    with closing(open_reading(log, IN_PASSING)) as connection, explained(log):
        lowest, highest = _bounds(connection, wanted)
        if cursor is not None:
            highest = min(highest, cursor)
        found: list[Record] = []
        deadline = time.monotonic() + _SECONDS
        for low, high in _stretches(lowest, highest):
            values = _values(wanted) | {"lowest": low, "highest": high, "most": most - len(found)}
            found += map(record_of, connection.execute(_FOUND, values))
            if len(found) == most:
                return Page(tuple(found), _before(found[-1].seq, lowest))
            if time.monotonic() > deadline:
                return Page(tuple(found), _before(low, lowest))
    return Page(tuple(found), None)


def search_number(
    log: Path,
    token: bytes,
    most: int,
    cursor: int | None = None,
    controller: str | None = None,
    wanted: Wanted | None = None,
) -> Page:
    """One page of the entries that concern the number with that token (`Keys.token`).

    All of them, of any kind and of that controller if one is given; or, with `wanted`, those it describes.

    Raises:
        StoreError: when the log cannot be read.
    """
    asked = _values(wanted or Wanted(controller=controller)) | ({} if wanted else {"kind": None})
    values = asked | {"token": token, "highest": cursor or 1 << 62, "most": most + 1}
    with closing(open_reading(log, IN_PASSING)) as connection, explained(log):
        found = [record_of(row) for row in connection.execute(_OF_NUMBER, values)]
    return Page(tuple(found[:most]), found[most].seq if len(found) > most else None)


def _bounds(connection: sqlite3.Connection, wanted: Wanted) -> tuple[int, int]:
    """The first and last sequence number within the time asked for; an empty range when there is none."""
    since, until = wanted.since, wanted.until
    if wanted.uniqueid is not None and (told := _EPOCH.fullmatch(wanted.uniqueid)):
        begun = datetime.fromtimestamp(int(told[1]), since.tzinfo if since else None).astimezone()
        since = max(since, begun - timedelta(minutes=1)) if since else begun - timedelta(minutes=1)
        until = min(until, begun + _CALL_LASTS) if until else begun + _CALL_LASTS
    first: int | None = 1
    last = connection.execute("SELECT max(seq) FROM entry").fetchone()[0]
    if since is not None:
        first = connection.execute(_FIRST_SINCE, (microseconds(since),)).fetchone()[0]
    if until is not None:
        last = connection.execute(_LAST_BEFORE, (microseconds(until),)).fetchone()[0]
    return (first, last) if first is not None and last is not None else (1, 0)


def _stretches(lowest: int, highest: int) -> Iterator[tuple[int, int]]:
    for high in range(highest, lowest - 1, -_STRETCH):
        yield max(lowest, high - _STRETCH + 1), high


def _before(seq: int, lowest: int) -> int | None:
    return seq - 1 if seq > lowest else None


def _values(wanted: Wanted) -> dict[str, object]:
    return {
        "kind": wanted.kind.value,
        "since": microseconds(wanted.since) if wanted.since else -(1 << 62),
        "until": microseconds(wanted.until) if wanted.until else 1 << 62,
        "campaign": wanted.campaign,
        "controller": wanted.controller,
        "verdict": wanted.verdict,
        "reason": wanted.reason,
        "uniqueid": redacted_unique_id(wanted.uniqueid) if wanted.uniqueid else None,
    }
