"""What the Gosub asks, which answers it believes, and how a call ends."""

import re
from collections.abc import Callable

import pytest

from lab.pbx import Pbx, eventually
from lab.peer import Conversation, Peer, allow, block, failure

pytestmark = [pytest.mark.pbx, pytest.mark.every_asterisk]

DECISION = "01JZ0000000000000000000000"


def test_an_allowed_call_reaches_the_trunk_with_its_decision_id(pbx: Pbx, number: str) -> None:
    """The trunk gets one INVITE, and it carries the decision id."""
    with Peer(allow) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        assert pbx.dial(number).status == 200
    assert [invite.decision for invite in pbx.saw(number)] == [DECISION]


def test_a_blocked_call_is_declined_and_the_trunk_gets_nothing(pbx: Pbx, number: str) -> None:
    """A verdict of block is SIP 603."""
    with Peer(block) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        assert pbx.dial(number).status == 603
    assert pbx.saw(number) == []


def test_the_decision_id_stands_in_the_call_detail_record(pbx: Pbx, number: str, other: str) -> None:
    """An allowed and a blocked call both name their decision in the CDR's userfield."""
    allowed, blocked = "01JZALLOWED000000000000000", "01JZBLOCKED000000000000000"
    answers = {number: ("allow", allowed), other: ("block", blocked)}

    def answer(conversation: Conversation) -> None:
        word, decision = answers[conversation.arguments[0]]
        conversation.verdict(word, decision=decision)

    with Peer(answer) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        pbx.dial(number)
        pbx.dial(other)
    eventually(lambda: {allowed, blocked} <= set(re.findall("01JZ[A-Z]+0+", pbx.asterisk.cdr)))


def test_the_question_holds_number_campaign_and_caller_id(pbx: Pbx, number: str) -> None:
    """The arguments of `/screen` are those of the contract, without a secret where none is set."""
    with Peer(allow) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        pbx.dial(number, campaign="energy-2.b", caller_id="+39021234")
    assert [asked.arguments for asked in peer.asked()] == [[number, "energy-2.b", "+39021234"]]


def test_a_caller_id_handed_over_takes_the_place_of_the_channels(pbx: Pbx, number: str) -> None:
    """The third argument of the Gosub is the caller id that is judged."""
    with Peer(allow) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        pbx.dial(f"*9*{number}*+39065555", caller_id="+39021234")
    assert peer.asked()[0].arguments == [number, "energy", "+39065555"]


def test_the_secret_goes_along_where_one_is_set(pbx: Pbx, number: str) -> None:
    """The secret is the fourth argument."""
    with Peer(allow) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address, VAGLIO_SECRET="s3cret")
        assert pbx.dial(number).status == 200
    assert peer.asked()[0].arguments == [number, "energy", "0399123456", "s3cret"]


def test_a_secret_holds_its_place_behind_an_unknown_caller(pbx: Pbx, number: str) -> None:
    """A call without a caller id does not shift the secret."""
    with Peer(allow) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address, VAGLIO_SECRET="s3cret")
        pbx.dial(number, caller_id="anonymous")
    assert peer.asked()[0].arguments == [number, "energy", "", "s3cret"]


def test_a_campaign_name_with_odd_characters_becomes_no_other_campaign(pbx: Pbx, number: str) -> None:
    """What is no campaign id is asked for as none, not as the id left over after filtering."""
    with Peer(allow) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        pbx.dial(number, campaign="ene/rgy")
    assert peer.asked()[0].arguments[1] == ""


def _cut_off(conversation: Conversation) -> None:
    line = (
        f"EXEC MSet VAGLIO=allow:{conversation.uniqueid}:{DECISION},VAGLIO_REASON=CONSENT,VAGLIO_DECISION=01JZ00"
    )
    conversation.send(line.encode())


def _cut_off_in_the_token(conversation: Conversation) -> None:
    conversation.send(f"EXEC MSet VAGLIO=allow:{conversation.uniqueid}:01JZ".encode())


def _cut_off_after_the_call(conversation: Conversation) -> None:
    conversation.send(f"EXEC MSet VAGLIO=allow:{conversation.uniqueid}:".encode())


def _another_call(conversation: Conversation) -> None:
    conversation.verdict("allow", uniqueid="1700000000.1")


def _another_decision(conversation: Conversation) -> None:
    conversation.set(
        VAGLIO=f"allow:{conversation.uniqueid}:01JZ0000000000000000000001",
        VAGLIO_REASON="CONSENT",
        VAGLIO_DECISION=DECISION,
    )


def _short_decision(conversation: Conversation) -> None:
    conversation.verdict("allow", decision="01JZ")


