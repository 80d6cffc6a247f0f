"""How many leading digits decide what a number is: read off the patterns of the numbering plans.

libphonenumber tells a number's kind, country and zones by patterns over its digits, which constrain the first
few and leave the others free. So all numbers of one length that share those first digits are alike, and one of
them may be asked for all. Where a pattern is of a form not known here, every digit counts.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.tzdata import TIMEZONE_DATA

HEAD: Final = 4
"""Digits by which the depth is looked up."""
ALL_DIGITS: Final = 15
_ANY: Final = (1 << 10) - 1
_MOST: Final = 100_000
"""Ways through one pattern, beyond which every digit counts."""
_PARTS: Final = (
    *("general_desc", "toll_free", "premium_rate", "fixed_line", "mobile", "shared_cost", "personal_number"),
    *("voip", "pager", "uan", "emergency", "voicemail", "no_international_dialling"),
)

Way = tuple[int, ...]
"""One way through a pattern: for each digit the set of those it may be, as bits."""


@lru_cache(maxsize=65_536)
def depth_of(head: str) -> int:
    """How many digits of an E.164 number, calling code included, decide what it is; `head` is its first four."""
    code = next((head[:width] for width in (1, 2, 3) if int(head[:width]) in COUNTRY_CODE_TO_REGION_CODE), None)
    ways = None if code is None else _ways(int(code))
    if code is None or ways is None:
        return ALL_DIGITS
    national = [1 << int(digit) for digit in head[len(code) :]]
    fitting = (len(way) for way in ways if all(mask & bit for mask, bit in zip(way, national, strict=False)))
    return max(len(code) + max(fitting, default=0), _zone_depths().get(head, 0), HEAD)


@lru_cache(maxsize=1)
def _zone_depths() -> dict[str, int]:
    """By head, the longest prefix that the table of zones knows."""
    found: dict[str, int] = {}
    for prefix in TIMEZONE_DATA:
        head = str(prefix)[:HEAD]
        found[head] = max(found.get(head, 0), len(str(prefix)))
    return found


@lru_cache(maxsize=256)
def _ways(code: int) -> frozenset[Way] | None:
    """All ways through all patterns of a calling code, free digits at their end left out; None if not known."""
    found: set[Way] = set()
    for region in COUNTRY_CODE_TO_REGION_CODE[code]:
        plan = (
            PhoneMetadata.metadata_for_nongeo_region(code, None)
            if region == "001"
            else PhoneMetadata.metadata_for_region(region, None)
        )
        if plan is None:
            return None
        parts = (getattr(plan, name, None) for name in _PARTS)
        patterns = [part.national_number_pattern for part in parts if part is not None]
        for pattern in (*patterns, plan.leading_digits, plan.national_prefix_for_parsing):
            if pattern:
                ways = ways_through(pattern)
                if ways is None:
                    return None
                found |= ways
    return frozenset(found)


def ways_through(pattern: str) -> frozenset[Way] | None:
    """The ways through a pattern, free digits at their end left out; None for a form that is not known."""
    try:
        ways, end = _either(pattern, 0)
    except (ValueError, IndexError):
        return None
    return frozenset(map(_cut, ways)) if end == len(pattern) else None


def _cut(way: Way) -> Way:
    end = len(way)
    while end and way[end - 1] == _ANY:
        end -= 1
    return way[:end]


def _either(text: str, at: int) -> tuple[set[Way], int]:
    """Alternatives, up to a closing parenthesis or the end."""
    ways, at = _sequence(text, at)
    while at < len(text) and text[at] == "|":
        more, at = _sequence(text, at + 1)
        ways = _bounded(ways | more)
    return ways, at


def _sequence(text: str, at: int) -> tuple[set[Way], int]:
    ways: set[Way] = {()}
    while at < len(text) and text[at] not in "|)":
        atom, at = _atom(text, at)
        least, most, at = _repeat(text, at)
        repeated: set[Way] = set()
        power: set[Way] = {()}
        for count in range(most + 1):
            if count >= least:
                repeated |= power
            if count < most:
                power = _joined(power, atom)
        ways = _joined(ways, repeated)
    return ways, at


def _joined(ways: Iterable[Way], tails: Iterable[Way]) -> set[Way]:
    tails = list(tails)
    found: set[Way] = set()
    for way in ways:
        found.update(way + tail for tail in tails)
        _bounded(found)
    return found


def _bounded(ways: set[Way]) -> set[Way]:
    if len(ways) > _MOST:
        raise ValueError("too many ways")
    return ways


def _atom(text: str, at: int) -> tuple[set[Way], int]:
    if text[at] == "$":  # tells of the length, which all numbers of a sort share
        return {()}, at + 1
    if text.startswith("\\d", at):
        return {(_ANY,)}, at + 2
    if text[at].isdigit():
        return {(1 << int(text[at]),)}, at + 1
    if text[at] == "[":
        return _one_of(text, at + 1)
    if text[at] != "(" or (text[at + 1] == "?" and text[at + 2] != ":"):
        raise ValueError("not a form that is known")
    ways, at = _either(text, at + 3 if text[at + 1] == "?" else at + 1)
    return ways, at + len(text[at])  # the closing parenthesis; IndexError where there is none


def _one_of(text: str, at: int) -> tuple[set[Way], int]:
    mask = 0
    while text[at] != "]":
        first = last = int(text[at])
        if text[at + 1] == "-":
            last, at = int(text[at + 2]), at + 2
        mask |= sum(1 << digit for digit in range(first, last + 1))
        at += 1
    return {(mask,)}, at + 1


def _repeat(text: str, at: int) -> tuple[int, int, int]:
    if text[at : at + 1] == "?":
        return 0, 1, at + 1
    if text[at : at + 1] == "{":
        end = text.index("}", at)
        least, _, most = text[at + 1 : end].partition(",")
        return int(least), int(most or least), end + 1
    if text[at : at + 1] in ("*", "+"):
        raise ValueError("no end")
    return 1, 1, at
