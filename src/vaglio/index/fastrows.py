"""Many rows of facts at once: the rows that the strict reading surely accepts, with what it makes of them.

Whatever is written in an unusual way is left to the strict reading (`facts`), so both give the same facts and the
same rejects; this one only has to be right where it says yes.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import phonenumbers
import polars as pl
from phonenumbers import PhoneMetadata

from vaglio.index.facts import IDENTIFIER, MAX_TEXT, WORD, known_zones
from vaglio.index.instants import EARLIEST, LATEST, to_micros
from vaglio.index.records import FactKind
from vaglio.model import ANY, ConsentChannel, RelationshipKind, SubjectType

_TIME: Final = (
    r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])$"
)
_TYPES: Final = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan",
    "voicemail",
)  # fmt: skip
_MICROS: Final = "|micros"
_DIGITS: Final = "|digits"
_LONGEST_CODE: Final = 3
_MOST_PLANS: Final = 8
"""Calling codes of one block that are read fast; a file of numbers is one country's, or a few."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One value of a record: where it surely can be taken, and what it is."""

    name: str
    sure: pl.Expr
    value: pl.Expr


def _cell(name: str, present: Collection[str]) -> pl.Expr:
    return pl.col(name) if name in present else pl.lit("")


def _text(name: str, present: Collection[str], *, required: bool = False) -> _Column:
    cell = _cell(name, present)
    sure = cell.str.contains(r"^[\x20-\x7e]*$") & (cell.str.len_bytes() <= MAX_TEXT)
    if required:
        sure &= cell != ""
    return _Column(name, sure, pl.when(cell != "").then(cell))


def _pattern(
    name: str, present: Collection[str], pattern: str, *, empty: bool | str = False, star: bool = False
) -> _Column:
    """A cell of that pattern; `empty` allows none and says what it is stored as (True: NULL)."""
    cell = _cell(name, present)
    sure = cell.str.contains(f"^(?:{pattern})$")
    if star:
        sure |= cell == ANY
    if empty is not False:
        sure |= cell == ""
    value = pl.when(cell != "").then(cell) if empty is True else cell
    return _Column(name, sure, value)


def _choice(name: str, present: Collection[str], words: type[StrEnum], *, default: str | None = None) -> _Column:
    cell = _cell(name, present)
    known = [word.value for word in words]
    if default is None:
        return _Column(name, cell.is_in(known), cell)
    return _Column(name, cell.is_in([*known, ""]), pl.when(cell == "").then(pl.lit(default)).otherwise(cell))


def _mapped(name: str, present: Collection[str], meaning: Mapping[str, int | str | None]) -> _Column:
    cell = _cell(name, present)
    kind = pl.Int64 if any(isinstance(value, int) for value in meaning.values()) else pl.String
    value = cell.replace_strict(list(meaning), list(meaning.values()), default=None, return_dtype=kind)
    return _Column(name, cell.is_in(list(meaning)), value)


def _micros(name: str) -> pl.Expr:
    """The instant of a column, worked out once by `_prepared`; null where it is none."""
    return pl.col(f"{name}{_MICROS}")


def _prepared(name: str) -> pl.Expr:
    whole = (
        pl.col(name)
        .str.replace("Z$", "+00:00")
        .str.to_datetime("%Y-%m-%dT%H:%M:%S%z", strict=False, time_unit="us")
    )
    return whole.to_physical().alias(f"{name}{_MICROS}")


def _instant(name: str, present: Collection[str]) -> _Column:
    cell = _cell(name, present)
    value = _micros(name)
    inside = value.is_between(to_micros(EARLIEST), to_micros(LATEST), closed="left")
    return _Column(name, cell.str.contains(_TIME) & inside.fill_null(value=False), value)


def _later(name: str, start: str, present: Collection[str]) -> _Column:
    if name not in present:
        return _Column(name, pl.lit(value=True), pl.lit(None, dtype=pl.Int64))
    cell = pl.col(name)
    after = _instant(name, present)
    sure = (cell == "") | (after.sure & (after.value >= _micros(start)).fill_null(value=False))
    return _Column(name, sure, pl.when(cell != "").then(after.value))


_YES_OR_NO: Final[Mapping[str, int | str | None]] = MappingProxyType({"yes": 1, "true": 1, "no": 0, "false": 0})


