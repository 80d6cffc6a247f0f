"""What people type: numbers, and moments in their own time zone."""

from datetime import date, datetime, timedelta

from vaglio.numbers import Number, parse_e164
from vaglio.web.console.look import Look


def typed_number(text: str, region: str = "") -> Number | None:
    """The number, written `+…` or `00…`, or as in that country; None when it is none."""
    number = parse_e164(text, region=region or None)
    return number if number.e164 is not None else None


def typed_moment(text: str, look: Look, *, end: bool = False) -> datetime | None:
    """A day or a day with a time, in the person's zone unless it names another; None when it is neither.

    With `end` a day alone means the moment it ends.
    """
    try:
        if len(text) == len("2026-11-23"):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            return datetime(day.year, day.month, day.day, tzinfo=look.tz)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=look.tz)
