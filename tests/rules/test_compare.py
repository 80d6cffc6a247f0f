"""What is in force at a date, and how two rulebooks differ."""

from datetime import UTC, datetime
from pathlib import Path

from vaglio.rules import Rulebooks, Sort, differences, listed, load, shown

BEFORE, AFTER = datetime(2026, 6, 18, 12, tzinfo=UTC), datetime(2026, 6, 19, 12, tzinfo=UTC)


def ids(
    rulebooks: Rulebooks, at: datetime, jurisdiction: str | None = None, *, everything: bool = False
) -> set[str]:
    return {one.rule.id for one in listed(rulebooks, at, jurisdiction, everything=everything)}


def test_listed_are_the_rules_in_force(rulebooks: Rulebooks) -> None:
    """A rule is listed from its first day on, a rule that is off never, common ones with each country."""
    assert "IT-ENERGY-01" not in ids(rulebooks, BEFORE, "it")
    assert {"IT-ENERGY-01", "ALL-OPPOSITION"} <= ids(rulebooks, AFTER, "it")
    assert "IT-COC-14" not in ids(rulebooks, AFTER, "it")
    assert "FR-HRS-01" not in ids(rulebooks, AFTER, "it")


def test_listed_of_all_countries_names_each_rule_once(rulebooks: Rulebooks) -> None:
    """Without a country every rulebook is listed, and the common rules once."""
    found = [one.rule.id for one in listed(rulebooks, AFTER)]
    assert len(found) == len(set(found))
    assert {"IT-COC-02", "FR-HRS-01", "ALL-CLI"} <= set(found)


def test_everything_lists_what_is_not_in_force_too(rulebooks: Rulebooks) -> None:
    """Rules that are off, over or to come are listed on demand, and marked."""
    assert {"IT-COC-14", "IT-ENERGY-01"} <= ids(rulebooks, BEFORE, "it", everything=True)
    marked = {one.rule.id: one.in_force for one in listed(rulebooks, BEFORE, "it", everything=True)}
    assert not marked["IT-ENERGY-01"]
    assert marked["IT-COC-02"]


def test_nothing_is_in_force_before_a_rulebook_begins(rulebooks: Rulebooks) -> None:
    """Before its first day a rulebook lists nothing, as it judges nothing."""
    assert ids(rulebooks, datetime(2020, 1, 1, tzinfo=UTC), "it") == set()
    assert ids(rulebooks, AFTER, "ch") == set()


def test_shown_is_one_rule(rulebooks: Rulebooks) -> None:
    """A rule is found by its id whatever its dates; an id that is none finds nothing."""
    found = shown(rulebooks, "FR-REG-01", AFTER)
    assert found is not None
    assert found.jurisdiction == "fr"
    assert found.version == rulebooks.books["fr"].version
    assert shown(rulebooks, "XX-NONE", AFTER) is None


def test_difference_of_two_dates(rulebooks: Rulebooks) -> None:
    """Between two dates the rules that began and ended differ."""
    italy, france = rulebooks.books["it"], rulebooks.books["fr"]
    begun = {(one.sort, one.rule) for one in differences(italy, BEFORE, italy, AFTER)}
    assert begun == {(Sort.ADDED, "IT-ENERGY-01"), (Sort.ADDED, "IT-ENERGY-02")}
    august = datetime(2026, 8, 12, tzinfo=UTC)
    changed = {(one.sort, one.rule) for one in differences(france, AFTER, france, august)}
    assert (Sort.REMOVED, "FR-REG-01") in changed
    assert (Sort.ADDED, "FR-OPT-01") in changed
    assert differences(italy, AFTER, italy, AFTER) == ()


def test_difference_of_two_rulebooks(tmp_path: Path, rulebooks: Rulebooks) -> None:
    """Between two rulebooks at one date the keys that a site changed differ, with both values."""
    site = tmp_path / "site.toml"
    site.write_text('[[change]]\nrule = "IT-RPO-05"\nparams = { max_age_days = 10 }\nunless = ["customer"]\n')
    found = differences(rulebooks.books["it"], AFTER, load(site).books["it"], AFTER)
    assert [(one.sort, one.rule) for one in found] == [(Sort.CHANGED, "IT-RPO-05")]
    assert found[0].keys == (
        ("params.max_age_days", "15", "10"),
        ("unless", "customer, callback, requested-call", "customer"),
    )
