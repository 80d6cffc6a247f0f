"""`vaglio opposition …`, `vaglio consent …` and `vaglio withdrawal show`: facts in, shown, ended."""

from pathlib import Path
from typing import Any

import pytest

Shell = Any
NUMBER = "+393331230101"
AURORA = ("--controller", "aurora")
MARKETING = (*AURORA, "--purpose", "marketing")
GIVEN = ("--given-at", "2026-01-10T10:00:00+01:00", "--method", "web-form")


def verdict(shell: Shell, number: str = NUMBER) -> str:
    told = shell("check", number, "--campaign", "renewals", "--json").json
    return f"{told['verdict']} {told['reason']}"


def test_an_opposition_binds_from_the_next_question_and_is_shown(house: Shell) -> None:
    """The command prints the entry that announced it; the fact names that entry."""
    added = house("opposition", "add", NUMBER, *AURORA, "--evidence", "mail:1", "--json").json
    assert added["number"] == "…101"
    assert verdict(house) == "block OPPOSITION"
    (fact,) = house("opposition", "show", NUMBER, "--json").json
    assert (fact["controller"], fact["purpose"], fact["evidence_uri"]) == ("aurora", "*", "mail:1")
    assert house("audit", "show", str(fact["entry"])).json["id"] == added["entry"]


def test_a_complaint_is_an_opposition_with_that_channel(house: Shell) -> None:
    """Recorded as such, it binds as any other; without the option the channel is the command line."""
    assert house("opposition", "add", NUMBER, *AURORA, "--channel", "complaint").code == 0
    assert verdict(house) == "block OPPOSITION"
    assert house("opposition", "add", NUMBER, "--controller", "*").code == 0
    told = {one["channel"] for one in house("opposition", "show", NUMBER, "--json").json}
    assert told == {"complaint", "command-line"}
    refused = house("opposition", "add", NUMBER, *AURORA, "--channel", "a\nb")
    assert (refused.code, "--channel" in refused.line) == (2, True)


def test_an_opposition_to_everybody_binds_every_controller(house: Shell) -> None:
    """`*` stands for every principal served here."""
    assert house("opposition", "add", NUMBER, "--controller", "*").code == 0
    assert verdict(house) == "block OPPOSITION"


def test_an_opposition_for_another_purpose_does_not_bind(house: Shell) -> None:
    """A person who refuses marketing still hears of the contract."""
    assert house("opposition", "add", NUMBER, *MARKETING).code == 0
    assert verdict(house).startswith("allow")


def test_a_lifted_opposition_stays_on_record(house: Shell) -> None:
    """It binds no more, and the record tells when and on what evidence it was lifted."""
    house("opposition", "add", NUMBER, *AURORA)
    lifted = house("opposition", "lift", NUMBER, *AURORA, "--evidence", "call:7", "--json").json
    assert lifted["lifted"] == 1
    assert verdict(house).startswith("allow")
    (fact,) = house("opposition", "show", NUMBER, "--json").json
    assert (fact["lifted_evidence_uri"], fact["lifted_at"] > fact["opposed_at"]) == ("call:7", True)


def test_lifting_what_is_not_there_is_a_no(house: Shell) -> None:
    """Exit 1, one line."""
    done = house("opposition", "lift", NUMBER, *AURORA, "--evidence", "call:7")
    assert done.code == 1
    assert "nothing was lifted" in done.line


def test_lifting_needs_the_persons_own_later_act(house: Shell) -> None:
    """Without --evidence nothing is lifted."""
    house("opposition", "add", NUMBER, *AURORA)
    assert house("opposition", "lift", NUMBER, *AURORA).code == 2
    assert verdict(house) == "block OPPOSITION"


def test_a_consent_does_not_lift_an_opposition(house: Shell) -> None:
    """A later consent alone changes nothing."""
    house("opposition", "add", NUMBER, *AURORA)
    house("consent", "add", NUMBER, *AURORA, "--purpose", "service", *GIVEN)
    assert verdict(house) == "block OPPOSITION"