def _another_word(conversation: Conversation) -> None:
    conversation.verdict("allowed")


def _bare_word(conversation: Conversation) -> None:
    conversation.set(VAGLIO="allow", VAGLIO_REASON="CONSENT", VAGLIO_DECISION=DECISION)


def _its_own_pass(conversation: Conversation) -> None:
    number = conversation.arguments[0].removeprefix("+")
    conversation.set(__VAGLIO_PASS=f"allow:{conversation.uniqueid}:{DECISION}:{number}")


def _nothing(conversation: Conversation) -> None:
    assert conversation.route == "screen"


def _rubbish(conversation: Conversation) -> None:
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>\x00\xff</html>\n")


def _an_expression(conversation: Conversation) -> None:
    conversation.set(VAGLIO='x" = "x" | "1', VAGLIO_REASON="R", VAGLIO_DECISION=DECISION)


@pytest.mark.parametrize(
    "script",
    [
        failure,
        _cut_off,
        _cut_off_in_the_token,
        _cut_off_after_the_call,
        _another_call,
        _another_decision,
        _short_decision,
        _another_word,
        _bare_word,
        _its_own_pass,
        _nothing,
        _rubbish,
        _an_expression,
    ],
)
def test_only_the_whole_token_of_this_call_is_a_verdict(
    pbx: Pbx, number: str, script: Callable[[Conversation], None]
) -> None:
    """Anything else is no verdict: SIP 503, and the trunk gets nothing."""
    with Peer(script) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        assert pbx.dial(number).status == 503
        assert len(peer.asked()) == 1
    assert pbx.saw(number) == []


def test_an_earlier_allow_is_not_taken_for_the_next_call_of_the_channel(pbx: Pbx, number: str, other: str) -> None:
    """A second Gosub whose peer says nothing ends the call, though the first was allowed."""

    def only_first(conversation: Conversation) -> None:
        if conversation.arguments[0] == number:
            allow(conversation)

    with Peer(only_first) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        pbx.dial(f"*10*{number}*{other}")
        assert [asked.arguments[0] for asked in peer.asked()] == [number, other]
    assert len(pbx.saw(number)) == 1
    assert pbx.saw(other) == []


def test_the_sip_header_can_be_left_off(pbx: Pbx, number: str) -> None:
    """With VAGLIO_SIP_HEADER=no the call goes out without X-Vaglio-Decision."""
    with Peer(allow) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address, VAGLIO_SIP_HEADER="no")
        assert pbx.dial(number).status == 200
    assert [invite.decision for invite in pbx.saw(number)] == [None]


@pytest.mark.parametrize(
    "name", ["Rossi, Mario, detto Vaglio", "Zoë Ærø 电话", "${SHELL(touch /tmp/x)}", "allow:1:2|&"]
)
def test_a_display_name_changes_no_verdict(pbx: Pbx, number: str, name: str) -> None:
    """Commas, UTF-8 and dialplan syntax in CALLERID(name) leave question and verdict as they are."""
    with Peer(block) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        assert pbx.dial(number, name=name).status == 603
        assert peer.asked()[0].arguments == [number, "energy", "0399123456"]


@pytest.mark.parametrize("tail", ["&", "${", "${EXTEN}", "${SYSTEM(x)}", "|", "$[1+1]", "é", ")", "'", "^"])
def test_dialplan_characters_in_a_number_are_never_executed(pbx: Pbx, number: str, tail: str) -> None:
    """The service is asked about the digits alone, and its verdict stands."""
    with Peer(block) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        assert pbx.dial(f"*4*{number}{tail}").status == 603
        asked = peer.asked()[0].arguments
    assert asked[1:] == ["energy", "0399123456"]
    assert asked[0].startswith(number)
    assert set(asked[0]) <= set("+0123456789")
    assert pbx.saw(number) == []


@pytest.mark.parametrize("tail", ["(", "\\"])
def test_a_number_that_swallows_the_campaign_is_asked_without_one(pbx: Pbx, number: str, tail: str) -> None:
    """Asterisk itself joins the Gosub's arguments at these: the question then names no campaign."""
    with Peer(block) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        assert pbx.dial(f"*4*{number}{tail}").status == 603
    assert peer.asked()[0].arguments[1] == ""


def test_a_number_cannot_become_two(pbx: Pbx, number: str, other: str) -> None:
    """`A&PJSIP/B@trunk` is one odd number to the service, and what the pass names is not dialled twice."""
    with Peer(allow) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        pbx.dial(f"*4*{number}&PJSIP/{other}")
    assert pbx.saw(number) == []
    assert pbx.saw(other) == []
