import re
import zoneinfo

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat

from vaglio.numbers import (
    MAX_TEXT,
    Kind,
    Number,
    Problem,
    country_zones,
    emergency_numbers,
    parse,
    parse_e164,
    warm,
)
from vaglio.numbers.zones import zone_table

EMERGENCY = emergency_numbers(["IT", "FR", "GB", "US"])
REGIONS = [
    "IT",
    "FR",
    "GB",
    "US",
    "ES",
    "DE",
    "CA",
    "CH",
    "AT",
    "SM",
    "VA",
    "GG",
    "RE",
    "AU",
    "JP",
    "BR",
    "AR",
    "MX",
]
TYPES = [0, 1, 2, 3, 4, 5, 6, 7]
EVERYWHERE = [
    phonenumbers.format_number(number, PhoneNumberFormat.E164)[1:]
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    for number_type in range(11)
    if (number := phonenumbers.example_number_for_type(region, number_type)) is not None
]
"""An example of every type in every region, calling code first."""
DIALLABLE = st.text(alphabet="0123456789+ -.()", max_size=64)


def dialled(text: str, region: str = "IT", trunk_prefix: str | None = None) -> Number:
    return parse(text, region=region, trunk_prefix=trunk_prefix, emergency=EMERGENCY)


def examples() -> list[tuple[str, phonenumbers.PhoneNumber]]:
    found = [
        (region, phonenumbers.example_number_for_type(region, number_type))
        for region in REGIONS
        for number_type in TYPES
    ]
    return [(region, number) for region, number in found if number is not None]


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [
        ("+393912345678", "IT", "+393912345678"),
        ("+393912345678", "US", "+393912345678"),
        ("00393912345678", "IT", "+393912345678"),
        ("3912345678", "IT", "+393912345678"),
        ("391 234 5678", "IT", "+393912345678"),
        (" +39 (391) 234-56.78 ", "IT", "+393912345678"),
        ("0612345678", "IT", "+390612345678"),
        ("+390612345678", "FR", "+390612345678"),
        ("0033123456789", "IT", "+33123456789"),
        ("01 23 45 67 89", "FR", "+33123456789"),
        ("020 7946 0000", "GB", "+442079460000"),
        ("+44 (0)20 7946 0000", "IT", "+442079460000"),
        ("1-212-555-1234", "US", "+12125551234"),
        ("(212) 555-1234", "US", "+12125551234"),
        ("011 44 20 7946 0000", "US", "+442079460000"),
        ("0044 20 7946 0000", "US", "+442079460000"),
        ("0011 44 20 7946 0000", "AU", "+442079460000"),
        ("3912345678", "it", "+393912345678"),
    ],
)
def test_every_way_of_dialling_gives_the_same_e164(text: str, region: str, e164: str) -> None:
    """International, national and separated spellings come to one E.164 number."""
    assert dialled(text, region).e164 == e164


def test_bare_digits_are_never_those_of_another_country() -> None:
    """French digits without a prefix are the Italian number that they are in Italy."""
    number = dialled("33912345678")
    assert (number.e164, number.country) == ("+3933912345678", "IT")


@pytest.mark.parametrize(
    ("text", "country", "kind", "zones"),
    [
        ("+393912345678", "IT", Kind.MOBILE, ("Europe/Rome",)),
        ("+390612345678", "IT", Kind.FIXED, ("Europe/Rome",)),
        ("+390669812345", "VA", Kind.FIXED, ("Europe/Vatican",)),
        ("+39800123456", "IT", Kind.TOLL_FREE, ("Europe/Rome",)),
        ("+39899123456", "IT", Kind.PREMIUM, ("Europe/Rome",)),
        ("+447781123456", "GG", Kind.MOBILE, ("Europe/Guernsey",)),
        ("+442079460000", "GB", Kind.FIXED, ("Europe/London",)),
        ("+262692123456", "RE", Kind.MOBILE, ("Indian/Reunion",)),
        ("+590690001234", "GP", Kind.MOBILE, ("America/Guadeloupe",)),
        ("+16713556789", "GU", Kind.FIXED_OR_MOBILE, ("Pacific/Guam",)),
        ("+12125551234", "US", Kind.FIXED_OR_MOBILE, ("America/New_York",)),
        ("+19075551234", "US", Kind.FIXED_OR_MOBILE, ("America/Adak", "America/Anchorage")),
        ("+353861234567", "IE", Kind.MOBILE, ("Europe/Dublin",)),
        ("+212650123456", "MA", Kind.MOBILE, ("Africa/Casablanca",)),
        ("+38344123456", "XK", Kind.MOBILE, ("Europe/Belgrade",)),
        ("+80012345678", None, Kind.TOLL_FREE, ()),
    ],
)
def test_country_kind_and_zones(text: str, country: str | None, kind: Kind, zones: tuple[str, ...]) -> None:
    """The zones of a number are those of its own country, however many share the calling code."""
    number = parse_e164(text)
    assert (number.country, number.kind, number.zones) == (country, kind, zones)


