"""The worked cases of each country, as data that a lawyer can read: tests/rules/cases/."""

from collections import Counter

import pytest

from tests.rules.case_files import Case, cases, question
from vaglio.model import FindingOutcome, Verdict
from vaglio.rules import Rulebooks

ALLOWS = {
    "EMERGENCY_NUMBER",
    "CUSTOMER",
    "CALLBACK",
    "CONSENT",
    "LISTED_NOT_OPPOSED",
    "NOT_ON_REGISTER",
    "NO_RESTRICTION",
    "REQUESTED_CALL",
    "MONITOR_ONLY",
}


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case.name}: {case.says}")
def test_case(case: Case, rulebooks: Rulebooks) -> None:
    """A worked case comes out as its sentence says; the sentence is the test's name."""
    decision = rulebooks.evaluate(*question(case.table))
    assert decision.reason == case.reason, [finding for finding in decision.findings if finding.reason]
    assert decision.verdict is (Verdict.ALLOW if case.reason in ALLOWS else Verdict.BLOCK)
    assert decision.would_be == case.table.get("would_be")
    if "jurisdiction" in case.table:
        assert decision.jurisdiction == case.table["jurisdiction"]


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_first_block_gives_the_reason(case: Case, rulebooks: Rulebooks) -> None:
    """The reason of a block is that of the first finding that blocks; every finding names rule and law."""
    decision = rulebooks.evaluate(*question(case.table))
    blocks = [finding.reason for finding in decision.findings if finding.outcome is FindingOutcome.BLOCK]
    if decision.verdict is Verdict.BLOCK:
        assert decision.reason == blocks[0]
    elif decision.would_be is not None:
        assert decision.would_be == blocks[0]
    else:
        assert not blocks
    assert all(finding.rule and finding.citation and finding.detail for finding in decision.findings)


def test_every_country_has_worked_cases() -> None:
    """Italy has its nine worked cases and more, every other country at least five."""
    counts = Counter(case.name.partition("-")[0] for case in cases())
    assert set(counts) == {"it", "fr", "gb", "us", "es", "de", "ca"}
    assert {case.name for case in cases()} >= {f"it-{letter}" for letter in "abcdefghi"}
    assert all(count >= 5 for count in counts.values())
