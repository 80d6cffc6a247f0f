"""Calls through the real service: what the log holds of them afterwards, and what a hostile name changes."""

from pathlib import Path

import pytest

from lab.house import House
from lab.pbx import eventually

pytestmark = pytest.mark.pbx


def deliveries(house: House, decision: object) -> int:
    return len([entry for entry in house.vaglio.entries("delivery") if entry["ref"] == decision])


def test_an_allow_has_its_delivery_on_record(house: House, number: str) -> None:
    """Asterisk's confirmation of the verdict is an entry of its own, and the CDR names the decision."""
    assert house.dial(number).status == 200
    (invite,) = house.pbx.saw(number)
    decision = house.decision(number)
    assert (decision["id"], decision["verdict"]) == (invite.decision, "allow")
    eventually(lambda: deliveries(house, decision["id"]) == 1)
    eventually(lambda: f'"{decision["id"]}"' in house.pbx.asterisk.cdr)


def test_a_block_has_its_delivery_on_record_and_no_invite(house: House) -> None:
    """The caller hears 603, and the log knows that the dialplan was told."""
    assert house.dial("+393331234567").status == 603
    assert house.pbx.saw("+393331234567") == []
    decision = house.decision("+393331234567")
    assert decision["verdict"] == "block"
    eventually(lambda: deliveries(house, decision["id"]) == 1)


def test_the_recorded_decision_tells_question_facts_and_findings(house: House) -> None:
    """Who asked, what was known, every rule asked, under which rulebook and generation of the facts."""
    assert house.dial("+393331234567").status == 603
    decision = house.decision("+393331234567")
    assert decision["campaign"] == "renewals"
    assert decision["controller"] == "aurora"
    assert decision["caller_id"] == "+390612345678"
    assert decision["number"].keys() >= {"commitment", "last3", "country", "kind"}
    assert decision["rulebook"].startswith("it@")
    assert decision["generation"] > 0
    assert [one["rule"] for one in decision["findings"] if one["outcome"] == "block"] == ["ALL-OPPOSITION"]
    announced = {entry["seq"]: entry["change"] for entry in house.vaglio.entries("change-announced")}
    assert [announced[seq] for seq in decision["facts"]["oppositions"]] == ["opposition-import"]
    assert decision["timings"].keys() == {"facts", "rules"}


@pytest.mark.parametrize(
    "name",
    [
        "Rossi, Anna",
        "Müller-Çelik, Ærø 電話",
        "${SHELL(touch {mark})}",
        "${VAGLIO_SECRET}",
        "$[1 + 1]",
        'a "quoted" \\ name',
        "agi_arg_1: +393331234567",
        "allow:1.1:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "a&b|c@d,1,2)",
        "x" * 300,
    ],
)
def test_a_name_changes_no_verdict(house: House, number: str, tmp_path: Path, name: str) -> None:
    """Whatever stands in CALLERID(name): an allow stays an allow, a block a block, nothing is executed."""
    mark = tmp_path / "executed"
    name = name.replace("{mark}", str(mark))
    assert house.dial(number, name=name).status == 200
    (invite,) = house.pbx.saw(number)
    assert house.decision(number)["id"] == invite.decision
    assert house.dial("+393331234567", name=name).status == 603
    assert not mark.exists()


@pytest.mark.parametrize("tail", ["&PJSIP/112@trunk", "${EXTEN}", "|x", "@trunk", ",x", "$[x]"])
def test_dialplan_characters_in_a_number_reach_nobody_else(house: House, tail: str) -> None:
    """What an agent's phone adds to an opposed number neither opens it nor another one."""
    before = len(house.pbx.trunk.invites())
    assert house.dial(f"+393331234567{tail}").status >= 400
    assert len(house.pbx.trunk.invites()) == before