@pytest.mark.parametrize(
    ("text", "country"), [("+18002345678", "US"), ("+61412345678", "AU"), ("+34612345678", "ES")]
)
def test_a_number_that_tells_no_place_may_lie_anywhere_in_its_country(text: str, country: str) -> None:
    """Mobile and toll-free numbers have all zones of their country and none of another's."""
    number = parse_e164(text)
    assert number.zones == country_zones(country)
    assert len(number.zones) > 1


def test_an_old_zone_name_loses_no_zone() -> None:
    """Where libphonenumber still says Asia/Calcutta, the country's zone of today stands."""
    assert parse_e164("+911123456789").zones == ("Asia/Kolkata",)


@pytest.mark.parametrize(
    ("text", "region", "prefix", "e164"),
    [
        ("93912345678", "IT", "9", "+393912345678"),
        ("9 00 33 123456789", "IT", "9", "+33123456789"),
        ("9+393912345678", "IT", "9", "+393912345678"),
        ("+393912345678", "IT", "9", "+393912345678"),
        ("3912345678", "IT", "9", "+393912345678"),
        ("912345678", "ES", "9", "+34912345678"),
        ("912125551234", "US", "9", "+12125551234"),
        ("9145551234", "US", "9", "+19145551234"),
        ("9030123456", "DE", "9", "+4930123456"),
        ("0612345678", "IT", "0", "+390612345678"),
        ("00612345678", "IT", "0", "+390612345678"),
        ("00359256341", "IT", "0", "+390359256341"),
        ("03912345678", "IT", "0", "+393912345678"),
        ("0003912345678", "IT", "0", None),
        ("00393912345678", "IT", "0", "+393912345678"),
        ("00033123456789", "IT", "0", "+33123456789"),
        ("00498843236", "FR", "0", "+33498843236"),
        ("8843912345678", "IT", "88#4", None),
    ],
)
def test_a_trunk_prefix_is_taken_off_where_the_rest_is_a_number(
    text: str, region: str, prefix: str, e164: str | None
) -> None:
    """With a trunk prefix, both prefixed and plain numbers are understood."""
    assert dialled(text, region, prefix).e164 == e164


@pytest.mark.parametrize(("text", "region"), [("0344978690", "IT"), ("0049529984", "DE")])
def test_two_equal_readings_of_a_trunk_prefix_are_refused(text: str, region: str) -> None:
    """Where a number is valid with its trunk prefix and another one without, none of them is screened."""
    number = dialled(text, region, "0")
    assert (number.kind, number.problem) == (Kind.INVALID, Problem.AMBIGUOUS)


def test_digits_are_what_was_dialled_after_the_trunk_prefix() -> None:
    """Separators, plus and trunk prefix are gone from the digits; an international prefix is not."""
    assert dialled("9 0039-391 2345678", trunk_prefix="9").digits == "00393912345678"
    assert dialled("+39 391 2345678").digits == "393912345678"


@pytest.mark.parametrize(
    ("text", "prefix"),
    [("112", None), ("1 1 2", None), ("0112", "0"), ("9911", "9"), ("999", "9"), ("+112", None), ("118", "1")],
)
def test_emergency_is_recognised_before_anything_else(text: str, prefix: str | None) -> None:
    """An emergency number is one behind a trunk prefix, separators or a plus too."""
    number = dialled(text, trunk_prefix=prefix)
    assert (number.kind, number.e164, number.country) == (Kind.EMERGENCY, None, "IT")


def test_emergency_passes_from_an_unknown_region() -> None:
    """A wrong region in a campaign stops no emergency call."""
    assert dialled("112", region="??").kind is Kind.EMERGENCY