def _columns(kind: FactKind, present: Collection[str]) -> tuple[_Column, ...]:
    """The record's values in the order of its row, without the number."""
    controller = _pattern("controller", present, IDENTIFIER, star=kind is FactKind.OPPOSITION)
    match kind:
        case FactKind.OPPOSITION:
            return (
                controller,
                _pattern("purpose", present, WORD, star=True),
                _instant("opposed_at", present),
                _text("channel", present),
                _text("evidence_uri", present),
            )
        case FactKind.CONSENT:
            sha256 = _pattern("evidence_sha256", present, "[0-9a-fA-F]{64}", empty=True)
            return (
                controller,
                _pattern("purpose", present, WORD),
                _choice("channel", present, ConsentChannel, default=ConsentChannel.HUMAN.value),
                _pattern("sector", present, WORD, empty=""),
                _instant("given_at", present),
                _later("expires_at", "given_at", present),
                _text("method", present, required=True),
                _text("evidence_uri", present),
                _Column(sha256.name, sha256.sure, sha256.value.str.to_lowercase()),
                _text("notice_id", present),
                _text("collected_by", present),
            )
        case FactKind.WITHDRAWAL:
            channel = _text("channel", present)
            return (
                controller,
                _pattern("purpose", present, WORD, star=True),
                _Column(channel.name, channel.sure, channel.value.fill_null("")),
                _instant("withdrawn_at", present),
                _text("evidence_uri", present),
            )
        case FactKind.RELATIONSHIP:
            return (
                controller,
                _choice("kind", present, RelationshipKind),
                _instant("started_at", present),
                _later("ended_at", "started_at", present),
                _pattern("sector", present, WORD, empty=True),
                _mapped("simplified_revocation", present, {**_YES_OR_NO, "": 0}),
            )
        case FactKind.CONTACT:
            zones: dict[str, int | str | None] = {zone: zone for zone in known_zones()}
            subjects: dict[str, int | str | None] = {one.value: one.value for one in SubjectType}
            return (
                controller,
                _mapped("directory_listed", present, {**_YES_OR_NO, "": None, "unknown": None}),
                _pattern("region", present, "[A-Z]{2}", empty=True),
                _pattern("subdivision", present, "[A-Z]{2}-[A-Z0-9]{1,3}", empty=True),
                _mapped("timezone", present, {**zones, "": None}),
                _mapped("subject_type", present, {**subjects, "": None, "unknown": None}),
            )


class FastRows:
    """Reads rows of one kind of file; numbers of a calling code are understood once its plan was compiled."""

    def __init__(self, kind: FactKind, present: Iterable[str]) -> None:
        self._columns = _columns(kind, frozenset(present))
        self._plans: dict[str, _Plan | None] = {}

    def read(self, cells: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
        """The sure rows' values (number first, in the order of the record's row), and which rows are sure.

        `cells` are strings without spaces around them, none of them null.
        """
        number = pl.col("number")
        times = [_prepared(name) for name in cells.columns if name.endswith("_at")]
        ready = cells.with_columns(number.str.replace(r"^(?:\+|00)", "").alias(_DIGITS), *times)
        digits = pl.col(_DIGITS)
        written = number.str.contains(r"^(?:\+|00)[1-9][0-9]{5,14}$")
        starts = ready.select(digits.filter(written).str.slice(0, _LONGEST_CODE).value_counts(sort=True, name="n"))
        plans = self._plans_of(start[_DIGITS] for start in starts.to_series().to_list())
        sure = pl.all_horizontal(
            written,
            pl.any_horizontal(pl.lit(value=False), *(_surely_of(digits, plan) for plan in plans)),
            *(column.sure for column in self._columns),
        )
        values = (digits.cast(pl.Int64, strict=False).alias("number"), *(_named(one) for one in self._columns))
        read = ready.with_columns(sure.fill_null(value=False).alias("_sure"))
        return read.filter("_sure").select(values), read["_sure"]

    def _plans_of(self, starts: Iterable[str]) -> list["_Plan"]:
        """The plans of the calling codes that come first; what is beyond is read one by one."""
        codes = dict.fromkeys(code for start in starts if (code := _calling_code(start)) is not None)
        some = list(codes)[:_MOST_PLANS]
        for code in some:
            if code not in self._plans:
                self._plans[code] = _plan(int(code))
        return [plan for code in some if (plan := self._plans[code]) is not None]


def _surely_of(digits: pl.Expr, plan: "_Plan") -> pl.Expr:
    valid = digits.str.contains(plan.valid)
    return valid & ~digits.str.contains(plan.unsure) if plan.unsure else valid


def _named(column: _Column) -> pl.Expr:
    return column.value.alias(column.name)


def _calling_code(start: str) -> str | None:
    for length in range(1, _LONGEST_CODE + 1):
        if int(start[:length]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return start[:length]
    return None


@dataclass(frozen=True, slots=True)
class _Plan:
    """Of one calling code, as patterns from the first digit on."""

    valid: str
    unsure: str


def _plan(code: int) -> _Plan | None:
    """Which numbers are surely valid as they are written, unless `unsure`; None: ask one by one.

    Left to the strict reading are countries whose prefixes change the number, and numbers whose first digits could
    be such a prefix or decide the region.
    """
    regions = [
        metadata
        for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
        if (metadata := PhoneMetadata.metadata_for_region(region, None)) is not None
    ]
    if not regions or regions[0].national_prefix_transform_rule:
        return None
    patterns = [
        described.national_number_pattern
        for one in regions
        if not one.leading_digits
        for kind in _TYPES
        if (described := getattr(one, kind)) is not None and described.national_number_pattern
    ]
    if not patterns:
        return None
    starts = [one.leading_digits for one in regions if one.leading_digits]
    prefix = regions[0].national_prefix_for_parsing
    unsure = "|".join((*starts, prefix) if prefix else starts)
    valid = "|".join(patterns).replace(r"\d", "[0-9]")  # to Rust, other scripts' digits are \d too
    return _Plan(f"^{code}(?:{valid})$", f"^{code}(?:{unsure})" if unsure else "")
