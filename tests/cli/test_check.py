"""`vaglio check`: the whole explanation of a decision, and nothing written."""

from pathlib import Path
from typing import Any

import pytest

Shell = Any
OURS = "+390612345678"


def test_an_allowed_call_exits_zero_with_every_rule_that_was_asked(house: Shell) -> None:
    """The object has the keys of the public face, and each finding has its own."""
    done = house("check", "+393331230101", "--campaign", "renewals", "--json")
    assert (done.code, done.err) == (0, "")
    told = done.json
    assert {
        "verdict",
        "reason",
        "number",
        "campaign",
        "controller",
        "jurisdiction",
        "local_times",
        "rulebook",
        "findings",
    } <= told.keys()
    assert (told["verdict"], told["number"], told["jurisdiction"]) == ("allow", "+393331230101", "it")
    assert (told["campaign"], told["controller"]) == ("renewals", "aurora")
    assert list(told["local_times"]) == ["Europe/Rome"]
    assert told["rulebook"].startswith("it@")
    assert len(told["findings"]) > 5
    for finding in told["findings"]:
        assert finding.keys() == {"rule", "outcome", "reason", "detail", "citation", "evidence"}
        assert finding["outcome"] in {"pass", "block", "exempt", "not-applicable"}


def test_a_block_exits_one_and_names_rule_fact_and_law(house: Shell) -> None:
    """The blocking finding cites its law and the entry that announced the fact."""
    done = house("check", "+393331234567", "--campaign", "renewals", "--json")
    assert (done.code, done.err) == (1, "")
    assert (done.json["verdict"], done.json["reason"]) == ("block", "OPPOSITION")
    (finding,) = [one for one in done.json["findings"] if one["outcome"] == "block"]
    assert finding["citation"].startswith("GDPR art. 21")
    entry = house("audit", "show", finding["evidence"].removeprefix("entry:")).json
    assert entry["change"] == "opposition-import"


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("it", "La persona si è opposta"), ("fr_FR.UTF-8", "La personne s'est opposée"), ("xx", "The person")],
)
def test_a_person_reads_the_reason_in_their_language(house: Shell, language: str, sentence: str) -> None:
    """English, Italian and French; English where the language is none of them."""
    done = house("check", "+393331234567", "--campaign", "renewals", "--language", language)
    assert sentence in done.out


@pytest.mark.parametrize(
    ("number", "options", "reason", "e164"),
    [
        ("00393331234567", (), "OPPOSITION", "+393331234567"),
        ("333 123 4567", (), "OPPOSITION", "+393331234567"),
        ("+442079460999", (), "OPPOSITION", "+442079460999"),
        ("+39333", (), "NUMBER_INVALID", None),
        ("", (), "NUMBER_INVALID", None),
        ("+393331230101", ("--caller-id", "+390699999999"), "CALLER_ID_NOT_ALLOWED", "+393331230101"),
        ("+393331230101", ("--caller-id", ""), "CALLER_ID_NOT_ALLOWED", "+393331230101"),
    ],
)
def test_blocks_are_told_by_their_reason(
    house: Shell, number: str, options: tuple[str, ...], reason: str, e164: str | None
) -> None:
    """The number is read as the dialplan would pass it; exit 1."""
    done = house("check", number, "--campaign", "renewals", *options, "--json")
    assert (done.code, done.json["reason"], done.json["number"]) == (1, reason, e164)


def test_an_unknown_campaign_is_a_block_without_controller_and_law(house: Shell) -> None:
    """The answer is a decision, not an error."""
    done = house("check", "+393331230101", "--campaign", "none", "--json")
    assert (done.code, done.json["reason"]) == (1, "CAMPAIGN_UNKNOWN")
    assert (done.json["controller"], done.json["rulebook"], done.json["local_times"]) == (None, None, {})


@pytest.mark.parametrize("number", ["112", "118"])
def test_an_emergency_number_passes_whatever_the_campaign(house: Shell, number: str) -> None:
    """Nothing else is asked."""
    done = house("check", number, "--campaign", "none", "--json")
    assert (done.code, done.json["reason"], len(done.json["findings"])) == (0, "EMERGENCY_NUMBER", 1)


def test_at_asks_for_another_instant_and_its_facts(house: Shell) -> None:
    """An opposition of March does not bind a call of January; from its own instant on it does."""
    asked = ("check", "+393331234567", "--campaign", "renewals", "--json", "--at")
    assert house(*asked, "2026-01-15T10:00:00+01:00").json["verdict"] == "allow"
    assert house(*asked, "2026-03-02T09:14:59+01:00").json["verdict"] == "allow"
    told = house(*asked, "2026-03-02T09:15:00+01:00").json
    assert told["reason"] == "OPPOSITION"
    assert told["local_times"] == {"Europe/Rome": "2026-03-02T09:15:00+01:00"}


@pytest.mark.parametrize("at", ["2026-01-15", "2026-01-15T10:00:00", "yesterday", ""])
def test_at_needs_a_time_with_its_zone(house: Shell, at: str) -> None:
    """One line names the option and what it expects."""
    done = house("check", "+393331230101", "--campaign", "renewals", "--at", at)
    assert done.code == 2
    assert "--at" in done.line


def test_a_person_reads_verdict_local_time_and_findings(house: Shell) -> None:
    """Without --json the same is told in lines."""
    out = house("check", "+393331234567", "--campaign", "renewals").out
    assert out.startswith("BLOCK  OPPOSITION\n")
    assert "(Europe/Rome)" in out
    assert "GDPR art. 21" in out


def test_checking_writes_nothing(house: Shell, home: Path) -> None:
    """Neither database changes by a byte, and the log gets no entry."""
    files = [home / "audit.db", home / "audit.db-wal", home / "index.db", home / "index.db-wal"]
    before = [file.read_bytes() if file.exists() else b"" for file in files]
    house("check", "+393331230101", "--campaign", "renewals")
    house("check", "+393331234567", "--campaign", "renewals", "--json")
    assert [file.read_bytes() if file.exists() else b"" for file in files] == before