def test_an_import_counts_new_known_and_rejected_rows(house: Shell, tmp_path: Path) -> None:
    """Bad rows go to FILE.rejects.csv with line and field, never with the number; the command exits 0."""
    file = tmp_path / "more.csv"
    file.write_text(
        "number,controller,purpose,opposed_at\r\n"
        f"{NUMBER},aurora,*,2026-05-01T10:00:00Z\r\n"
        f"{NUMBER},aurora,*,2026-05-01T10:00:00Z\r\n"
        "3331230102,aurora,*,2026-05-01T10:00:00Z\r\n"
        "+393331230103,aurora,*,2026-05-01\r\n"
        "+393331230104,aurora,No Purpose,2026-05-01T10:00:00Z\r\n"
    )
    done = house("opposition", "import", file, "--json")
    told = done.json
    assert (done.code, told["read"], told["new"], told["unchanged"], told["rejected"]) == (0, 5, 1, 1, 3)
    rejects = (tmp_path / "more.csv.rejects.csv").read_text()
    assert [line.split(",")[:2] for line in rejects.splitlines()[1:]] == [
        ["4", "number"],
        ["5", "opposed_at"],
        ["6", "purpose"],
    ]
    assert "33312301" not in rejects
    assert verdict(house) == "block OPPOSITION"
    assert house("opposition", "import", file, "--region", "IT", "--json").json["new"] == 1
    assert verdict(house, "+393331230102") == "block OPPOSITION"


def test_a_consent_is_added_withdrawn_and_both_stay_on_record(house: Shell) -> None:
    """The withdrawal is a fact of its own, beside the consent."""
    added = house("consent", "add", NUMBER, *MARKETING, *GIVEN, "--evidence", "file:1.pdf", "--json").json
    assert added["number"] == "…101"
    (fact,) = house("consent", "show", NUMBER, "--json").json
    assert (fact["purpose"], fact["given_at"]) == ("marketing", "2026-01-10T09:00:00+00:00")
    assert house("consent", "withdraw", NUMBER, *MARKETING, "--evidence", "mail:2").code == 0
    (withdrawal,) = house("withdrawal", "show", NUMBER, "--json").json
    assert (withdrawal["purpose"], withdrawal["evidence_uri"]) == ("marketing", "mail:2")
    assert house("consent", "show", NUMBER, "--json").json == [fact]


def test_consents_are_imported_from_their_file(house: Shell, tmp_path: Path) -> None:
    """Columns go by name in any order, and the table shows what was loaded."""
    file = tmp_path / "consents.csv"
    file.write_text(
        "given_at,number,purpose,controller,method,evidence_uri\n"
        f"2026-01-10T10:00:00+01:00,{NUMBER},marketing,aurora,paper,scan:1\n"
    )
    assert house("consent", "import", file, "--json").json["new"] == 1
    assert "paper" in house("consent", "show", NUMBER).out


@pytest.mark.parametrize("kind", ["opposition", "consent", "withdrawal"])
def test_a_number_without_facts_is_a_no(house: Shell, kind: str) -> None:
    """Exit 1, one line, the number by its last three digits."""
    done = house(kind, "show", NUMBER)
    assert (done.code, done.line) == (1, f"vaglio: …101 has no {kind}")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("opposition", "add", NUMBER, "--controller", "nobody"), "controller list"),
        (("opposition", "add", NUMBER, *AURORA, "--purpose", "Marketing"), "--purpose"),
        (("opposition", "add", NUMBER, *AURORA, "--evidence", "a\nb"), "--evidence"),
        (("opposition", "add", "3331230101", *AURORA), "--region"),
        (("opposition", "add", "+39333", *AURORA), "…333"),
        (("consent", "add", NUMBER, *MARKETING, "--given-at", "2026-01-10", "--method", "x"), "--given-at"),
        (("consent", "add", NUMBER, *MARKETING, *GIVEN, "--expires-at", "2025-01-10T10:00:00Z"), "--expires-at"),
        (("consent", "add", NUMBER, *MARKETING, *GIVEN, "--evidence-sha256", "zz"), "--evidence-sha256"),
        (("consent", "add", NUMBER, *MARKETING, *GIVEN, "--sector", "Home Energy"), "--sector"),
        (("consent", "add", NUMBER, *MARKETING, *GIVEN, "--channel", "pigeon"), "--channel"),
        (("consent", "withdraw", NUMBER, "--controller", "nobody", "--purpose", "marketing"), "--controller"),
    ],
)
def test_a_bad_fact_is_one_line_and_changes_nothing(house: Shell, command: tuple[str, ...], told: str) -> None:
    """Exit 2; a purpose nobody's campaign can have would be an opposition that never binds."""
    before = house("audit", "tail", "--json").json
    done = house(*command)
    assert (done.code, done.out) == (2, "")
    assert told in done.line
    assert "3331230101" not in done.err
    assert house("audit", "tail", "--json").json == before
