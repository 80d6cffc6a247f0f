"""Times as the index keeps them: microseconds since the epoch, UTC."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_MAX_TEXT: Final = 40


def to_micros(instant: datetime) -> int:
    """Microseconds since the epoch of an aware datetime."""
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware datetime, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def parse_instant(text: str) -> datetime:
    """An ISO 8601 date and time with its zone, in UTC.

    Raises ValueError with what was expected, never with the text itself.
    """
    if len(text) > _MAX_TEXT:
        raise ValueError("expected a time of ISO 8601")
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("expected a time of ISO 8601 such as 2026-03-01T09:30:00+01:00") from None
    if instant.tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2026-03-01T09:30:00+01:00")
    try:
        instant = instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a year from 1900 to 2199") from None
    if not EARLIEST <= instant < LATEST:
        raise ValueError("expected a year from 1900 to 2199")
    return instant
