"""The guard's judgement as a pure function: which legs have a pass of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaglio.pbx.events import DialBegin, Pass
from vaglio.pbx.guard import Allow, Passes, Standing, dialled_digits, dialled_text, judge, trunk_of

NUMBER = "393331234567"
DECISION = "01JZ0000000000000000000000"
EMERGENCY = frozenset({"112", "118", "911"})
CALL = {"1.1", "1.0"}


def leg(dialled: str = f"+{NUMBER}@trunk", claim: Pass | None = None, caller: str = "1.1") -> DialBegin:
    return DialBegin(caller, "1.0", "PJSIP/trunk-00000001", "1.2", dialled, claim)


def allow(unique_id: str = "1.1", digits: str = NUMBER) -> Allow:
    return Allow(DECISION, unique_id, digits, "renewals")


def test_an_allow_for_this_channel_and_number_is_a_pass() -> None:
    """The screened call raises nothing, and its decision is known."""
    judged = judge(leg(), CALL, [allow()], EMERGENCY)
    assert (judged.standing, judged.allow) == (Standing.ALLOWED, allow())


def test_an_allow_for_the_linked_channel_is_a_pass() -> None:
    """A Local channel in between changes the caller, not the call."""
    assert judge(leg(), CALL, [allow("1.0")], EMERGENCY).standing is Standing.ALLOWED


@pytest.mark.parametrize(
    "known",
    [
        [],
        [allow("9.9")],
        [allow(digits="393330000000")],
        [allow(digits=f"{NUMBER}0")],
        [allow(digits="")],
    ],
)
def test_no_allow_of_another_call_or_number_opens_the_trunk(known: list[Allow]) -> None:
    """A verdict lasts for its call and its number."""
    assert judge(leg(), CALL, known, EMERGENCY).standing is Standing.UNSCREENED


def test_a_claim_on_the_channel_alone_is_nothing() -> None:
    """Anybody who may originate can write the variable."""
    claim = Pass("allow", "1.1", DECISION, NUMBER)
    assert judge(leg(claim=claim), CALL, [], EMERGENCY).standing is Standing.UNSCREENED


def test_a_leg_without_caller_has_no_pass() -> None:
    """Originate and call files dial before any dialplan runs."""
    assert judge(leg(caller=""), {"1.2"}, [allow()], EMERGENCY).standing is Standing.UNSCREENED


@pytest.mark.parametrize("dialled", ["112@trunk", "+112@trunk", "trunk/112", "g1/118"])
def test_an_emergency_number_needs_no_pass(dialled: str) -> None:
    """However the trunk is written."""
    assert judge(leg(dialled), CALL, [], EMERGENCY).standing is Standing.EMERGENCY


def test_an_emergency_number_behind_a_prefix_needs_its_pass() -> None:
    """The gate's pass says what the prefix hides."""
    claim = Pass("emergency", "1.1", "", "112")
    assert judge(leg("0112@trunk", claim), CALL, [], EMERGENCY).standing is Standing.EMERGENCY


def test_what_may_be_an_emergency_call_is_never_hung_up() -> None:
    """Behind a prefix and without a pass it is recorded, and lives."""
    judged = judge(leg("0112@trunk"), CALL, [], EMERGENCY)
    assert (judged.standing, judged.may_be_emergency) == (Standing.UNSCREENED, True)


def test_a_subscriber_that_ends_like_an_emergency_number_is_none() -> None:
    """Many numbers end in 112."""
    claim = Pass("emergency", "1.1", "", "112")
    judged = judge(leg("+393331234112@trunk", claim), CALL, [], EMERGENCY)
    assert (judged.standing, judged.may_be_emergency) == (Standing.UNSCREENED, False)


def test_a_call_of_the_failure_policy_awaits_its_record() -> None:
    """The claim of this call and number is believed until the record is due."""
    claim = Pass("failopen", "1.1", "", NUMBER)
    assert judge(leg(claim=claim), CALL, [], EMERGENCY).standing is Standing.FAILOPEN


