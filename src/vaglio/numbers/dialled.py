"""From the text that a dialplan or a file holds to a `Number`.

Digits without `+` or an international prefix are read in the given region's numbering plan alone, never as those
of another country.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import phonenumbers
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)

from vaglio.numbers.emergency import known_region
from vaglio.numbers.number import Kind, Number, Problem
from vaglio.numbers.usual import usual
from vaglio.numbers.zones import country_zones, zone_table, zones_of_number

MAX_TEXT: Final = 32
"""Characters, separators included, that a number may be written in."""

_E164_DIGITS: Final = 15
_ANYWHERE: Final = "00"  # the international prefix that ITU-T E.164 recommends
_NO_COUNTRY: Final = "001"  # libphonenumber's region of +800, +883 and the like
_SEPARATORS: Final = MappingProxyType(dict.fromkeys(map(ord, " -.()")))
_KINDS: Final[Mapping[int, Kind]] = MappingProxyType(
    {
        PhoneNumberType.MOBILE: Kind.MOBILE,
        PhoneNumberType.FIXED_LINE: Kind.FIXED,
        PhoneNumberType.FIXED_LINE_OR_MOBILE: Kind.FIXED_OR_MOBILE,
        PhoneNumberType.TOLL_FREE: Kind.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE: Kind.PREMIUM,
        PhoneNumberType.SHARED_COST: Kind.SHARED_COST,
        PhoneNumberType.VOIP: Kind.VOIP,
        PhoneNumberType.PERSONAL_NUMBER: Kind.PERSONAL,
        PhoneNumberType.PAGER: Kind.PAGER,
        PhoneNumberType.UAN: Kind.UAN,
        PhoneNumberType.VOICEMAIL: Kind.VOICEMAIL,
    }
)
_PROBLEMS: Final[Mapping[int, Problem]] = MappingProxyType(
    {
        NumberParseException.INVALID_COUNTRY_CODE: Problem.COUNTRY_CODE_UNKNOWN,
        NumberParseException.NOT_A_NUMBER: Problem.TOO_SHORT,  # one digit: the text is known to be digits by then
        NumberParseException.TOO_SHORT_AFTER_IDD: Problem.TOO_SHORT,
        NumberParseException.TOO_SHORT_NSN: Problem.TOO_SHORT,
        NumberParseException.TOO_LONG: Problem.TOO_LONG,
    }
)
_LENGTH_PROBLEMS: Final[Mapping[int, Problem]] = MappingProxyType(
    {
        ValidationResult.TOO_SHORT: Problem.TOO_SHORT,
        ValidationResult.IS_POSSIBLE_LOCAL_ONLY: Problem.TOO_SHORT,
        ValidationResult.TOO_LONG: Problem.TOO_LONG,
    }
)


def parse(dialled: str, *, region: str, trunk_prefix: str | None = None, emergency: frozenset[str]) -> Number:
    """What a dialplan passed, dialled from `region`; never raises: what can't be read is of kind invalid.

    Read are `+39…`, `0039…`, the region's own international prefix (011 in the US), national numbers, and any
    of them behind the trunk prefix: the digits a site dials for an outside line. The prefix is taken off where
    only the rest is a valid number. Where the whole is one too, and another one, the rest counts if the whole
    would be a call abroad (behind a prefix 0, `00359…` is Bergamo, not Bulgaria) or lacks the region's national
    prefix, or if the rest has its kind's usual length; else the problem is `ambiguous`: no number is guessed.
    `emergency` (see `emergency_numbers`) is asked before anything else, behind a trunk prefix and a plus too.
    """
    if len(dialled) > MAX_TEXT:
        return _unreadable(dialled, Problem.TEXT_TOO_LONG)
    compact = dialled.translate(_SEPARATORS)
    rest = compact.removeprefix(trunk_prefix) if trunk_prefix else compact
    for reading in (compact, rest):
        digits = reading.removeprefix("+")
        if digits in emergency:
            return _local(Kind.EMERGENCY, digits, region.upper())
    whole = _read(compact, region)
    return whole if rest is compact or rest == compact else _either(whole, _read(rest, region), region.upper())


def parse_e164(text: str, *, region: str | None = None) -> Number:
    """A number as a file holds it: `+…` or `00…`, or bare digits where a region is given; never raises.

    Emergency numbers are not told apart here: they are short ones or invalid.
    """
    if len(text) > MAX_TEXT:
        return _unreadable(text, Problem.TEXT_TOO_LONG)
    return _read(text.translate(_SEPARATORS), region)


def warm(regions: Iterable[str]) -> None:
    """Load the numbering plans and zones of the regions, so that no call waits for them (up to 2 ms a region).

    Raises ValueError for an unknown region, LookupError where the machine has no time-zone database.
    """
    if not zone_table():
        raise LookupError("no time-zone database: install the system's tzdata or the Python package tzdata")
    phonenumbers.enable_pattern_cache()  # beyond 512 patterns `re` would compile them again and again
    for region in regions:
        known = known_region(region)
        for number_type in _KINDS:
            example = phonenumbers.example_number_for_type(known, number_type)
            if example is not None:
                parse_e164(phonenumbers.format_number(example, PhoneNumberFormat.E164))
                parse_e164(phonenumbers.national_significant_number(example), region=known)


def _either(whole: Number, rest: Number, region: str) -> Number:
    """The number dialled, given both readings: with the trunk prefix as a part of it, and without."""
    if whole.e164 and rest.e164 and whole.e164 != rest.e164:
        return rest if _rest_is_meant(whole, rest, region) else _invalid(whole.digits, Problem.AMBIGUOUS)
    for reading in (whole, rest):
        if reading.e164:
            return reading
    return rest if whole.kind is Kind.INVALID and rest.kind is Kind.SHORT else whole


def _rest_is_meant(whole: Number, rest: Number, region: str) -> bool:
    """Whether a trunk prefix was dialled, where both readings are valid and differ.

    The length tells 0 and an Italian mobile of ten digits from a fixed number, which may have eleven; behind a
    mobile of nine digits, as the plan still has them, stands a fixed number as often.
    """
    if whole.calling_code != phonenumbers.country_code_for_region(region):
        return True
    national_prefix = phonenumbers.ndd_prefix_for_region(region, strip_non_digits=True)
    if national_prefix and not whole.digits.startswith(national_prefix):
        return rest.digits.startswith(national_prefix)
    number_type = next(number_type for number_type, kind in _KINDS.items() if kind is rest.kind)
    usual = phonenumbers.example_number_for_type(region, number_type)
    return usual is not None and len(phonenumbers.national_significant_number(usual)) == len(rest.digits)


def _read(compact: str, region: str | None) -> Number:
    """Read a text without separators: `+…` as it is, other digits as dialled from the region."""
    digits = compact.removeprefix("+")
    if not digits:
        return _invalid("", Problem.EMPTY)
    if not (digits.isascii() and digits.isdigit()):
        return _unreadable(compact, Problem.CHARACTER)
    if digits is not compact:
        return _international(digits, digits)
    if region is not None:
        return _dialled_from(region.upper(), digits)
    if digits.startswith(_ANYWHERE):
        return _international(digits.removeprefix(_ANYWHERE), digits)
    return _invalid(digits, Problem.COUNTRY_MISSING)


def _dialled_from(region: str, digits: str) -> Number:
    """The region's own reading; failing that, `00` as the world writes it, where the region dials otherwise."""
    plan = PhoneMetadata.metadata_for_region(region, None)
    if plan is None:
        return _invalid(digits, Problem.REGION_UNKNOWN)
    number = _national(digits, region)
    if number.e164 is None and digits.startswith(_ANYWHERE) and plan.international_prefix != _ANYWHERE:
        abroad = _international(digits.removeprefix(_ANYWHERE), digits)
        return abroad if abroad.e164 else number
    return number


