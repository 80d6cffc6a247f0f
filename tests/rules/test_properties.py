"""What holds of every decision: adding a refusal never helps, taking a ground away never does."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from vaglio.model import (
    ANY,
    Attempt,
    Call,
    CallOutcome,
    Campaign,
    CampaignMode,
    Consent,
    ConsentChannel,
    Contact,
    Decision,
    DialMode,
    Facts,
    FindingOutcome,
    Opposition,
    Purpose,
    Reason,
    RegisterState,
    RegisterStatus,
    Relationship,
    RelationshipKind,
    SubjectType,
    Verdict,
)
from vaglio.numbers import parse_e164
from vaglio.rules import load

RULEBOOKS = load()
NUMBERS = [
    parse_e164(text)
    for text in (
        "+393331234567",
        "+33142685300",
        "+262262123456",
        "+442079460123",
        "+12125550123",
        "+13055550123",
        "+18005550123",
        "+34612345678",
        "+493012345678",
        "+14165550123",
        "+41446681800",
    )
]
SECTORS = ("telecom", "telecom", "energy", "home-renovation", "claims-management", "press")
START = datetime(2024, 10, 2, tzinfo=UTC)

working = st.integers(0, 120).map(lambda weeks: START + timedelta(weeks=weeks, hours=16))
"""Wednesdays at a time when the phone may ring in Rome, Paris and New York."""
instants = (
    working | working | st.integers(0, 900 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))
)


def before(at: datetime) -> st.SearchStrategy[datetime]:
    """Some time before a call, on either side of the law's bounds; once after it."""
    hours = st.sampled_from(
        [-1, 1, 30, 72, 119, 200, 340, 359, 361, 500, 671, 673, 719, 721, 743, 745, 1500, 5000, 20000]
    )
    return hours.map(lambda past: at - timedelta(hours=past))


campaigns = st.builds(
    Campaign,
    id=st.just("c"),
    controller=st.just("acme"),
    caller_org=st.just("centre"),
    purpose=st.sampled_from([*[Purpose.MARKETING] * 7, Purpose.MARKET_RESEARCH]),
    sector=st.sampled_from(SECTORS),
    dial_mode=st.sampled_from([DialMode.MANUAL, DialMode.PREDICTIVE, DialMode.AUTOMATED]),
    region=st.just("IT"),
    caller_ids=st.just(("+33162001122",)),
    script_version=st.just("s-1"),
    notice_version=st.just("n-1"),
    mode=st.just(CampaignMode.ENFORCE),
    fallback_jurisdiction=st.just("it"),
)


@st.composite
def consents(draw: st.DrawFn, at: datetime) -> Consent:
    given_at = draw(before(at))
    return Consent(
        controller="acme",
        purpose=draw(st.sampled_from(["marketing", "marketing", "direct-sale"])),
        given_at=given_at,
        channel=draw(st.sampled_from(ConsentChannel)),
        sector=draw(st.sampled_from([None, "energy", "telecom"])),
        expires_at=draw(st.none() | before(at)),
        withdrawn_at=draw(st.none() | before(at)),
        method="web",
        evidence_uri=draw(st.sampled_from([None, "s3://e"])),
        evidence_sha256=None,
        notice_id=None,
        collected_by=None,
        entry=20,
    )


@st.composite
def relationships(draw: st.DrawFn, at: datetime) -> Relationship:
    return Relationship(
        controller="acme",
        kind=draw(st.sampled_from(RelationshipKind)),
        started_at=draw(before(at)),
        ended_at=draw(st.none() | before(at)),
        sector=draw(st.sampled_from([None, *SECTORS])),
        simplified_revocation=draw(st.booleans()),
        entry=30,
    )


@st.composite
def statuses(draw: st.DrawFn, name: str, at: datetime) -> RegisterStatus:
    as_of = draw(before(at))
    void = draw(st.none() | st.integers(0, 40).map(lambda days: date(at.year, at.month, 1) - timedelta(days=days)))
    return RegisterStatus(
        name, draw(st.sampled_from([*RegisterState, RegisterState.CLEAR])), as_of, "batch:1", void
    )


def opposition(at: datetime) -> st.SearchStrategy[Opposition]:
    purposes = st.sampled_from([ANY, *Purpose])
    return st.builds(
        Opposition, st.sampled_from(["acme", ANY]), purposes, before(at), st.none(), st.none(), st.just(10)
    )


def attempt(at: datetime) -> st.SearchStrategy[Attempt]:
    return st.builds(Attempt, before(at), st.sampled_from(CallOutcome), st.just("d"))


