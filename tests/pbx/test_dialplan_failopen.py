"""The failure policy: who is let out unscreened, and how the log learns of it."""

import time
from collections.abc import Iterator

import pytest

from lab.pbx import Pbx, eventually
from lab.peer import Conversation, Peer, allow
from lab.sipp import Call, place

pytestmark = [pytest.mark.pbx, pytest.mark.every_asterisk]


def _takes_over(conversation: Conversation) -> None:
    if conversation.route == "ping":
        conversation.set(VAGLIO_PONG="0")
    elif conversation.route == "failed":
        conversation.set(VAGLIO_TAKEN="7")
    else:
        allow(conversation)


@pytest.mark.parametrize("text", ["block", "", "allow\n", "allowed", "ALLOW", "al", '"|1|"', "deny"])
def test_anything_but_allow_is_a_block(pbx: Pbx, number: str, text: str) -> None:
    """A policy file that does not hold exactly `allow` refuses the call."""
    pbx.policy("energy", text)
    assert pbx.dial(number).status == 503
    assert pbx.saw(number) == []
    assert pbx.kept() == []


def test_a_campaign_without_a_policy_is_a_block(pbx: Pbx, number: str) -> None:
    """No file means nobody ever accepted the risk."""
    pbx.policy("another", "allow")
    assert pbx.dial(number).status == 503
    assert pbx.saw(number) == []


@pytest.mark.parametrize("campaign", ["", ".", "..", "../energy", "ene rgy", "energy/"])
def test_a_campaign_name_cannot_reach_another_policy(pbx: Pbx, number: str, campaign: str) -> None:
    """Only a name that is an id as it stands names a file."""
    pbx.policy("energy", "allow")
    assert pbx.dial(number, campaign=campaign).status == 503
    assert pbx.saw(number) == []


def test_a_call_let_out_is_marked_and_kept(pbx: Pbx, number: str) -> None:
    """With `allow` the call goes out as `failopen`, and AstDB keeps number, campaign, caller id, call and time."""
    pbx.policy("energy", "allow")
    began = int(time.time())
    assert pbx.dial(number).status == 200
    assert [invite.decision for invite in pbx.saw(number)] == ["failopen"]
    (entry,) = pbx.kept()
    fields = entry.split(",")
    assert fields[:3] == [number, "energy", "0399123456"]
    assert began <= int(fields[4]) <= time.time()


def test_a_pass_given_by_the_policy_opens_no_other_number(pbx: Pbx, number: str, other: str) -> None:
    """The second gate knows no exception for calls let out unscreened."""
    pbx.policy("energy", "allow")
    assert pbx.dial(f"*3*{number}*{other}").status != 200
    assert pbx.saw(other) == []


def test_two_calls_let_out_on_one_channel_are_two_entries(pbx: Pbx, number: str, other: str) -> None:
    """A second number on the same channel does not overwrite the first one's entry."""
    pbx.policy("energy", "allow")
    pbx.dial(f"*10*{number}*{other}")
    assert [entry.split(",")[0] for entry in sorted(pbx.kept())] == [number, other]


def test_kept_calls_are_handed_over_without_another_call(pbx: Pbx, number: str) -> None:
    """When the service is back it gets each entry by itself, and only then AstDB forgets it."""
    pbx.policy("energy", "allow")
    pbx.dial(number)
    (entry,) = pbx.kept()
    with Peer(_takes_over) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        eventually(lambda: not pbx.kept())
        assert [asked.arguments for asked in peer.asked("failed")] == [entry.split(",")]
        assert peer.asked() == []


def test_an_entry_the_service_does_not_acknowledge_is_kept_alone(pbx: Pbx, number: str, other: str) -> None:
    """Without an entry id in the answer an entry stays, and the others are handed over, secret included."""

    def refuses_one(conversation: Conversation) -> None:
        if conversation.route != "failed" or conversation.arguments[0] != number:
            _takes_over(conversation)

    pbx.policy("energy", "allow")
    pbx.dial(number)
    pbx.dial(other)
    with Peer(refuses_one) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address, VAGLIO_SECRET="s3cret")
        eventually(lambda: [entry.split(",")[0] for entry in pbx.kept()] == [number])
        assert {asked.arguments[-1] for asked in peer.asked("failed")} == {"s3cret"}


def test_a_call_is_not_made_to_wait_for_the_hand_over(pbx: Pbx, number: str, other: str) -> None:
    """While entries are kept, calls are let out as fast as before and one hand-over is at work, not several."""
    pbx.policy("energy", "allow")
    pbx.dial(number)
    assert pbx.dial(other).ms < 400
    channels = pbx.asterisk.cli("core show channels concise")
    assert len([line for line in channels.splitlines() if "!vaglio-handover!s!" in line]) == 1


def test_kept_calls_survive_a_restart_of_asterisk(pbx: Pbx, number: str) -> None:
    """After a restart they are handed over without a call: AstDB holds them and the start wakes the hand-over."""
    pbx.policy("energy", "allow")
    pbx.dial(number)
    (entry,) = pbx.kept()
    pbx.asterisk.restart()
    with Peer(_takes_over, port=pbx.asterisk.ports.service) as peer:
        eventually(lambda: not pbx.kept())
        assert [asked.arguments for asked in peer.asked("failed")] == [entry.split(",")]


def test_many_kept_calls_are_each_handed_over_once(pbx: Pbx, unused_numbers: Iterator[int]) -> None:
    """More entries than a dialplan variable can hold: none is lost, none comes twice."""
    pbx.policy("energy", "allow")
    numbers = [f"+39333{next(unused_numbers):07d}" for _ in range(400)]
    results = place(pbx.asterisk.ports.sip, [Call(number, "energy", "0399123456") for number in numbers], rate=150)
    assert {result.status for result in results} == {200}
    with Peer(_takes_over) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        eventually(lambda: not pbx.kept())
        assert sorted(asked.arguments[0] for asked in peer.asked("failed")) == numbers
