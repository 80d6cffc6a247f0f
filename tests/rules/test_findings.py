"""An explanation names the fact that a rule used, with its date and its evidence, and never a number."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.rules.case_files import cases, question
from vaglio.model import Finding, FindingOutcome
from vaglio.rules import Rulebooks

AT = datetime(2026, 4, 22, 9, 30, tzinfo=UTC)


def findings(rulebooks: Rulebooks, **facts: Any) -> dict[str, Finding]:
    table = {
        "number": "+393331234567",
        "at": AT,
        "campaign": {"region": "IT", "caller_ids": ["+390612345678"]},
        **facts,
    }
    return {finding.rule: finding for finding in rulebooks.evaluate(*question(table)).findings}


def opposed(void: datetime | None) -> dict[str, Any]:
    verdict: dict[str, Any] = {"state": "opposed", "as_of": AT - timedelta(days=3)}
    return {"rpo": {**verdict, "consents_void_until": void.date()} if void else verdict}


EXPLAINED = [
    (
        {"oppositions": [{"at": AT - timedelta(days=9)}]},
        ("ALL-OPPOSITION", "block", "Opposed since 2026-04-13T09:30:00Z for every purpose.", "entry:10"),
    ),
    (
        {"oppositions": [{"at": AT - timedelta(days=9), "purpose": "marketing"}]},
        ("ALL-OPPOSITION", "block", "Opposed since 2026-04-13T09:30:00Z for marketing.", "entry:10"),
    ),
    ({}, ("ALL-OPPOSITION", "pass", "No opposition is in force.", None)),
    ({}, ("IT-COC-02", "pass", "Wed 2026-04-22 11:30:00 in Europe/Rome.", None)),
    ({}, ("IT-COC-06", "pass", "Script s-1, notice n-1.", None)),
    ({}, ("IT-RPO-05", "block", "rpo was never asked about this number.", None)),
    (
        {"registers": {"rpo": {"state": "clear", "as_of": AT - timedelta(days=3)}}},
        ("IT-RPO-05", "pass", "Not opposed in rpo on 2026-04-19T09:30:00Z.", "batch:7"),
    ),
    (
        {"registers": {"rpo": {"state": "clear", "as_of": AT - timedelta(days=15)}}},
        ("IT-RPO-05", "block", "The rpo answer of 2026-04-07T09:30:00Z is 15 days old or more.", "batch:7"),
    ),
    (
        {"registers": {"rpo": {"state": "not-covered"}}},
        ("IT-RPO-05", "block", "The rpo data held here does not cover this number.", "batch:7"),
    ),
    (
        {"registers": opposed(AT - timedelta(days=30))},
        (
            "IT-RPO-05",
            "block",
            "Opposed in rpo on 2026-04-19T09:30:00Z, consents void until 2026-03-23.",
            "batch:7",
        ),
    ),
    (
        {"registers": opposed(AT - timedelta(days=30)), "consents": [{"given_at": AT - timedelta(days=9)}]},
        (
            "IT-RPO-05",
            "exempt",
            (
                "Opposed in rpo on 2026-04-19T09:30:00Z, consents void until 2026-03-23. "
                "Taken out of the question by: consent."
            ),
            "batch:7",
        ),
    ),
    (
        {"consents": [{"given_at": AT - timedelta(days=9)}]},
        ("ALL-CONSENT", "pass", "The consent of 2026-04-13T09:30:00Z for marketing stands.", "entry:20"),
    ),
    (
        {"consents": [{"given_at": AT - timedelta(days=9), "withdrawn_at": AT - timedelta(days=1)}]},
        ("ALL-CONSENT", "block", "The consent of 2026-04-13T09:30:00Z for marketing was withdrawn.", "entry:20"),
    ),
    (
        {"consents": [{"given_at": AT - timedelta(days=9), "withdrawn_at": AT - timedelta(days=1)}]},
        (
            "IT-RPO-09",
            "not-applicable",
            "The consent of 2026-04-13T09:30:00Z for marketing was withdrawn.",
            "entry:20",
        ),
    ),
    (
        {"registers": opposed(AT), "consents": [{"given_at": AT - timedelta(days=9)}]},
        (
            "IT-RPO-09",
            "block",
            "The consent of 2026-04-13T09:30:00Z for marketing was voided by a later entry in the register.",
            "entry:20",
        ),
    ),
    (
        {"consents": [{"given_at": AT - timedelta(days=9), "purpose": "direct-sale"}]},
        ("ALL-CONSENT", "not-applicable", "Only consents for another purpose, channel or sector.", None),
    ),
    ({}, ("ALL-CONSENT", "not-applicable", "No consent is recorded.", None)),
    (
        {},
        (
            "IT-COC-04",
            "block",
            "A number not known to be listed needs a consent; none is recorded.",
            None,
        ),
    ),
    (
        {"relationships": [{"kind": "contract", "started_at": AT - timedelta(days=9)}]},
        (
            "IT-RPO-02",
            "not-applicable",
            "The contract of 2026-04-13T09:30:00Z is without simplified revocation of consents.",
            "entry:30",
        ),
    ),
    (
        {
            "relationships": [
                {
                    "kind": "contract",
                    "started_at": AT - timedelta(days=9),
                    "ended_at": AT - timedelta(days=1),
                    "simplified_revocation": True,
                }
            ]
        },
        (
            "IT-RPO-03",
            "exempt",
            "The contract of 2026-04-13T09:30:00Z, ended 2026-04-21T09:30:00Z holds.",
            "entry:30",
        ),
    ),
    (
        {
            "relationships": [{"kind": "requested-call", "started_at": AT - timedelta(days=9)}],
            "attempts": [{"at": AT - timedelta(days=1), "outcome": "answered"}],
        },
        (
            "IT-RPO-04",
            "not-applicable",
            "The requested-call of 2026-04-13T09:30:00Z is used up by the call of 2026-04-21T09:30:00Z.",
            "entry:30",
        ),
    ),
    (
        {"relationships": [{"kind": "callback", "started_at": AT - timedelta(days=9)}]},
        ("IT-COC-04", "exempt", "No consent is needed: callback.", None),
    ),
    (
        {"attempts": [{"at": AT - timedelta(days=1), "outcome": "silent"}]},
        (
            "IT-MUTE-03",
            "block",
            "Silent call at 2026-04-21T09:30:00Z; no call for 120 hours.",
            "decision:decision-0",
        ),
    ),
    (
        {"relationships": [{"kind": "callback", "started_at": AT - timedelta(days=9), "sector": "insurance"}]},
        (
            "IT-COC-05",
            "not-applicable",
            "The callback of 2026-04-13T09:30:00Z is for another sector, or for none named.",
            "entry:30",
        ),
    ),
    (
        {"relationships": [{"kind": "callback", "started_at": AT - timedelta(days=30)}]},
        (
            "IT-COC-05",
            "not-applicable",
            "The callback of 2026-03-23T09:30:00Z is no longer in time.",
            "entry:30",
        ),
    ),
    (
        {"consents": [{"given_at": AT - timedelta(days=9), "expires_at": AT}]},
        (
            "IT-COC-04",
            "block",
            "A number not known to be listed needs a consent; the latest one does not stand.",
            None,
        ),
    ),
    (
        {"consents": [{"given_at": AT - timedelta(days=9), "channel": "automated"}]},
        (
            "IT-COC-04",
            "block",
            (
                "A number not known to be listed needs a consent; "
                "those recorded are for another purpose, channel or sector."
            ),
            None,
        ),
    ),
    (
        {"number": "+493012345678", "campaign": {"region": "DE", "caller_ids": ["+493098765432"]}},
        ("DE-OPT-01", "block", "The call needs a consent; none is recorded.", None),
    ),
]


@pytest.mark.parametrize(("facts", "expected"), EXPLAINED)
def test_a_finding_names_its_fact(
    facts: dict[str, Any], expected: tuple[str, str, str, str | None], rulebooks: Rulebooks
) -> None:
    """A rule says in a plain sentence what it found, when that was, and where its evidence stands."""
    rule, outcome, detail, evidence = expected
    found = findings(rulebooks, **facts)[rule]
    assert (found.outcome.value, found.detail, found.evidence) == (outcome, detail, evidence)


def test_findings_come_in_the_order_of_the_rows(rulebooks: Rulebooks) -> None:
    """Rules are told in the order in which they are asked."""
    asked = list(findings(rulebooks))
    rows = ["ALL-CAMPAIGN", "ALL-NUMBER", "ALL-LAW", "ALL-ACTIVE", "IT-COC-06", "ALL-CLI", "ALL-OPPOSITION"]
    rows += ["IT-COC-02", "IT-MUTE-03", "IT-RPO-02", "IT-RPO-05", "ALL-CONSENT", "IT-COC-04"]
    assert [rule for rule in asked if rule in rows] == rows


@pytest.mark.parametrize(
    "other", [{"controller": "other", "given_at": AT - timedelta(days=3)}, {"given_at": AT + timedelta(days=1)}]
)
def test_a_consent_that_is_none_of_this_call_says_nothing(rulebooks: Rulebooks, other: dict[str, Any]) -> None:
    """Another controller's consent, or one given later, neither allows the call nor hides the one that does."""
    assert findings(rulebooks, consents=[other])["ALL-CONSENT"].detail == "No consent is recorded."
    own = {"given_at": AT - timedelta(days=9)}
    found = findings(rulebooks, consents=[other, own])["ALL-CONSENT"]
    assert (found.outcome, found.detail) == (
        FindingOutcome.PASS,
        "The consent of 2026-04-13T09:30:00Z for marketing stands.",
    )


