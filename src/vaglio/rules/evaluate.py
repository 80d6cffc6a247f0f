"""From question to verdict: every rule in its order; the first block gives the reason, all findings are kept.

The rows are those of the table in docs/regulation.md. Rows 7 to 10 are weighed on grounds: what holds for the call
(`vaglio.rules.grounds`) against what each register and each legal basis accepts.
"""

from datetime import datetime
from typing import NamedTuple

from vaglio.model import (
    Call,
    Campaign,
    CampaignMode,
    Decision,
    Facts,
    Finding,
    FindingOutcome,
    Reason,
    Relationship,
    Verdict,
)
from vaglio.numbers import Kind
from vaglio.rules.families.consent import NOTHING, Weighed, consent_finding, merged, weigh
from vaglio.rules.families.register import Asked as RegisterAsked
from vaglio.rules.families.sector import Ties
from vaglio.rules.frame import Frame
from vaglio.rules.grounds import ALL, CONSENT, LISTED, NO_RESTRICTION, NOT_ON_REGISTER, REQUESTED_CALL, reason_of
from vaglio.rules.jurisdiction import campaign_zones, place_of
from vaglio.rules.plan import Plan
from vaglio.rules.question import Question
from vaglio.rules.rulebook import Asked, Rulebook

# Looked up once: in Python 3.11 each access to a member of an enum class takes longer than the comparison.
BLOCK = FindingOutcome.BLOCK
EMERGENCY, MONITOR, ALLOW = Kind.EMERGENCY, CampaignMode.MONITOR, Verdict.ALLOW
REQUESTED = Reason.REQUESTED_CALL

ALWAYS_ENFORCED = frozenset(
    {
        Reason.CAMPAIGN_UNKNOWN,
        Reason.NUMBER_INVALID,
        Reason.NO_RULEBOOK,
        Reason.CAMPAIGN_NOT_ACTIVE,
        Reason.SCRIPT_MISSING,
        Reason.CALLER_ID_NOT_ALLOWED,
        Reason.OPPOSITION,
    }
)
"""Blocks that bind in monitor mode too: rows 2 and 3."""

CONSENT_FAILURES = frozenset(
    {
        Reason.CONSENT_WITHDRAWN,
        Reason.CONSENT_EXPIRED,
        Reason.CONSENT_VOIDED,
        Reason.CONSENT_UNPROVEN,
    }
)


class Held(NamedTuple):
    """What holds for a call: ties by ground, the consents as weighed, and both as bits."""

    ties: Ties
    tied: tuple[Finding, ...]
    weighed: Weighed
    mask: int


def decide(
    frame: Frame, call: Call, campaign: Campaign | None, facts: Facts, book: Rulebook, *, covered: bool
) -> Decision:
    """The decision on a call under a rulebook.

    Where no rulebook covers the number, `book` is that of the common rules and `covered` is false.
    """
    if call.number.kind is EMERGENCY:
        return Decision(ALLOW, Reason.EMERGENCY_NUMBER, (frame.emergency,), None, {}, None)
    findings = [frame.campaign_known if campaign is not None else frame.campaign_unknown(call)]
    valid = call.number.e164 is not None
    findings.append(frame.number_valid if valid else frame.number_invalid(call.number))
    if campaign is None or not valid:
        reason = Reason.NUMBER_INVALID if campaign is not None else Reason.CAMPAIGN_UNKNOWN
        return Decision(Verdict.BLOCK, reason, tuple(findings), None, {}, None)
    early = covered and not book.speaks_at(call.at)
    lawful = covered and not early
    findings.append(frame.covered if lawful else frame.not_covered(call.number.country, early=early))
    question = _question(call, campaign, facts, book)
    asked = book.period(call.at).asked(campaign.purpose, campaign.sector, campaign.dial_mode, call.number.kind)
    ground, opens = _ask(question, asked, findings)
    local = {zone.key: moment.isoformat("T", "seconds") for zone, moment in question.local}
    jurisdiction, version = (book.jurisdiction, book.version) if lawful else (None, None)
    block = _first_block(findings)
    if block is None:
        return Decision(ALLOW, ground, tuple(findings), jurisdiction, local, version, attempt_window=opens)
    if campaign.mode is MONITOR and block not in ALWAYS_ENFORCED:
        return Decision(ALLOW, Reason.MONITOR_ONLY, tuple(findings), jurisdiction, local, version, would_be=block)
    return Decision(Verdict.BLOCK, block, tuple(findings), jurisdiction, local, version)


def _first_block(findings: list[Finding]) -> Reason | None:
    for finding in findings:
        if finding.outcome is BLOCK:
            return finding.reason
    return None


