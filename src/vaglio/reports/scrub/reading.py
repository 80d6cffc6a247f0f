"""The numbers of a batch, read together: one number of each sort is asked of the numbering plan, for all of it.

What is read here is what `vaglio.numbers.parse` reads; every text of a form that is not told for certain is left
to it (`Reading.left`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from phonenumbers import PhoneMetadata

from vaglio.model import Campaign
from vaglio.numbers import MAX_TEXT, Number, parse_e164
from vaglio.reports.scrub.plans import ALL_DIGITS, HEAD, depth_of

Keys = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_POWERS: Final = np.array([10**power for power in range(19)], dtype=np.uint64)
_SEPARATORS: Final = r"[ \-.()]"


@dataclass(frozen=True, slots=True)
class Reading:
    """A batch as read."""

    places: Places
    """Where in the batch the numbers stand that were read, ascending."""
    keys: Keys
    """E.164 without plus, of each."""
    sorts: Places
    """Of each, its place in `samples`."""
    samples: tuple[Number, ...]
    """One number of each sort: of one country, kind, length, zones and US area code."""
    left: Places
    """Where the others stand."""


@dataclass(frozen=True, slots=True)
class _Home:
    """How national numbers of a region are dialled, where that is plain."""

    code: str
    prefix: str
    """Of national calls, taken off; empty where none is."""
    abroad: str
    """Pattern of the prefix of international calls."""


def read_batch(texts: Sequence[str], region: str, trunk_prefix: str | None) -> Reading:
    """The numbers among the texts, as dialled from the region."""
    column = pl.Series("text", texts, dtype=pl.String)
    compact = column.str.replace_all(_SEPARATORS, "")
    fits = column.str.len_chars() <= MAX_TEXT
    if trunk_prefix:
        fits &= ~compact.str.starts_with(trunk_prefix)
    digits = pl.Series("digits", [None], dtype=pl.String).new_from_index(0, len(column))
    plus = compact.str.contains(r"^\+[1-9][0-9]{7,14}$") & fits
    digits = compact.str.slice(1).zip_with(plus, digits)
    home = None if trunk_prefix else _home(region)
    if home is not None:
        digits = _dialled_at_home(compact, home).zip_with(~plus & fits, digits)
    keys = digits.cast(pl.UInt64, strict=False)
    found = keys.is_not_null().to_numpy()
    places = np.flatnonzero(found)
    numbers = keys.drop_nulls().to_numpy()
    sorts, samples = _sorted_out(numbers)
    sure = np.array([sample is not None for sample in samples], dtype=bool)[sorts]
    kept = [sample for sample in samples if sample is not None]
    ranks = np.cumsum([sample is not None for sample in samples]) - 1
    return Reading(
        places[sure],
        numbers[sure],
        ranks[sorts[sure]] if kept else np.empty(0, dtype=np.int64),
        tuple(kept),
        np.setdiff1d(np.arange(len(column)), places[sure], assume_unique=True),
    )


def dialling(campaign: Campaign, region: str | None) -> tuple[str, str | None]:
    """The region that a list's bare digits are dialled from, and its trunk prefix."""
    return (campaign.region, campaign.trunk_prefix) if region is None else (region, None)


def _sorted_out(keys: Keys) -> tuple[Places, list[Number | None]]:
    """The sort of each number, and a number of each sort; None where each number has to be asked for itself."""
    if not len(keys):
        return np.empty(0, dtype=np.int64), []
    lengths = np.searchsorted(_POWERS, keys, side="right").astype(np.int64)
    heads, of_head = np.unique(keys // _POWERS[lengths - HEAD], return_inverse=True)
    depths = np.array([depth_of(str(head)) for head in heads.tolist()], dtype=np.int64)[of_head]
    unlike = depths == ALL_DIGITS
    depths = np.minimum(np.where(unlike, HEAD, depths), lengths)
    stems = (keys // _POWERS[lengths - depths]) * np.uint64(32) + lengths.astype(np.uint64) * np.uint64(2) + unlike
    _, first, sorts = np.unique(stems, return_index=True, return_inverse=True)
    samples = [None if unlike[place] else _sample(int(keys[place])) for place in first.tolist()]
    return sorts, samples


def _sample(key: int) -> Number | None:
    """The number, if nothing in it is changed on the way; None leaves its sort to be read one by one."""
    number = parse_e164(f"+{key}")
    if number.e164 != f"+{key}" or number.country is None:
        return None
    plan = PhoneMetadata.metadata_for_region(number.country, None)
    national = str(key)[len(str(number.calling_code)) :]
    if plan is None or (len(number.zones) > 1 and national.startswith("0")):
        return None
    stripped = plan.national_prefix_for_parsing
    return None if stripped and re.match(stripped, national) else number


def _home(region: str) -> _Home | None:
    plan = PhoneMetadata.metadata_for_region(region.upper(), None)
    if plan is None or plan.national_prefix_transform_rule:
        return None
    prefix, abroad = plan.national_prefix_for_parsing or "", plan.international_prefix or ""
    if (prefix and not prefix.isdigit()) or not re.fullmatch(r"[0-9]+", abroad):
        return None
    return _Home(str(plan.country_code), prefix, abroad)


def _dialled_at_home(compact: pl.Series, home: _Home) -> pl.Series:
    """E.164 digits of what is dialled as a national number; null for all else."""
    national = compact.str.contains(r"^[0-9]{8,14}$")
    national &= ~compact.str.starts_with(home.abroad) & ~compact.str.starts_with("00")
    national &= ~compact.str.starts_with(home.code)
    if home.prefix:
        bare = compact.str.strip_prefix(home.prefix)
        national &= ~bare.str.starts_with(home.prefix)
        compact = bare
    made = pl.Series([home.code]).new_from_index(0, len(compact)) + compact
    return made.set(~national, None) if len(made) else made