@pytest.mark.parametrize(("text", "prefix"), [("1240", None), ("187", None), ("91240", "9"), ("114", None)])
def test_short_numbers_are_no_emergency(text: str, prefix: str | None) -> None:
    """A short number, premium ones among them, has neither E.164 nor the emergency's free pass."""
    number = dialled(text, trunk_prefix=prefix)
    assert (number.kind, number.e164, number.zones) == (Kind.SHORT, None, ("Europe/Rome",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", Problem.EMPTY),
        ("+", Problem.EMPTY),
        (" -.() ", Problem.EMPTY),
        ("1" * 33, Problem.TEXT_TOO_LONG),
        ("3912345678 ext 5", Problem.CHARACTER),
        ("3912345678x5", Problem.CHARACTER),
        ("3912345678;ext=5", Problem.CHARACTER),
        ("1-800-FLOWERS", Problem.CHARACTER),
        ("\u0663\u0669\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", Problem.CHARACTER),
        ("\uff0b393912345678", Problem.CHARACTER),
        ("\u00b9\u00b2\u00b3", Problem.CHARACTER),
        ("391\u00a02345678", Problem.CHARACTER),
        ("++393912345678", Problem.CHARACTER),
        ("39+3912345678", Problem.CHARACTER),
        ("3912345678\r\n", Problem.CHARACTER),
        ("391&2345678", Problem.CHARACTER),
        ("${EXTEN}", Problem.CHARACTER),
        ("3912345678\0", Problem.CHARACTER),
        ("tel:+393912345678", Problem.CHARACTER),
        ("7", Problem.TOO_SHORT),
        ("+1 555", Problem.TOO_SHORT),
        ("5551234567890123456", Problem.TOO_LONG),
        ("+210123456789", Problem.COUNTRY_CODE_UNKNOWN),
        ("+395912345678", Problem.NOT_ASSIGNED),
    ],
)
def test_what_is_no_number_is_invalid_and_says_why(text: str, problem: Problem) -> None:
    """Anything unreadable is of kind invalid, without country, zones or E.164."""
    number = dialled(text)
    assert number.problem is problem
    assert (number.kind, number.e164, number.country, number.zones) == (Kind.INVALID, None, None, ())


def test_an_unknown_region_reads_only_international_numbers() -> None:
    """A region without a numbering plan is a problem of national numbers alone."""
    assert dialled("3912345678", region="ZZ").problem is Problem.REGION_UNKNOWN
    assert dialled("+393912345678", region="ZZ").e164 == "+393912345678"


@pytest.mark.parametrize("text", ["+393912345678", "00393912345678", "+39 391 234 5678"])
def test_a_file_may_hold_international_numbers_without_a_region(text: str) -> None:
    """`+` and `00` need no region."""
    assert parse_e164(text).e164 == "+393912345678"


def test_a_file_needs_a_region_for_bare_digits() -> None:
    """Bare digits are read in the region given, and refused without one."""
    assert parse_e164("3912345678").problem is Problem.COUNTRY_MISSING
    assert parse_e164("3912345678", region="IT").e164 == "+393912345678"
    assert parse_e164("1" * 33).problem is Problem.TEXT_TOO_LONG


def test_the_key_is_the_e164_as_an_integer() -> None:
    """The index keys a number by its E.164 digits, and nothing else has a key."""
    assert dialled("0612345678").key == 390612345678
    with pytest.raises(ValueError, match="emergency"):
        _ = dialled("112").key


def test_a_masked_number_shows_its_last_three_digits() -> None:
    """What may be logged is an ellipsis and three digits."""
    assert dialled("391 234 5678").masked == "…678"
    assert dialled("").masked == "…"


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("IT", {"112", "113", "115", "118"}),
        ("FR", {"112", "15", "17", "18"}),
        ("GB", {"112", "999"}),
        ("US", {"112", "911"}),
        ("CA", {"112", "911"}),
        ("DE", {"110", "112"}),
        ("SE", {"112", "90000"}),
        ("GN", {"112"}),
    ],
)
def test_emergency_numbers_of_a_region(region: str, expected: set[str]) -> None:
    """The set is spelled out of the emergency pattern alone, with 112 everywhere."""
    assert emergency_numbers([region]) == expected


def test_emergency_numbers_agree_with_the_library_and_hold_no_others() -> None:
    """Every three-digit string is in a region's set exactly if libphonenumber calls it an emergency number."""
    for region in REGIONS:
        known = {n for n in map("{:03d}".format, range(1000)) if phonenumbers.is_emergency_number(n, region)}
        assert {n for n in emergency_numbers([region]) if len(n) == 3} == known | {"112"}


def test_emergency_numbers_of_several_regions_are_their_union() -> None:
    """A centre that dials from two countries lets both countries' emergency calls pass."""
    assert emergency_numbers(["it", "GB"]) == {"112", "113", "115", "118", "999"}
    assert emergency_numbers([]) == {"112"}


