"""Spans of time as the law counts them: days of 24 hours, calendar days, and months by the calendar."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_END: Final = datetime.max.replace(tzinfo=UTC)


def add_months(instant: datetime, months: int, zone: ZoneInfo) -> datetime:
    """The same local day and time so many months later, in UTC; the month's last day where that day is missing.

    What no calendar holds ends with it: at the last instant there is, or, before the first local day, at once.
    """
    try:
        local = instant.astimezone(zone)
        count = local.year * 12 + local.month - 1 + months
        year, month = count // 12, count % 12 + 1
        day = min(local.day, monthrange(year, month)[1])
        return local.replace(year=year, month=month, day=day).astimezone(UTC)
    except (OverflowError, ValueError):
        return instant if instant.year == date.min.year else _END


def add_days(instant: datetime, days: int) -> datetime:
    """So many times 24 hours later; an instant too late for a datetime is the last one there is."""
    try:
        return instant + timedelta(days=days)
    except OverflowError:
        return _END


@lru_cache(maxsize=256)
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)
