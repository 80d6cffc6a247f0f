"""Loading checks everything, and says file and key of what is wrong."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from vaglio.errors import InputError
from vaglio.rules import Confidence, Rulebooks, load
from vaglio.rules.calendar import holiday_name
from vaglio.rules.load import MAX_BYTES

AT = datetime(2026, 5, 20, 10, tzinfo=UTC)
Write = Callable[[str], Path]

BOOK = """
jurisdiction = "it"
name = "Italy"
zone = "Europe/Rome"
valid_from = 2022-01-01

[[rule]]
id = "IT-TRY"
family = "hours"
summary = "Hours."
citation = "A law"
confidence = "confirmed"
valid_from = 2022-01-01
params = { weekdays = ["09:00-20:00"], saturday = [], sunday = [] }
"""

OWN = """
[[rule]]
jurisdiction = "it"
id = "SITE-CAP"
family = "frequency"
summary = "Once a month."
citation = "Our own policy"
confidence = "confirmed"
valid_from = 2026-01-01
params = { max_attempts = 1, days = 30 }
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        file = tmp_path / "rules.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return written


def test_every_rule_names_its_law_and_how_sure_it_is() -> None:
    """Every shipped rule has a citation, a confidence and a first day; a sourced one names its sources."""
    for book in load().books.values():
        for rule in book.rules:
            assert rule.citation
            assert rule.valid_from
            assert rule.confidence is Confidence.UNCONFIRMED or rule.sources, rule.id


def test_rule_ids_are_unique_across_rulebooks() -> None:
    """A rule id names one rule, so that a finding needs no country."""
    loaded = load()
    national = [rule.id for book in loaded.books.values() for rule in book.rules]
    common = {rule.id for rule in loaded.common.rules}
    own = [name for name in national if name not in common]
    assert len(own) == len(set(own))


def test_version_is_made_of_the_data(write: Write) -> None:
    """A rulebook's version is its content: the same data the same version, a site's rule another."""
    plain = load()
    assert {name: book.version for name, book in plain.books.items()} == {
        name: book.version for name, book in load().books.items()
    }
    assert all(re.fullmatch(rf"{name}@[0-9a-f]{{12}}", book.version) for name, book in plain.books.items())
    assert len({book.version for book in plain.books.values()}) == len(plain.books)
    assert load(write(OWN)).books["it"].version != plain.books["it"].version


BROKEN = [
    ("jurisdiction = ", "TOML"),
    (BOOK.replace('"it"', '"xx"'), "jurisdiction"),
    (BOOK.replace('"Europe/Rome"', '"Europe/Atlantis"'), "zone"),
    (BOOK.replace('family = "hours"', 'family = "weather"'), "rule IT-TRY: key family"),
    (BOOK.replace('citation = "A law"\n', ""), "rule IT-TRY: key citation"),
    (BOOK.replace('citation = "A law"', 'citation = ""'), "rule IT-TRY: key citation"),
    (BOOK.replace('confidence = "confirmed"', 'confidence = "sure"'), "rule IT-TRY: key confidence"),
    (BOOK.replace("valid_from = 2022-01-01\nparams", "valid_from = 2022-13-01\nparams"), "TOML"),
    (BOOK.replace("params = ", "valid_to = 2021-01-01\nparams = "), "rule IT-TRY: key : valid_to"),
    (BOOK.replace("params = ", "colour = 1\nparams = "), "rule IT-TRY: key colour"),
    (BOOK.replace("params = ", "when = { purpose = 1 }\nparams = "), "rule IT-TRY: key when.purpose"),
    (BOOK.replace("09:00-20:00", "9-20"), "rule IT-TRY: key params.weekdays.0"),
    (BOOK.replace("09:00-20:00", "20:00-09:00"), "rule IT-TRY: key params.weekdays"),
    (BOOK.replace("sunday = []", "sunday = [], sun = []"), "rule IT-TRY: key params.sun"),
    (BOOK.replace("sunday = []", "sunday = [], holiday = []"), "calendar"),
    (BOOK.replace("sunday = []", 'sunday = [], holiday = [], calendar = "ZZ"'), "calendar"),
    (BOOK.replace("sunday = []", 'sunday = [], zone = "Mars/Base"'), "rule IT-TRY: key params.zone"),
    (BOOK + BOOK[BOOK.index("[[rule]]") :], "IT-TRY: the id is used twice"),
    (BOOK.replace('"IT-TRY"', '"ALL-LAW"'), "rule ALL-LAW"),
    (BOOK.replace('"IT-TRY"', '"it try"'), "key id"),
]


