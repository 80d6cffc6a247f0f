"""Whose law, which zones, which state."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from vaglio.model import Campaign, Contact, DialMode, Purpose
from vaglio.numbers import Number, country_zones, parse_e164
from vaglio.rules import Rulebooks
from vaglio.rules.jurisdiction import campaign_zones, main_zones, place_of, regions, states


def number(text: str) -> Number:
    return parse_e164(text)


def contact(region: str | None = None, subdivision: str | None = None, timezone: str | None = None) -> Contact:
    return Contact("acme", None, region, subdivision, timezone, None, 1)


def campaign(fallback: str | None) -> Campaign:
    return Campaign(
        "c", "acme", "x", Purpose.MARKETING, "telecom", DialMode.MANUAL, "IT", fallback_jurisdiction=fallback
    )


def names(zones: tuple[ZoneInfo, ...]) -> list[str]:
    return [zone.key for zone in zones]


REGIONS = [
    ("+390612345678", "it"),
    ("+390549886377", "it"),  # San Marino behind the Italian plan
    ("+3780549886377", "it"),  # San Marino's own code
    ("+390669812345", "it"),  # Vatican City
    ("+262262123456", "fr"),
    ("+262269601234", "fr"),  # Mayotte
    ("+590590201234", "fr"),
    ("+596596301234", "fr"),
    ("+594594101234", "fr"),
    ("+508430100", "fr"),
    ("+441481960194", "gb"),  # Guernsey
    ("+441534123456", "gb"),  # Jersey
    ("+441624756789", "gb"),  # Isle of Man
    ("+17875550123", "us"),
    ("+16713001234", "us"),  # Guam
    ("+13406421234", "us"),  # US Virgin Islands
    ("+14165550123", "ca"),
    ("+41446681800", None),
    ("+18765230123", None),  # Jamaica, +1 like the United States
    ("+80012345678", None),  # of no country
]


@pytest.mark.parametrize(("text", "expected"), REGIONS)
def test_region_to_rulebook(text: str, expected: str | None, rulebooks: Rulebooks) -> None:
    """A number is judged by the rulebook that the table names for its region."""
    assert number(text).e164 is not None
    assert rulebooks.jurisdiction_of(number(text), None, None) == expected


def test_every_region_names_a_rulebook(rulebooks: Rulebooks) -> None:
    """The table names only rulebooks that there are, and every rulebook's own country."""
    assert {region.rulebook for region in regions().values()} == set(rulebooks.books)
    assert {code.upper() for code in rulebooks.books} <= set(regions())


def test_fallback_of_the_campaign(rulebooks: Rulebooks) -> None:
    """A campaign's fallback holds for numbers without a rulebook, for no others, and only if there is one."""
    assert rulebooks.jurisdiction_of(number("+41446681800"), None, campaign("it")) == "it"
    assert rulebooks.jurisdiction_of(number("+33142685300"), None, campaign("it")) == "fr"
    assert rulebooks.jurisdiction_of(number("+41446681800"), None, campaign("ch")) is None


def test_contact_overrides_the_number(rulebooks: Rulebooks) -> None:
    """A contact's region decides, though it has no rulebook."""
    assert rulebooks.jurisdiction_of(number("+33142685300"), contact("es"), None) == "es"
    assert rulebooks.jurisdiction_of(number("+33142685300"), contact("CH"), None) is None
    assert rulebooks.jurisdiction_of(number("+33142685300"), contact("CH"), campaign("it")) == "it"
    assert rulebooks.jurisdiction_of(number("+33142685300"), contact(None), None) == "fr"


def test_zones_of_a_number() -> None:
    """Without a contact the number's own zones stand."""
    assert names(place_of(number("+33142685300"), None, "fr").zones) == ["Europe/Paris"]
    assert set(names(place_of(number("+18005550123"), None, "us").zones)) == set(country_zones("US"))


def test_contact_s_zone_replaces_those_of_the_number() -> None:
    """A known zone is the only one; a name that is no zone is as good as none."""
    told = contact(timezone="America/Martinique")
    assert names(place_of(number("+33142685300"), told, "fr").zones) == ["America/Martinique"]
    for unknown in ("Nowhere/Known", "../etc/passwd", ""):
        place = place_of(number("+33142685300"), contact(timezone=unknown), "fr")
        assert names(place.zones) == ["Europe/Paris"]


def test_contact_s_region_replaces_the_country() -> None:
    """A person known to be abroad is where that country is, and in no state of the number's."""
    place = place_of(number("+13055550123"), contact("ES"), "es")
    assert set(names(place.zones)) == {"Europe/Madrid", "Africa/Ceuta", "Atlantic/Canary"}
    assert place.subdivisions is None
    same = place_of(number("+13055550123"), contact("US"), "us")
    assert same == place_of(number("+13055550123"), None, "us")


@pytest.mark.parametrize("written", ["US-CA", "CA", "us-ca"])
def test_contact_s_state_adds_its_zones(written: str) -> None:
    """A Florida number whose holder lives in California rings in one of the two, under Californian rules."""
    place = place_of(number("+13055550123"), contact(subdivision=written), "us")
    assert {"America/Los_Angeles", "America/New_York"} <= set(names(place.zones))
    assert place.subdivisions == frozenset({"CA"})


def test_states_by_area_code() -> None:
    """An area code tells the state; one that tells none may be anywhere; a territory is itself."""
    assert place_of(number("+13055550123"), None, "us").subdivisions == frozenset({"FL"})
    assert place_of(number("+18005550123"), None, "us").subdivisions is None
    assert place_of(number("+17875550123"), None, "us").subdivisions == frozenset({"PR"})
    assert place_of(number("+33142685300"), None, "fr").subdivisions is None


def test_a_number_of_no_country_rings_where_the_fallback_law_is() -> None:
    """A number of no country has no zone of its own: that of the law it falls back on is taken."""
    assert names(place_of(number("+80012345678"), None, "it").zones) == ["Europe/Rome"]


def test_table_of_states() -> None:
    """Fifty states and the capital, each with zones of the country; no area code twice."""
    codes = [code for state in states().values() for code in state.area_codes]
    assert len(states()) == 51
    assert len(codes) == len(set(codes))
    assert all(set(state.zones) <= set(country_zones("US")) and state.zones for state in states().values())


def test_main_zones() -> None:
    """A main zone is one of its country's; without one all of a country's zones count."""
    assert all(zone in country_zones(code) for code, zone in main_zones().items())
    assert names(campaign_zones("us")) == ["America/New_York"]
    assert names(campaign_zones("IT")) == ["Europe/Rome"]
    assert len(campaign_zones("KZ")) > 1
    assert names(campaign_zones("XX")) == ["UTC"]


def test_attempts_are_asked_for_as_far_back_as_a_rule_looks(rulebooks: Rulebooks) -> None:
    """France looks back at its refusals, Italy at silent calls; a campaign that no rule looks at asks for none."""
    at = datetime(2026, 9, 16, 9, tzinfo=UTC)
    service = Campaign("c", "a", "x", Purpose.SERVICE, "telecom", DialMode.MANUAL, "FR")
    for jurisdiction, days in (("fr", 62), ("it", 60), ("gb", 30), ("de", 30)):
        window = rulebooks.attempt_window(jurisdiction, at, campaign(None))
        assert window is not None
        assert window.days == days
    assert rulebooks.attempt_window("fr", at, service) is None
    assert rulebooks.attempt_window(None, at, None) is None