@st.composite
def questions(draw: st.DrawFn) -> tuple[Call, Campaign, Facts]:
    at = draw(instants)
    campaign = draw(campaigns)
    contact = st.builds(
        Contact,
        st.just("acme"),
        st.sampled_from([None, True, False]),
        st.just(None),
        st.sampled_from([None, "US-FL"]),
        st.sampled_from([None, "Europe/Rome", "Nowhere/Known"]),
        st.none() | st.sampled_from(SubjectType),
        st.just(40),
    )
    number = draw(st.sampled_from(NUMBERS))
    asked = RULEBOOKS.registers(RULEBOOKS.jurisdiction_of(number, None, campaign), at)
    facts = Facts(
        generation=1,
        campaign=campaign,
        oppositions=(draw(opposition(at)),) if draw(st.integers(0, 5)) == 0 else (),
        consents=tuple(draw(st.lists(consents(at), max_size=2))),
        relationships=tuple(draw(st.lists(relationships(at), max_size=2))),
        contact=draw(st.none() | contact),
        registers={name: draw(statuses(name, at)) for name in asked if draw(st.integers(0, 3))},
        attempts=tuple(draw(st.lists(attempt(at), max_size=5))) if draw(st.booleans()) else (),
    )
    return Call(number, "c", "+33162001122", at), campaign, facts


def decide(question: tuple[Call, Campaign, Facts], facts: Facts) -> Decision:
    call, campaign, _ = question
    return RULEBOOKS.evaluate(call, campaign, facts)


def lawful(decision: Decision) -> bool:
    """What is let out only because the campaign monitors is no lawful call."""
    return decision.verdict is Verdict.ALLOW and decision.reason is not Reason.MONITOR_ONLY


@settings(max_examples=200, deadline=None)
@given(questions(), st.data())
def test_an_opposition_never_helps(question: tuple[Call, Campaign, Facts], data: st.DataObject) -> None:
    """Adding an opposition never turns a block into an allow."""
    call, _, facts = question
    added = data.draw(opposition(call.at))
    if not lawful(decide(question, facts)):
        assert not lawful(decide(question, replace(facts, oppositions=(*facts.oppositions, added))))


@settings(max_examples=300, deadline=None)
@given(questions(), st.data())
def test_a_consent_never_harms(question: tuple[Call, Campaign, Facts], data: st.DataObject) -> None:
    """Adding a consent never turns an allow into a block."""
    call, _, facts = question
    added = data.draw(consents(call.at))
    if lawful(decide(question, facts)):
        assert lawful(decide(question, replace(facts, consents=(*facts.consents, added))))


@settings(max_examples=300, deadline=None)
@given(questions())
def test_taking_a_ground_away_never_helps(question: tuple[Call, Campaign, Facts]) -> None:
    """Taking away a consent, a relationship or a clear verdict never turns a block into an allow."""
    facts = question[2]
    if lawful(decide(question, facts)):
        return
    poorer = [replace(facts, consents=facts.consents[1:]), replace(facts, relationships=facts.relationships[1:])]
    poorer += [
        replace(facts, registers={key: one for key, one in facts.registers.items() if key != name})
        for name, status in facts.registers.items()
        if status.state is RegisterState.CLEAR
    ]
    assert not any(lawful(decide(question, fewer)) for fewer in poorer)


@settings(max_examples=100, deadline=None)
@given(questions())
def test_the_same_question_has_the_same_answer(question: tuple[Call, Campaign, Facts]) -> None:
    """The same question with the same facts under rulebooks loaded anew gives the same decision."""
    call, campaign, facts = question
    assert decide(question, facts) == AGAIN.evaluate(call, campaign, facts)


AGAIN = load()


@settings(max_examples=200, deadline=None)
@given(questions())
def test_a_decision_is_sound_in_itself(question: tuple[Call, Campaign, Facts]) -> None:
    """A block gives the reason of its first blocking finding; an allow has none, unless the campaign monitors."""
    decision = decide(question, question[2])
    blocks = [finding.reason for finding in decision.findings if finding.outcome is FindingOutcome.BLOCK]
    if decision.verdict is Verdict.BLOCK:
        assert decision.reason == blocks[0]
        assert decision.would_be is None
    elif decision.reason is Reason.MONITOR_ONLY:
        assert decision.would_be == blocks[0]
    else:
        assert not blocks
    assert decision.verdict is Verdict.ALLOW or decision.attempt_window is None


@settings(max_examples=100, deadline=None)
@given(questions())
def test_monitoring_changes_only_whether_a_block_binds(question: tuple[Call, Campaign, Facts]) -> None:
    """Enforced or monitored, the same rules say the same; an opposition binds in both."""
    call, campaign, facts = question
    enforced = RULEBOOKS.evaluate(call, replace(campaign, mode=CampaignMode.ENFORCE), facts)
    monitored = RULEBOOKS.evaluate(call, replace(campaign, mode=CampaignMode.MONITOR), facts)
    assert enforced.findings == monitored.findings
    if monitored.reason is Reason.MONITOR_ONLY:
        assert monitored.would_be == enforced.reason
        assert enforced.reason is not Reason.OPPOSITION
    else:
        assert monitored == enforced
