"""Lock-out after repeated failures: guessing is slow, and nobody can lock somebody else out from elsewhere.

Wrong secrets are counted for the account from that address, for the address, and for the account from anywhere;
the first two lock soon, the last only after many, since a stranger could otherwise keep a person out. API keys are
256 random bits: there only the address is counted, so that nobody can keep a CRM from recording oppositions.
"""

from datetime import datetime, timedelta
from typing import Final

from vaglio.web.access.store import AccessStore

_LIMITS: Final = (5, 20, 100)
"""Failures within `WINDOW` that lock: account at an address, address, account from anywhere."""
WINDOW: Final = timedelta(minutes=15)
"""How long failures count, and how long a lock lasts from the last one."""
_MOST: Final = 100_000
"""Subjects remembered; with more, the oldest are forgotten."""

_FAILED: Final = """
INSERT INTO failure (subject, count, first_at, last_at) VALUES (?1, 1, ?2, ?2)
ON CONFLICT (subject) DO UPDATE SET
    count = CASE WHEN last_at < ?3 THEN 1 ELSE count + 1 END,
    first_at = CASE WHEN last_at < ?3 THEN excluded.first_at ELSE first_at END,
    last_at = excluded.last_at
"""
_FORGET: Final = """
DELETE FROM failure WHERE last_at < ?1 OR subject IN (
    SELECT subject FROM failure ORDER BY last_at DESC LIMIT -1 OFFSET ?2)"""


def locked_for(store: AccessStore, name: str | None, address: str, at: datetime) -> timedelta | None:
    """How long this account (None: an API key's) stays locked for this address; None when it is not."""
    now = int(at.timestamp() * 1_000_000)
    latest = 0
    for subject, limit in _subjects(name, address):
        rows = store.rows("SELECT count, last_at FROM failure WHERE subject = ?", (subject,))
        if rows and int(str(rows[0][0])) >= limit:
            latest = max(latest, int(str(rows[0][1])))
    left = timedelta(microseconds=latest - now) + WINDOW
    return left if latest and left > timedelta() else None


def failed(store: AccessStore, name: str | None, address: str, at: datetime) -> None:
    """Count a wrong secret."""
    now = int(at.timestamp() * 1_000_000)
    begin = now - int(WINDOW.total_seconds() * 1_000_000)
    with store.writing() as db:
        for subject, _ in _subjects(name, address):
            db.execute(_FAILED, (subject, now, begin))
        db.execute(_FORGET, (begin, _MOST))


def succeeded(store: AccessStore, name: str, address: str) -> None:
    """Forget the failures of this account at this address."""
    with store.writing() as db:
        db.execute("DELETE FROM failure WHERE subject = ?", (f"{name}@{address}",))


def _subjects(name: str | None, address: str) -> tuple[tuple[str, int], ...]:
    """What failures are counted for, each with its limit."""
    pair, alone, anywhere = _LIMITS
    at_address = (f"@{address}", alone)
    return (at_address,) if name is None else ((f"{name}@{address}", pair), at_address, (name, anywhere))
