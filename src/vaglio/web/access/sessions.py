"""Sessions of browsers: a random cookie, of which only the SHA-256 is kept."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final

from vaglio.web.access.store import AccessStore

COOKIE: Final = "__Host-vaglio"
"""The prefix has browsers accept it only as Secure, for this host and `/` (RFC 6265bis, section 4.1.3.2)."""
IDLE: Final = timedelta(minutes=30)
LONGEST: Final = timedelta(hours=12)
_SEEN_EVERY: Final = timedelta(minutes=1)
"""A session in use is noted no more often than this."""


def begin(store: AccessStore, account: str, at: datetime) -> str:
    """A new session of an account; the cookie's value. Sessions that are over are forgotten."""
    cookie = secrets.token_urlsafe(32)
    now = _micros(at)
    with store.writing() as db:
        db.execute("INSERT INTO session VALUES (?, ?, ?, ?)", (_token(cookie), account, now, now))
        db.execute(
            "DELETE FROM session WHERE seen_at < ? OR created_at < ?", (_micros(at - IDLE), _micros(at - LONGEST))
        )
    return cookie


def account_of(store: AccessStore, cookie: str, at: datetime) -> tuple[str, bool] | None:
    """The account a cookie belongs to, and whether its use is to be noted by `seen`; None when it is over."""
    rows = store.rows("SELECT account, created_at, seen_at FROM session WHERE token = ?", (_token(cookie),))
    if not rows:
        return None
    account, created, seen_at = str(rows[0][0]), int(str(rows[0][1])), int(str(rows[0][2]))
    if seen_at < _micros(at - IDLE) or created < _micros(at - LONGEST):
        return None
    return account, seen_at < _micros(at - _SEEN_EVERY)


def seen(store: AccessStore, cookie: str, at: datetime) -> None:
    """Note that a session is in use."""
    with store.writing() as db:
        db.execute("UPDATE session SET seen_at = ? WHERE token = ?", (_micros(at), _token(cookie)))


def end(store: AccessStore, cookie: str) -> None:
    """Log out."""
    with store.writing() as db:
        db.execute("DELETE FROM session WHERE token = ?", (_token(cookie),))


def form_token(cookie: str) -> str:
    """What every form of this session carries, so that no other site can send one in its name."""
    return hmac.digest(cookie.encode(), b"form", "sha256").hex()


def is_form_token(cookie: str, token: str) -> bool:
    """Whether a form comes from a page of this session."""
    return hmac.compare_digest(form_token(cookie).encode(), token.encode())


def _token(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
