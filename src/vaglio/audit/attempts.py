"""What counts towards a frequency cap: one rule for those who ask and for the writer who admits.

Counted is a call that was let out and delivered, and for two seconds one whose delivery is still to come. Of the
decisions on one call (one pbx, one channel unique id) to one number only the newest that counts is counted.
"""

import sqlite3
from datetime import datetime

from vaglio.audit.canonical import microseconds, time_of
from vaglio.model import Attempt, CallOutcome

CLAIM_LAPSES = 2_000_000
"""Microseconds after which an allow that was not delivered counts nothing."""

_NEWEST = """
    SELECT at, delivered, outcome, decision, pbx, uniqueid FROM attempt
    WHERE token = ? AND at >= ? AND controller = ?
    ORDER BY at DESC, seq DESC LIMIT 256"""


def counted(
    connection: sqlite3.Connection,
    token: bytes,
    controller: str,
    since: datetime,
    now: int,
    call: tuple[str, str] | None,
) -> tuple[Attempt, ...]:
    """The attempts since then, newest first, at most 256 decisions back.

    Args:
        connection: of audit.db.
        token: `Keys.token` of the number.
        controller: whose calls.
        since: where the window opens.
        now: microseconds since 1970.
        call: (pbx, unique id) of the call in question, whose own earlier decisions do not count.
    """
    found: list[Attempt] = []
    seen = {call}
    for at, delivered, outcome, decision, pbx, unique_id in connection.execute(
        _NEWEST, (token, microseconds(since), controller)
    ):
        if (pbx, unique_id) not in seen and (delivered is not None or at >= now - CLAIM_LAPSES):
            seen.add((pbx, unique_id))
            found.append(Attempt(time_of(at), CallOutcome(outcome or CallOutcome.UNKNOWN), decision))
    return tuple(found)
