"""Oppositions that come in while calls run: what was said in a call or typed at a shell binds the next call."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.agi_client import call
from lab.house import OURS, House
from lab.pbx import eventually
from lab.sipp import Call, place

pytestmark = pytest.mark.pbx

ROWS = 50_000


def oppose(house: House, told: str, campaign: str = "renewals") -> str:
    """What the agent's key does: the entry id of the opposition."""
    outcome = asyncio.run(call("127.0.0.1", house.vaglio.port, "oppose", told, campaign, watchdog_seconds=5.0))
    return outcome.variables["VAGLIO_OPPOSED"]


def test_an_opposition_typed_at_a_shell_blocks_the_next_call(house: House, number: str) -> None:
    """From the moment the command has ended, at most a second later."""
    assert house.dial(number).status == 200
    house.vaglio.run("opposition", "add", number, "--controller", "aurora")
    ended = time.monotonic()
    assert house.dial(number).status == 603
    assert time.monotonic() - ended < 2
    assert len(house.pbx.saw(number)) == 1
    assert house.decision(number)["reason"] == "OPPOSITION"


def test_a_lifted_opposition_opens_the_number_again(house: House, number: str) -> None:
    """The lift is an act of its own, and binds as fast."""
    house.vaglio.run("opposition", "add", number, "--controller", "aurora")
    assert house.dial(number).status == 603
    house.vaglio.run("opposition", "lift", number, "--controller", "aurora", "--evidence", "call:1")
    assert house.dial(number).status == 200


@pytest.mark.parametrize("by", ["number", "decision"])
def test_an_opposition_voiced_in_a_call_blocks_the_next_one(house: House, number: str, by: str) -> None:
    """By the called number or by the decision id that the channel still has; the answer is the entry's id."""
    assert house.dial(number).status == 200
    (invite,) = house.pbx.saw(number)
    entry = oppose(house, number if by == "number" else str(invite.decision))
    assert house.dial(number).status == 603
    assert house.dial(number, "outage-notice").status == 603
    announced = next(one for one in house.vaglio.entries("change-announced") if one["id"] == entry)
    assert (announced["change"], announced["controller"]) == ("opposition", "aurora")
    assert announced["number"]["last3"] == number[-3:]
    eventually(lambda: entry in {one["ref"] for one in house.vaglio.entries("change-confirmed")})
    (fact,) = house.vaglio.json("opposition", "show", number)
    assert (fact["purpose"], fact["channel"], fact["entry"]) == ("*", "call", announced["seq"])


def test_an_opposition_to_one_principal_leaves_others_alone(house: House, number: str) -> None:
    """The campaign names whose calls are refused; a wrong campaign records nothing."""
    before = len(house.vaglio.entries("change-announced"))
    outcome = asyncio.run(
        call("127.0.0.1", house.vaglio.port, "oppose", number, "no-such-campaign", watchdog_seconds=5.0)
    )
    assert outcome.variables == {}
    assert len(house.vaglio.entries("change-announced")) == before
    assert house.dial(number).status == 200


def test_calls_are_screened_while_a_large_file_is_imported(
    house: House, tmp_path: Path, unused_numbers: Iterator[int]
) -> None:
    """Another process writes both databases: verdicts keep coming, and its rows bind once it has ended."""
    file = tmp_path / "many.csv"
    rows = "\n".join(f"+3934{index:08d},aurora,*,2026-05-01T10:00:00Z" for index in range(ROWS))
    file.write_text(f"number,controller,purpose,opposed_at\n{rows}\n")
    statuses = []
    importing = house.vaglio.begin("opposition", "import", str(file))
    try:
        while importing.poll() is None:
            calls = [Call(f"+39335{next(unused_numbers):07d}", "renewals", OURS) for _ in range(20)]
            statuses += [result.status for result in place(house.pbx.asterisk.ports.sip, calls, rate=40)]
    finally:
        importing.kill()
        importing.wait(timeout=10)
    assert importing.returncode == 0
    assert len(statuses) >= 20
    assert set(statuses) == {200}
    confirmed = house.vaglio.entries("change-confirmed")[-1]
    assert (confirmed["file"], confirmed["rejected"]) == ("many.csv", ROWS - confirmed["new"])
    assert house.dial("+393400000001").status == 603