@pytest.mark.parametrize("other", [{"purpose": "market-research"}, {"channel": "automated"}, {"sector": "energy"}])
def test_a_consent_for_something_else_hides_none_that_fits(rulebooks: Rulebooks, other: dict[str, Any]) -> None:
    """The order in which consents were recorded does not matter."""
    own = {"given_at": AT - timedelta(days=9)}
    found = findings(rulebooks, consents=[{**other, "given_at": AT - timedelta(days=3)}, own])
    assert found["ALL-CONSENT"].outcome is FindingOutcome.PASS


def test_a_rule_that_is_not_asked_says_so(rulebooks: Rulebooks) -> None:
    """A rule for recorded voices is told as not asked of a person; one of another state is not told at all."""
    assert findings(rulebooks)["IT-COC-16"].outcome is FindingOutcome.NOT_APPLICABLE
    american = {"number": "+12125550123", "campaign": {"region": "US", "caller_ids": ["+12125550199"]}}
    told = findings(rulebooks, **american)
    assert "US-HRS-01" in told
    assert "US-FL-HRS" not in told
    assert "US-FL-HRS" in findings(rulebooks, **{**american, "number": "+13055550123"})


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_no_finding_holds_a_number(case: Any, rulebooks: Rulebooks) -> None:
    """No sentence of an explanation holds a called or shown number beyond its last three digits."""
    call, campaign, facts = question(case.table)
    for finding in rulebooks.evaluate(call, campaign, facts).findings:
        for number in (call.number.e164, call.caller_id):
            assert number is None or number[-4:] not in finding.detail
