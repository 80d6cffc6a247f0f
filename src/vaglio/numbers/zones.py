"""The IANA zones that a number may lie in.

libphonenumber maps prefixes to zones, but to zones that merely behave alike (+353 to London, +370 to Bucharest)
and, for numbers that tell no place, to those of all countries behind the calling code (+39 to Rome and the
Vatican). So its answer counts only within the zones of the number's own country, which the time-zone database
lists in `zone.tab`; where nothing is left, the country's zones stand.
"""

import zoneinfo
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from phonenumbers import PhoneNumber, is_number_type_geographical
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_geographical_number, time_zones_for_number


def zones_of_number(number: PhoneNumber, number_type: int, country: str) -> tuple[str, ...]:
    """The zones of a valid number of that type and country, sorted."""
    zones = country_zones(country)
    if len(zones) == 1:
        return zones
    if not zones:  # AC, TA and XK are no entries of ISO 3166
        return tuple(sorted(set(time_zones_for_number(number)) - {UNKNOWN_TIMEZONE}))
    if is_number_type_geographical(number_type, number.country_code or 0):
        return _within(country, time_zones_for_geographical_number(number))
    return zones


@lru_cache(maxsize=512)
def country_zones(country: str) -> tuple[str, ...]:
    """All zones of a country (two capital letters), sorted; empty if the time-zone database does not list it."""
    return zone_table().get(country, ())


@lru_cache(maxsize=1)
def zone_table() -> Mapping[str, tuple[str, ...]]:
    """Zones by country as the time-zone database lists them; empty where the machine has no such database."""
    table: dict[str, list[str]] = {}
    for line in _zone_tab():
        if not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            table.setdefault(country, []).append(zone)
    return MappingProxyType({country: tuple(sorted(zones)) for country, zones in table.items()})


def _zone_tab() -> Iterator[str]:
    """The lines of `zone.tab`, looked for where the standard library looks: the system, then `tzdata`."""
    for directory in zoneinfo.TZPATH:
        file = Path(directory, "zone.tab")
        if file.is_file():
            yield from file.read_text(encoding="utf-8").splitlines()
            return
    try:
        packaged = resources.files("tzdata") / "zoneinfo" / "zone.tab"
    except ModuleNotFoundError:
        return
    yield from packaged.read_text(encoding="utf-8").splitlines()


@lru_cache(maxsize=4096)
def _within(country: str, zones: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a prefix's zones that are the country's; all of the country's if that can't be told.

    An old name (Asia/Calcutta) is in no country's list: dropping it could lose the very zone of the number.
    """
    own = country_zones(country)
    if any(zone not in _listed() for zone in zones):
        return own
    return tuple(zone for zone in own if zone in zones) or own


@lru_cache(maxsize=1)
def _listed() -> frozenset[str]:
    return frozenset(zone for zones in zone_table().values() for zone in zones)
