"""Whose law applies, and where and in which state the phone would ring."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vaglio.model import Contact
from vaglio.numbers import Number, country_zones


@dataclass(frozen=True, slots=True)
class State:
    """A state of a federal country: its zones and area codes."""

    zones: tuple[str, ...]
    area_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Region:
    """A region whose numbers another country's rulebook covers, and why."""

    code: str
    rulebook: str
    note: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a called person may be."""

    zones: tuple[ZoneInfo, ...]
    subdivisions: frozenset[str] | None
    """`None` is any."""


@lru_cache(maxsize=1)
def regions() -> Mapping[str, Region]:
    """The table of regions, by ISO 3166 code."""
    table = _data("regions.toml")["region"]
    return MappingProxyType({code: Region(code, row["rulebook"], row["note"]) for code, row in table.items()})


@lru_cache(maxsize=1)
def main_zones() -> Mapping[str, str]:
    """The zone in which dates are read, for countries with several."""
    return MappingProxyType(dict(_data("regions.toml")["main_zone"]))


@lru_cache(maxsize=1)
def states() -> Mapping[str, State]:
    """The states of the United States, by their two letters."""
    table = _data("us-states.toml")["state"]
    return MappingProxyType(
        {code: State(tuple(row["zones"]), tuple(row["area_codes"])) for code, row in table.items()}
    )


@lru_cache(maxsize=1)
def _states_by_area_code() -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for code, state in states().items():
        for area in state.area_codes:
            found[area] = found.get(area, frozenset()) | {code}
    return MappingProxyType(found)


def rulebook_of_region(code: str | None) -> str | None:
    """The rulebook that covers a region, by the table; `None` for a region that is not in it."""
    if code is None:
        return None
    region = regions().get(code.upper())
    return None if region is None else region.rulebook


def place_of(number: Number, contact: Contact | None, jurisdiction: str | None) -> Place:
    """Where the called person may be: by number, unless the contact tells more.

    A contact's zone replaces those of the number. A contact's region abroad replaces the number's country; a
    state (`FL` or `US-FL`) replaces that of the area code, while the zones of both are kept.
    """
    area = (number.e164 or "")[2:5] if number.country == "US" else None
    if contact is None:
        return _place(number.zones, number.country, area, None, None, None, jurisdiction)
    return _place(
        number.zones,
        number.country,
        area,
        contact.region or None,
        contact.subdivision or None,
        contact.timezone or None,
        jurisdiction,
    )


@lru_cache(maxsize=4096)
def _place(
    zones: tuple[str, ...],
    country: str | None,
    area: str | None,
    region: str | None,
    subdivision: str | None,
    timezone: str | None,
    jurisdiction: str | None,
) -> Place:
    if region is not None and region.upper() != country:
        zones, country, area = country_zones(region.upper()), region.upper(), None
    if not zones and jurisdiction is not None:
        zones = country_zones(jurisdiction.upper())
    known = _subdivisions(country, area, subdivision)
    if country == "US" and subdivision is not None and known is not None:
        extra = {zone for code in known if code in states() for zone in states()[code].zones}
        zones = tuple(sorted({*zones, *extra}))
    own = zone_named(timezone) if timezone else None
    if own is not None:
        return Place((own,), known)
    return Place(tuple(found for zone in zones if (found := zone_named(zone)) is not None), known)


def _subdivisions(country: str | None, area: str | None, subdivision: str | None) -> frozenset[str] | None:
    if subdivision is not None:
        return frozenset({subdivision.upper().rpartition("-")[2]})
    if country == "US":
        return _states_by_area_code().get(area or "")
    if country is not None and rulebook_of_region(country) == "us":
        return frozenset({country})
    return None


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """The IANA zone, or `None` where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=512)
def campaign_zones(region: str) -> tuple[ZoneInfo, ...]:
    """The main zone of a region; of a country with several and no main one known, all of them."""
    code = region.upper()
    names = (main_zones()[code],) if code in main_zones() else country_zones(code) or ("UTC",)
    return tuple(found for name in names if (found := zone_named(name)) is not None)


def _data(name: str) -> dict[str, Any]:
    text = resources.files("vaglio.rules").joinpath("data", name).read_text(encoding="utf-8")
    return tomllib.loads(text)
