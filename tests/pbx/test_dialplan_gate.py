"""The second gate: a pass opens the trunk for its own number and for no other."""

import pytest

from lab.pbx import Pbx
from lab.peer import Conversation, Peer, allow, block

pytestmark = [pytest.mark.pbx, pytest.mark.every_asterisk]

DECISION = "01JZ0000000000000000000000"


def _open_all(pbx: Pbx, peer: Peer) -> None:
    pbx.set(VAGLIO_ADDRESS=peer.address)


def test_a_leg_without_a_pass_never_leaves(pbx: Pbx, number: str) -> None:
    """A Dial whose author forgot the Gosub ends CHANUNAVAIL, and the trunk gets nothing."""
    pbx.dial(f"*6*{number}")
    assert pbx.saw(number) == []
    assert pbx.stored("test", "status") == "CHANUNAVAIL"


def test_a_second_dial_needs_a_verdict_of_its_own(pbx: Pbx, number: str, other: str) -> None:
    """Of two Dials in one call only the number that was allowed goes out."""
    with Peer(allow) as peer:
        _open_all(pbx, peer)
        pbx.dial(f"*1*{number}*{other}")
    assert len(pbx.saw(number)) == 1
    assert pbx.saw(other) == []


def test_the_same_number_may_be_dialled_again_in_the_call(pbx: Pbx, number: str) -> None:
    """A retry within the call is the call that was allowed."""
    with Peer(allow) as peer:
        _open_all(pbx, peer)
        pbx.dial(f"*1*{number}*{number}")
        assert len(peer.asked()) == 1
    assert [invite.decision for invite in pbx.saw(number)] == [DECISION] * 2


def test_a_pass_goes_through_a_local_channel(pbx: Pbx, number: str) -> None:
    """The verdict given before a Local channel opens the trunk behind it, decision id included."""
    with Peer(allow) as peer:
        _open_all(pbx, peer)
        assert pbx.dial(f"*2*{number}*{number}").status == 200
    assert [invite.decision for invite in pbx.saw(number)] == [DECISION]


def test_another_number_behind_a_local_channel_is_stopped(pbx: Pbx, number: str, other: str) -> None:
    """A Local channel that dials what was not asked for reaches no trunk."""
    with Peer(allow) as peer:
        _open_all(pbx, peer)
        assert pbx.dial(f"*2*{number}*{other}").status != 200
    assert pbx.saw(other) == []


def test_a_number_changed_after_the_verdict_is_stopped(pbx: Pbx, number: str, other: str) -> None:
    """Allowed is the number that was asked for, not the call."""
    with Peer(allow) as peer:
        _open_all(pbx, peer)
        assert pbx.dial(f"*3*{number}*{other}").status != 200
    assert pbx.saw(other) == []


def test_of_two_numbers_rung_at_once_only_the_allowed_one_rings(pbx: Pbx, number: str, other: str) -> None:
    """Each leg of a forked Dial is judged by itself."""
    with Peer(allow) as peer:
        _open_all(pbx, peer)
        assert pbx.dial(f"*7*{number}*{other}").status == 200
    assert len(pbx.saw(number)) == 1
    assert pbx.saw(other) == []


@pytest.mark.parametrize("prefix", ["9", "00", "0"])
def test_a_trunk_prefix_before_the_allowed_digits_is_the_same_number(pbx: Pbx, number: str, prefix: str) -> None:
    """Prefixes stand before the digits of the pass and change nothing."""
    dialled = prefix + number.removeprefix("+")
    with Peer(allow) as peer:
        _open_all(pbx, peer)
        assert pbx.dial(f"*3*{number}*{dialled}").status == 200
    assert [invite.decision for invite in pbx.saw(dialled)] == [DECISION]


def test_digits_after_the_allowed_ones_are_another_number(pbx: Pbx, number: str) -> None:
    """A pass matches the end of what is dialled, not its beginning."""
    with Peer(allow) as peer:
        _open_all(pbx, peer)
        assert pbx.dial(f"*3*{number}*{number}5").status != 200
    assert pbx.saw(f"{number}5") == []


def test_a_leading_zero_makes_another_pass(pbx: Pbx) -> None:
    """Digits are compared as text: 0612345670 does not open 612345670."""
    with Peer(allow) as peer:
        _open_all(pbx, peer)
        assert pbx.dial("*3*0612345670*612345670").status != 200
    assert pbx.saw("612345670") == []


def test_112_passes_both_gates_with_nothing_running(pbx: Pbx) -> None:
    """No service, no standby, no policy: the emergency call goes out, marked as one."""
    before = len(pbx.saw("112"))
    assert pbx.dial("112").status == 200
    assert [invite.decision for invite in pbx.saw("112")[before:]] == ["emergency"]


def test_112_goes_out_without_asking_anybody(pbx: Pbx) -> None:
    """An emergency call waits for no verdict, not even a blocking one."""
    with Peer(block) as peer:
        _open_all(pbx, peer)
        assert pbx.dial("112", campaign="").status == 200
        assert peer.conversations == []


def test_112_goes_through_a_local_channel(pbx: Pbx) -> None:
    """The emergency pass is inherited like any other."""
    before = len(pbx.saw("112"))
    assert pbx.dial("*2*112*112").status == 200
    assert len(pbx.saw("112")) == before + 1


def test_an_emergency_pass_opens_no_number_that_ends_alike(pbx: Pbx) -> None:
    """After a pass for 112 a subscriber's number ending in 112 still needs its own verdict."""
    assert pbx.dial("*3*112*+393331234112").status != 200
    assert pbx.saw("+393331234112") == []


@pytest.mark.parametrize("dialled", ["1120", "0112", "1", "11"])
def test_a_number_that_only_resembles_112_is_screened(pbx: Pbx, dialled: str) -> None:
    """The emergency set is exact."""
    with Peer(block) as peer:
        _open_all(pbx, peer)
        assert pbx.dial(dialled).status == 603
        assert peer.asked()[0].arguments[0] == dialled


def test_an_empty_number_is_no_emergency(pbx: Pbx) -> None:
    """What holds no digit at all is asked for and, with nobody there, refused."""
    pbx.policy("energy", "allow")
    assert pbx.dial("*4*abc").status == 503
    assert pbx.kept() == []


def test_a_verdict_lasts_for_its_call_only(pbx: Pbx, number: str) -> None:
    """The next call to the same number is asked again."""

    def once(conversation: Conversation) -> None:
        (allow if len(peer.asked()) == 1 else block)(conversation)

    with Peer(once) as peer:
        _open_all(pbx, peer)
        assert [pbx.dial(number).status, pbx.dial(number).status] == [200, 603]
    assert len(pbx.saw(number)) == 1


def test_what_the_gate_stops_is_logged_without_the_number(pbx: Pbx, number: str) -> None:
    """The warning names the channel and the last three digits, never the number."""
    before = len(pbx.asterisk.log)
    pbx.dial(f"*6*{number}")
    lines = [line for line in pbx.asterisk.log[before:].splitlines() if "stopped a leg" in line]
    assert len(lines) == 1
    assert f"...{number[-3:]} " in lines[0]
    assert number[1:] not in lines[0]


def test_the_dialplan_loads_without_a_complaint(pbx: Pbx) -> None:
    """Asterisk reads every line as it was meant: an unescaped `;`, say, would cut one short."""
    assert [line for line in pbx.asterisk.log.splitlines() if "pbx_config.c" in line] == []