@pytest.mark.parametrize(("text", "named"), BROKEN, ids=[named for _, named in BROKEN])
def test_a_broken_rulebook_is_refused(write: Write, text: str, named: str) -> None:
    """What is wrong in a rulebook is told in one line with its file and key."""
    with pytest.raises(InputError) as caught:
        load(rulebook_file=write(text))
    told = str(caught.value)
    assert "rules.toml" in told
    assert named in told
    assert "\n" not in told


FAMILIES = [
    ("frequency", "{ max_attempts = 1 }", "either days or hours"),
    ("frequency", "{ max_attempts = 0, days = 1 }", "params.max_attempts"),
    ("frequency", '{ max_attempts = "1", days = 1 }', "params.max_attempts"),
    ("caller-id", '{ required_prefixes = ["0844x"] }', "params.required_prefixes.0"),
    ("exemption", '{ ground = "customer", relationship = "contract" }', "in_force"),
    ("exemption", '{ ground = "consent", relationship = "contract", in_force = true }', "ground"),
    (
        "exemption",
        '{ ground = "customer", relationship = "contract", in_force = true, spent_by = ["busy"] }',
        "spent",
    ),
    ("register", '{ register = "No Name", max_age_days = 1 }', "params.register"),
    ("register", '{ register = "tps" }', "params.max_age_days"),
    ("consent", "{ max_age_days = 0 }", "params.max_age_days"),
    ("basis", '{ regime = "maybe" }', "params.regime"),
    ("opposition", "{ strict = true }", "params.strict"),
]


@pytest.mark.parametrize(("family", "params", "named"), FAMILIES)
def test_parameters_are_those_of_the_family(write: Write, family: str, params: str, named: str) -> None:
    """A rule's parameters are checked in the words of its family."""
    text = OWN.replace('family = "frequency"', f'family = "{family}"')
    text = text.replace("{ max_attempts = 1, days = 30 }", params)
    with pytest.raises(InputError, match=r"rules\.toml: rule SITE-CAP: ") as caught:
        load(write(text))
    assert named in str(caught.value)


def test_a_voiding_register_must_be_usable(write: Write) -> None:
    """A register that voids consents can't be beaten by one while its answer is unusable."""
    change = """
    [[change]]
    rule = "IT-RPO-05"
    params = { consent_beats_unusable = true }
    override = "for the test"
    """
    with pytest.raises(InputError, match="consent_beats_unusable"):
        load(write(change))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that can't be read is named."""
    with pytest.raises(InputError, match=r"nowhere\.toml: cannot be read"):
        load(tmp_path / "nowhere.toml")


def test_a_file_without_end(write: Write) -> None:
    """A file larger than any rules are is not read into memory."""
    with pytest.raises(InputError, match="larger than"):
        load(write("#" * (MAX_BYTES + 1)))


def test_a_rulebook_takes_the_place_of_the_shipped_one(write: Write) -> None:
    """A national rulebook to try out replaces the shipped one; the others and the common rules stay."""
    tried = load(rulebook_file=write(BOOK))
    ids = {rule.id for rule in tried.books["it"].rules}
    assert "IT-TRY" in ids
    assert "IT-COC-02" not in ids
    assert "ALL-OPPOSITION" in ids
    assert tried.books["fr"].version == load().books["fr"].version


def test_a_site_file_can_be_tried_in_place_of_another(write: Write, tmp_path: Path) -> None:
    """A file without jurisdiction is tried in place of the site's own."""
    own = tmp_path / "own.toml"
    own.write_text(OWN.replace("SITE-CAP", "SITE-OLD"), encoding="utf-8")
    ids = {rule.id for rule in load(own, rulebook_file=write(OWN)).books["it"].rules}
    assert "SITE-CAP" in ids
    assert "SITE-OLD" not in ids


def test_registers_are_those_of_the_date() -> None:
    """What the index must be asked depends on the country and the date."""
    loaded = load()
    assert loaded.registers("it", AT) == ("rpo",)
    assert loaded.registers("gb", AT) == ("tps", "ctps")
    assert loaded.registers("fr", datetime(2026, 8, 10, 21, 59, 59, tzinfo=UTC)) == ("bloctel",)
    assert loaded.registers("fr", datetime(2026, 8, 10, 22, tzinfo=UTC)) == ()
    assert loaded.registers("de", AT) == ()
    assert loaded.registers(None, AT) == ()


def test_warming_knows_the_holidays_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """After warming no call of the year asks the library of holidays again."""
    loaded: Rulebooks = load()
    loaded.warm(AT)

    def unexpected(*_args: object, **_options: object) -> None:
        raise AssertionError("asked for holidays on the way of a call")

    monkeypatch.setattr("vaglio.rules.calendar.holidays.country_holidays", unexpected)
    for year in (2025, 2026, 2027):
        for country in ("IT", "FR", "ES"):
            assert holiday_name(date(year, 12, 25), country)
        assert holiday_name(date(year, 12, 25), "US", "AL")
