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
from vaglio.rules.families.campaign import Step
from vaglio.rules.families.consent import NOTHING, Weighed, consent_finding, merged, weigh
from vaglio.rules.families.register import Asked as RegisterAsked
from vaglio.rules.families.sector import Ties
from vaglio.rules.frame import Frame
from vaglio.rules.grounds import ALL, CONSENT, LISTED, NO_RESTRICTION, NOT_ON_REGISTER, REQUESTED_CALL, reason_of
from vaglio.rules.jurisdiction import campaign_zones, place_of
from vaglio.rules.plan import Entry, Plan
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
    _steps(question, plan.known, findings)
    for ban in plan.sectors:
        if ban.gate is None or ban.gate(question):
            findings.append(ban.step(question, held.ties, held.weighed))
        elif ban.skip is not None:
            findings.append(ban.skip)
    _steps(question, plan.hours, findings)
    opens: datetime | None = None
    for cap in plan.caps:
        if cap.gate is None or cap.gate(question):
            finding, since = cap.step(question)
            findings.append(finding)
            opens = since if opens is None or since < opens else opens
        elif cap.skip is not None:
            findings.append(cap.skip)
    _steps(question, plan.pauses, findings)
    findings += held.tied
    ground = _lawful(question, plan, held, findings)
    requests = held.ties.get(REQUESTED_CALL, ())
    if ground is REQUESTED and requests:
        started = min(request.started_at for request in requests)
        opens = started if opens is None else min(opens, started)
    return ground, opens


def _steps(question: Question, entries: tuple[Entry[Step], ...], findings: list[Finding]) -> None:
    for entry in entries:
        if entry.gate is None or entry.gate(question):
            findings.append(entry.step(question))
        elif entry.skip is not None:
            findings.append(entry.skip)


def _held(question: Question, asked: Asked) -> Held:
    """What holds for the call, before any rule rests on it."""
    ties: dict[int, tuple[Relationship, ...]] = {}
    told = []
    mask = 0
    for entry in asked.plan.exemptions:
        if entry.gate is not None and not entry.gate(question):
            told += [entry.skip] if entry.skip else []
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
    registers, asked = _registers(question, plan, held)
    bases, accepted, based = _bases(question, plan, held)
    weighty = [one.finding for one in registers]
    findings += weighty
    weighty += bases
    decisive = held.weighed.reason is not None and any(
        finding.outcome is BLOCK and finding.reason in CONSENT_FAILURES for finding in weighty
    )
    for rule in plan.consents:
        if rule.gate is None or rule.gate(question):
            findings.append(consent_finding(rule.rule, held.weighed, decisive=decisive))
        elif rule.skip is not None:
            findings.append(rule.skip)
    findings += bases
    if not asked and not based:
        return Reason.NO_RESTRICTION
    free = NOT_ON_REGISTER if asked else NO_RESTRICTION
    holding = (held.mask | free) & accepted
    common = holding
    for one in registers:
        common &= one.mask
    return reason_of(common or holding or free)


def _bases(question: Question, plan: Plan, held: Held) -> tuple[list[Finding], int, bool]:
    """What each legal basis says, the grounds that satisfy all of them, and whether any was asked."""
    findings = []
    accepted = ALL
    based = False
    for entry in plan.bases:
        if entry.gate is not None and not entry.gate(question):
            findings += [entry.skip] if entry.skip else []
            continue
        finding, mask = entry.step(question, held.mask, held.weighed)
        findings.append(finding)
        accepted &= mask
        based = True
    # Where no rule asks for a directory, standing in one is no ground.
    return findings, accepted if based else ALL & ~LISTED, based


def _registers(question: Question, plan: Plan, held: Held) -> tuple[list[RegisterAsked], bool]:
    """What each register comes to, an opposed one before an unusable other; whether any was asked."""
    found = []
    asked = False
    for entry in plan.registers:
        if entry.gate is None or entry.gate(question):
            asked = True
            found.append(entry.step(question, held.mask, held.weighed))
        elif entry.skip is not None:
            found.append(RegisterAsked(entry.skip, ALL, opposed=False))
    if len(found) > 1:
        found.sort(key=lambda one: not (one.opposed and one.blocks))
    return found, asked
