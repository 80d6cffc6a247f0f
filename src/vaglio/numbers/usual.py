"""The usual number, `+` and all of its digits, read by one pattern a calling code.

libphonenumber asks every number a dozen questions, which together take most of the time a call has for its number.
Here its own metadata are joined into one pattern that answers them all. What could need more than that (digits to
strip, a second region of the calling code, zones that depend on the prefix) is left to libphonenumber.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberType, is_number_type_geographical
from phonenumbers.phonemetadata import PhoneNumberDesc

from vaglio.numbers.number import Kind, Number
from vaglio.numbers.zones import country_zones

_MOST_DIGITS: Final = 15  # of E.164
_LONGEST_CODE: Final = 3
_TYPES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "premium_rate": PhoneNumberType.PREMIUM_RATE,
        "toll_free": PhoneNumberType.TOLL_FREE,
        "shared_cost": PhoneNumberType.SHARED_COST,
        "voip": PhoneNumberType.VOIP,
        "personal_number": PhoneNumberType.PERSONAL_NUMBER,
        "pager": PhoneNumberType.PAGER,
        "uan": PhoneNumberType.UAN,
        "voicemail": PhoneNumberType.VOICEMAIL,
        "either": PhoneNumberType.FIXED_LINE_OR_MOBILE,
        "fixed_line": PhoneNumberType.FIXED_LINE,
        "mobile": PhoneNumberType.MOBILE,
    }
)
"""Groups of the pattern in libphonenumber's order: the first that matches is the number's type."""


class _Plan(NamedTuple):
    """The numbers of the main region behind a calling code."""

    region: str
    code: int
    pattern: re.Pattern[str]
    zones: Mapping[str, tuple[str, ...]]
    """By group; a group whose zones depend on the number is not in it."""


def usual(e164_digits: str, digits: str, kinds: Mapping[int, Kind]) -> Number | None:
    """The number of these ASCII digits, calling code first, `digits` as dialled; None: ask libphonenumber."""
    if len(e164_digits) > _MOST_DIGITS:
        return None
    for width in range(1, _LONGEST_CODE + 1):
        plan = _plan(e164_digits[:width])
        if plan is not None:
            break
    else:
        return None
    found = plan.pattern.match(e164_digits, width)
    if found is None or found.lastgroup is None:
        return None
    zones = plan.zones.get(found.lastgroup)
    if zones is None:
        return None
    return Number(f"+{e164_digits}", plan.region, plan.code, zones, kinds[_TYPES[found.lastgroup]], digits)


@lru_cache(maxsize=2048)
def _plan(code: str) -> _Plan | None:
    """The plan of a calling code; None where there is no such code, or where it is no country's."""
    regions = _codes().get(code)
    if regions is None:
        return None
    region = regions[0]
    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or (len(regions) > 1 and metadata.leading_digits is not None):
        return None
    return _Plan(region, int(code), _pattern(metadata), _zones(region, int(code)))


@lru_cache(maxsize=1)
def _codes() -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({str(code): tuple(regions) for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()})


def _zones(region: str, code: int) -> Mapping[str, tuple[str, ...]]:
    zones = country_zones(region)
    if not zones:
        return {}
    return {
        group: zones
        for group, number_type in _TYPES.items()
        if len(zones) == 1 or not is_number_type_geographical(number_type, code)
    }


def _pattern(metadata: PhoneMetadata) -> re.Pattern[str]:
    """One alternative a type, behind what holds of all; digits that would be stripped as a prefix never match."""
    fixed, mobile = _described(metadata.fixed_line), _described(metadata.mobile)
    parts = {group: _described(getattr(metadata, group, None)) for group in _TYPES}
    if metadata.same_mobile_and_fixed_line_pattern:
        parts |= {"either": fixed, "fixed_line": None, "mobile": None}
    elif fixed and mobile:
        parts["either"] = f"(?={fixed}){mobile}"
    stripped = metadata.national_prefix_for_parsing
    shut = f"(?!{stripped})" if stripped else ""
    general = _described(metadata.general_desc)
    types = "|".join(f"(?P<{group}>{part})" for group, part in parts.items() if part)
    return re.compile(f"{shut}(?={general or '(?!)'})(?:{types or '(?!)'})")


def _described(desc: PhoneNumberDesc | None) -> str | None:
    """A pattern of all numbers of a description, up to their end, without groups that capture."""
    if desc is None or not desc.national_number_pattern:
        return None
    lengths = "|".join(f"[0-9]{{{length}}}" for length in desc.possible_length if length > 0)
    if desc.possible_length and not lengths:
        return None
    ahead = f"(?=(?:{lengths})\\Z)" if lengths else ""
    return f"{ahead}(?:{desc.national_number_pattern})\\Z"