@pytest.mark.parametrize("region", ["ZZ", "001", "Italy", ""])
def test_a_misspelt_region_is_refused_at_configuration(region: str) -> None:
    """A region that no numbering plan is known for raises, before it could leave an emergency number out."""
    with pytest.raises(ValueError, match="expected two letters"):
        emergency_numbers([region])
    with pytest.raises(ValueError, match="expected two letters"):
        warm([region])


def test_warm_leaves_every_answer_as_it_was() -> None:
    """Warming loads metadata and changes no reading."""
    before = [dialled(text) for text in ("+12125551234", "0612345678", "112")]
    warm(["IT", "US"])
    assert [dialled(text) for text in ("+12125551234", "0612345678", "112")] == before


@pytest.mark.parametrize(("region", "number"), examples())
def test_national_international_and_00_forms_agree(region: str, number: phonenumbers.PhoneNumber) -> None:
    """An example number of any kind comes to the same E.164 from each of its spellings."""
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    international = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    national = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    for text in (e164, international, "00" + e164[1:], re.sub(r"[^\d]", "", national)):
        assert dialled(text, region).e164 == e164


@given(st.text(max_size=64), st.text(max_size=4), st.none() | st.text(max_size=3))
@example("00", "IT", "0")
@example("+0", "IT", "")
def test_no_text_raises_or_shows_more_than_three_digits(text: str, region: str, trunk_prefix: str | None) -> None:
    """Whatever arrives, the answer is a number whose masked form shows three digits at most."""
    for number in (dialled(text, region, trunk_prefix), parse_e164(text), parse_e164(text, region=region)):
        assert len(number.digits) <= MAX_TEXT
        assert sum(char.isdigit() for char in number.masked) <= 3
        assert (number.problem is None) == (number.kind is not Kind.INVALID)


@given(DIALLABLE, st.sampled_from(REGIONS), st.sampled_from([None, "0", "9", "00"]))
@example("+44180020123456", "GB", None)
@example("0155 12 3456789", "AR", None)
def test_an_e164_reads_back_as_the_same_number(text: str, region: str, trunk_prefix: str | None) -> None:
    """What is understood once is understood again, from its E.164 form, in any region."""
    number = dialled(text, region, trunk_prefix)
    if number.e164 is not None:
        again = dialled(number.e164, region)
        assert again == parse_e164(number.e164)
        assert (again.e164, again.country, again.kind, again.zones) == (
            number.e164,
            number.country,
            number.kind,
            number.zones,
        )
        assert number.key < 10**15


@given(st.integers(0, 10**9), st.sampled_from(examples()))
def test_numbers_near_a_valid_one_read_back(tail: int, sample: tuple[str, phonenumbers.PhoneNumber]) -> None:
    """Numbers of all plans, drawn near real ranges, keep their E.164 and lie in zones of their country."""
    region, near = sample
    nsn = phonenumbers.national_significant_number(near)
    text = nsn[:3] + f"{tail:010d}"[: len(nsn) - 3]
    number = parse_e164(text, region=region)
    if number.e164 is not None:
        assert parse_e164(number.e164).e164 == number.e164
        assert number.country is not None
        assert set(number.zones) <= set(country_zones(number.country))
        assert number.zones


def test_without_a_time_zone_database_the_service_says_so_at_start() -> None:
    """A machine without zones fails the warm-up with the next step, and no number's parsing."""
    zone_table.cache_clear()
    zoneinfo.reset_tzpath([])
    try:
        if not zone_table():
            with pytest.raises(LookupError, match="install"):
                warm(["IT"])
        assert parse_e164("+390612345678").e164 == "+390612345678"
    finally:
        zoneinfo.reset_tzpath()
        zone_table.cache_clear()
        country_zones.cache_clear()


@given(
    st.sampled_from(range(len(EVERYWHERE))),
    st.lists(st.tuples(st.integers(0, 14), st.sampled_from("0123456789")), max_size=4),
    st.sampled_from(["", "0", "7", "10"]),
)
def test_the_usual_way_reads_what_libphonenumber_reads(
    sample: int, changes: list[tuple[int, str]], more: str
) -> None:
    """Numbers of all types and countries, and others near them, come out the same by pattern and by library."""
    digits = list(EVERYWHERE[sample])
    for place, digit in changes:
        digits[place % len(digits)] = digit
    text = "".join(digits) + more
    number = parse_e164(f"+{text}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vaglio.numbers.dialled.usual", lambda *_: None)
        assert parse_e164(f"+{text}") == number