@pytest.mark.parametrize("claim", [Pass("failopen", "9.9", "", NUMBER), Pass("failopen", "1.1", "", "39333000")])
def test_a_failopen_of_another_call_or_number_is_no_pass(claim: Pass) -> None:
    """It is bound like an allow."""
    assert judge(leg(claim=claim), CALL, [], EMERGENCY).standing is Standing.UNSCREENED


@given(st.text(), st.text(alphabet="0123456789", min_size=1, max_size=16))
def test_only_legs_that_end_in_the_allowed_digits_pass(dialled: str, digits: str) -> None:
    """Whatever is dialled, an allow never opens another number."""
    judged = judge(leg(dialled), CALL, [allow(digits=digits)], frozenset())
    assert (judged.standing is Standing.ALLOWED) == dialled_digits(dialled).endswith(digits)


@pytest.mark.parametrize(
    ("dial_string", "text"),
    [
        ("+39333@trunk", "+39333"),
        ("39333@trunk", "39333"),
        ("trunk/39333", "39333"),
        ("trunk/sip:+39333@192.0.2.1:5060", "+39333"),
        ("g1/0039333", "0039333"),
        ("guest@192.0.2.7/39333", "39333"),
        ("39333;phone-context=x@trunk", "39333"),
        ("trunk", ""),
        ("", ""),
    ],
)
def test_the_number_is_found_in_every_form_of_dial(dial_string: str, text: str) -> None:
    """PJSIP, SIP, IAX2 and DAHDI each write it elsewhere."""
    assert dialled_text(dial_string) == text
    assert dialled_digits(dial_string) == text.removeprefix("+")


@pytest.mark.parametrize(
    ("channel", "trunks", "found"),
    [
        ("PJSIP/carrier-0000001f", ["PJSIP/carrier"], "PJSIP/carrier"),
        ("PJSIP/carrier-0000001f", ["carrier"], "carrier"),
        ("PJSIP/my-carrier-2-0000001f", ["PJSIP/my-carrier-2"], "PJSIP/my-carrier-2"),
        ("PJSIP/carrier2-0000001f", ["PJSIP/carrier"], None),
        ("SIP/carrier-0000001f", ["PJSIP/carrier"], None),
        ("DAHDI/i1/39333-1", ["DAHDI/i1"], "DAHDI/i1"),
        ("DAHDI/1-1", ["DAHDI/1"], "DAHDI/1"),
        ("IAX2/carrier-1234", ["IAX2/carrier"], "IAX2/carrier"),
        ("Local/39333@carrier-00000001;1", ["39333@carrier"], None),
        ("PJSIP/agent-00000001", [], None),
    ],
)
def test_a_trunk_is_known_by_its_channel_name(channel: str, trunks: list[str], found: str | None) -> None:
    """The number Asterisk appends is no part of it."""
    assert trunk_of(channel, trunks) == found


def test_a_block_revokes_the_allow_of_the_same_call_and_number() -> None:
    """The later decision supersedes; that on another number stands."""
    passes = Passes()
    passes.decided("127.0.0.1", allow(), granted=True)
    passes.decided("127.0.0.1", allow(digits="39"), granted=True)
    passes.decided("127.0.0.1", allow(), granted=False)
    assert [one.digits for one in passes.of(["127.0.0.1"], ["1.1"])] == ["39"]
    assert passes.of(["192.0.2.1"], ["1.1"]) == []


def test_the_oldest_allows_are_forgotten_first() -> None:
    """Memory is bounded; what is forgotten is looked up in the log."""
    passes = Passes(size=10)
    for index in range(25):
        passes.decided("127.0.0.1", allow(f"1.{index}"), granted=True)
    assert not passes.of(["127.0.0.1"], ["1.14"])
    assert passes.of(["127.0.0.1"], ["1.15"])


def test_many_numbers_on_one_channel_are_bounded() -> None:
    """One channel that asks for ever keeps its latest allows only."""
    passes = Passes()
    for index in range(100):
        passes.decided("127.0.0.1", allow(digits=str(index)), granted=True)
    assert [one.digits for one in passes.of(["127.0.0.1"], ["1.1"])] == [str(index) for index in range(84, 100)]