def _question(call: Call, campaign: Campaign, facts: Facts, book: Rulebook) -> Question:
    contact = facts.contact
    place = place_of(call.number, contact, book.jurisdiction)
    zones = (book.zone,) if book.fixed_zone else place.zones or (book.zone,)
    return Question(
        call,
        campaign,
        facts,
        call.at,
        book.zone,
        campaign_zones(campaign.region),
        tuple([(zone, call.at.astimezone(zone)) for zone in zones]),
        place.subdivisions,
        None if contact is None else contact.subject_type,
    )


def _ask(question: Question, asked: Asked, findings: list[Finding]) -> tuple[Reason, datetime | None]:
    """Rows 2 to 10, in order; what an allow would name, and since when it rests on the attempts, if it does."""
    plan = asked.plan
    held = _held(question, asked)
    for known in plan.known:
        shut = known.gate is not None and not known.gate(question)
        findings.append(known.skip if shut else known.step(question))
    for ban in plan.sectors:
        shut = ban.gate is not None and not ban.gate(question)
        findings.append(ban.skip if shut else ban.step(question, held.ties, held.weighed))
    for window in plan.hours:
        shut = window.gate is not None and not window.gate(question)
        findings.append(window.skip if shut else window.step(question))
    opens: datetime | None = None
    for cap in plan.caps:
        if cap.gate is not None and not cap.gate(question):
            findings.append(cap.skip)
            continue
        finding, since = cap.step(question)
        findings.append(finding)
        opens = since if opens is None or since < opens else opens
    for pause in plan.pauses:
        shut = pause.gate is not None and not pause.gate(question)
        findings.append(pause.skip if shut else pause.step(question))
    findings += held.tied
    ground = _lawful(question, plan, held, findings)
    requests = held.ties.get(REQUESTED_CALL, ())
    if ground is REQUESTED and requests:
        started = min(request.started_at for request in requests)
        opens = started if opens is None else min(opens, started)
    return ground, opens


def _held(question: Question, asked: Asked) -> Held:
    """What holds for the call, before any rule rests on it."""
    ties: dict[int, tuple[Relationship, ...]] = {}
    told = []
    mask = 0
    for entry in asked.plan.exemptions:
        if entry.gate is not None and not entry.gate(question):
            told.append(entry.skip)
            continue
        finding, ground, holding = entry.step(question)
        told.append(finding)
        if holding:
            ties[ground] = ties.get(ground, ()) + holding
            mask |= ground
    weighed = NOTHING
    if question.facts.consents:
        need = asked.need
        if need is None:
            need = merged(
                (entry.rule, entry.step)
                for entry in asked.plan.consents
                if entry.gate is None or entry.gate(question)
            )
        weighed = weigh(question, need)
        if weighed.valid:
            mask |= CONSENT
    contact = question.facts.contact
    if contact is not None and contact.directory_listed is True:
        mask |= LISTED
    return Held(ties, tuple(told), weighed, mask)


def _lawful(question: Question, plan: Plan, held: Held, findings: list[Finding]) -> Reason:
    """Rows 8 to 10; what the call would rest on, if nothing blocks it."""
    registers, asked_any = _registers(question, plan, held)
    findings += [one.finding for one in registers]
    bases = []
    common = with_bases = ALL
    ruled = asked_any
    for entry in plan.bases:
        if entry.gate is not None and not entry.gate(question):
            bases.append(entry.skip)
            continue
        finding, mask = entry.step(question, held.mask, held.weighed)
        bases.append(finding)
        with_bases &= mask
        ruled = True
    for one in registers:
        common &= one.mask
    common &= with_bases
    decisive = held.weighed.reason is not None and any(
        finding.outcome is BLOCK and finding.reason in CONSENT_FAILURES
        for finding in (*bases, *(one.finding for one in registers))
    )
    for rule in plan.consents:
        shut = rule.gate is not None and not rule.gate(question)
        findings.append(rule.skip if shut else consent_finding(rule.rule, held.weighed, decisive=decisive))
    findings += bases
    free = NOT_ON_REGISTER if asked_any else NO_RESTRICTION
    if not ruled:
        return Reason.NO_RESTRICTION
    holding = held.mask | free
    return reason_of(holding & common or holding & with_bases or free)


def _registers(question: Question, plan: Plan, held: Held) -> tuple[list[RegisterAsked], bool]:
    """What each register comes to, an opposed one before an unusable other; whether any was asked."""
    found = []
    asked = False
    for entry in plan.registers:
        if entry.gate is not None and not entry.gate(question):
            found.append(RegisterAsked(entry.skip, ALL, opposed=False))
        else:
            asked = True
            found.append(entry.step(question, held.mask, held.weighed))
    if len(found) > 1:
        found.sort(key=lambda one: not (one.opposed and one.blocks))
    return found, asked
