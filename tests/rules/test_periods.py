"""Spans of time at their ends."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from vaglio.rules.periods import add_days, add_months, midnight

LAST = datetime.max.replace(tzinfo=UTC)
FIRST = datetime.min.replace(tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")


def test_a_span_beyond_the_calendar_ends_with_it() -> None:
    """A span that no calendar holds ends at the last instant there is, and can be compared."""
    assert add_days(LAST, 1) == LAST
    assert add_months(datetime(9999, 11, 1, tzinfo=UTC), 2, NEW_YORK) == LAST
    assert add_months(datetime(9999, 10, 1, 12, tzinfo=UTC), 2, NEW_YORK) == datetime(9999, 12, 1, 13, tzinfo=UTC)


def test_a_span_from_before_the_calendar() -> None:
    """An instant that has no local time there is its own end: nothing that old is in force."""
    assert add_months(FIRST, 18, NEW_YORK) == FIRST


def test_months_are_given_in_utc() -> None:
    """The end of a span of months is an instant in UTC, whatever the zone it was counted in."""
    end = add_months(datetime(2026, 1, 31, 12, tzinfo=UTC), 1, NEW_YORK)
    assert end == datetime(2026, 2, 28, 12, tzinfo=UTC)
    assert end.tzinfo is UTC


def test_midnight_is_local() -> None:
    """A day begins at its zone's midnight, on both sides of a clock change."""
    assert midnight(datetime(2026, 3, 8, tzinfo=UTC).date(), NEW_YORK) == datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert midnight(datetime(2026, 3, 9, tzinfo=UTC).date(), NEW_YORK) == datetime(2026, 3, 9, 4, tzinfo=UTC)


def test_days_are_times_of_24_hours() -> None:
    """A span of days takes no notice of a clock change."""
    start = datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert add_days(start, 1) - start == timedelta(hours=24)
