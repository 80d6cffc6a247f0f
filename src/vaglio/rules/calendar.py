"""Public holidays, from the `holidays` library, by country, year and subdivision."""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType

import holidays


def known_calendar(country: str, subdivision: str | None = None) -> bool:
    """Whether the library knows the country (two capitals), and the subdivision in it."""
    supported = holidays.list_supported_countries()
    return country in supported and (subdivision is None or subdivision in supported[country])


@lru_cache(maxsize=1024)
def holidays_of(country: str, year: int, subdivision: str | None = None) -> Mapping[date, str]:
    """The public holidays of a year with their English names; about a millisecond the first time.

    `Rulebooks.warm` asks for the years that calls will need, so that no call waits for them.
    """
    found = holidays.country_holidays(country, subdiv=subdivision, years=year, language=None, expand=False)
    return MappingProxyType(dict(found))


def holiday_name(day: date, country: str, subdivision: str | None = None) -> str | None:
    """The name of the public holiday on that day, or `None`."""
    return holidays_of(country, day.year, subdivision).get(day)