def _international(e164_digits: str, digits: str) -> Number:
    known = usual(e164_digits, digits, _KINDS)
    if known is not None:
        return known
    parsed = _parsed(f"+{e164_digits}", None)
    return _invalid(digits, parsed) if isinstance(parsed, Problem) else _described(parsed, digits)


def _national(digits: str, region: str) -> Number:
    parsed = _parsed(digits, region)
    if isinstance(parsed, Problem):
        return _invalid(digits, parsed)
    number = _described(parsed, digits)
    if (
        number.kind is Kind.INVALID
        and phonenumbers.national_significant_number(parsed) == digits
        and phonenumbers.is_valid_short_number_for_region(parsed, region)
    ):
        return _local(Kind.SHORT, digits, region)
    return number


def _parsed(text: str, region: str | None) -> PhoneNumber | Problem:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException as error:
        return _PROBLEMS[error.error_type]


def _described(parsed: PhoneNumber, digits: str) -> Number:
    """The number with all that the numbering plan tells of it, or an invalid one if the plan does not hold it."""
    number_type = phonenumbers.number_type(parsed)
    kind = _KINDS.get(number_type)
    if kind is None:
        length = phonenumbers.is_possible_number_with_reason(parsed)
        return _invalid(digits, _LENGTH_PROBLEMS.get(length, Problem.NOT_ASSIGNED))
    e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if len(e164) > _E164_DIGITS + 1:
        return _invalid(digits, Problem.TOO_LONG)
    country = phonenumbers.region_code_for_number(parsed)
    if country is None or country == _NO_COUNTRY:
        return Number(e164, None, parsed.country_code, (), kind, digits)
    zones = zones_of_number(parsed, number_type, country)
    return Number(e164, country, parsed.country_code, zones, kind, digits)


def _local(kind: Kind, digits: str, region: str) -> Number:
    """A number that exists only within the region it is dialled from."""
    calling_code = phonenumbers.country_code_for_region(region)
    if calling_code == 0:
        return Number(None, None, None, (), kind, digits)
    return Number(None, region, calling_code, country_zones(region), kind, digits)


def _unreadable(text: str, problem: Problem) -> Number:
    return _invalid("".join(char for char in text[-MAX_TEXT:] if char in "0123456789"), problem)


def _invalid(digits: str, problem: Problem) -> Number:
    return Number(None, None, None, (), Kind.INVALID, digits, problem)
