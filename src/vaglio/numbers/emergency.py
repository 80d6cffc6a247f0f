"""The emergency numbers of a region, spelled out from libphonenumber's short-number metadata."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from phonenumbers import PhoneMetadata

_EVERYWHERE: Final = frozenset({"112"})
_LENGTHS: Final = range(2, 7)


def emergency_numbers(regions: Iterable[str]) -> frozenset[str]:
    """The digits that are emergency calls in any of the regions, 112 always among them.

    Short numbers at large are not in the set: some cost money. For a few regions (GN, GQ, IO, TA, TK) the
    metadata know none: they add nothing. Raises ValueError for a region without a numbering plan.
    """
    return _EVERYWHERE.union(*(_numbers_of(known_region(region)) for region in regions))


def known_region(region: str) -> str:
    """The region in capitals; raises ValueError if libphonenumber has no numbering plan for it."""
    code = region.upper()
    if PhoneMetadata.metadata_for_region(code, None) is None:
        raise ValueError(f"region {region[:8]!r}: expected two letters of ISO 3166 such as IT or GB")
    return code


@lru_cache(maxsize=512)
def _numbers_of(region: str) -> frozenset[str]:
    metadata = PhoneMetadata.short_metadata_for_region(region, None)
    described = metadata.emergency if metadata else None
    if described is None or not described.national_number_pattern:
        return frozenset()
    matches = re.compile(described.national_number_pattern).fullmatch
    lengths = [length for length in described.possible_length if length in _LENGTHS]
    candidates = (f"{number:0{length}d}" for length in lengths for number in range(10**length))
    return frozenset(digits for digits in candidates if matches(digits))
