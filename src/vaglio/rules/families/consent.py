"""When a consent stands: purpose, channel and sector fit; not withdrawn, expired or voided; proven where need be.

All consent rules that apply to a call are merged into one `Need`, the strictest of each, so that a consent is
weighed once. Every rule then says in a finding of its own what it made of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from vaglio.model import Consent, ConsentChannel, DialMode, Finding, Reason, RegisterState, RegisterStatus
from vaglio.rules.findings import blocked, not_applicable, of_entry, passed, when
from vaglio.rules.periods import add_days
from vaglio.rules.question import Question
from vaglio.rules.rule import STRICT, RegisterName, Rule

# Looked up once: in Python 3.11 each access to a member of an enum class takes longer than the comparison.
_HUMAN, _AUTOMATED, _ANY = ConsentChannel.HUMAN, ConsentChannel.AUTOMATED, ConsentChannel.ANY
_AUTOMATED_CALLS = DialMode.AUTOMATED
_OPPOSED = RegisterState.OPPOSED


class ConsentParams(BaseModel):
    """What a consent must be beyond given, fitting, not withdrawn and not past its own end."""

    model_config = STRICT

    max_age_days: int | None = Field(default=None, ge=1, le=40_000)
    """Times 24 hours; expired when its age reaches it."""
    proof_required: bool = False
    """Evidence must be on record."""
    voided_by: RegisterName | None = None
    """The register whose "consents void until" ends the consents given up to that day, included."""


class Weighed(NamedTuple):
    """What the recorded consents come to."""

    valid: tuple[Consent, ...] = ()
    failed: Consent | None = None
    """The latest of those that fit the call but do not stand."""
    reason: Reason | None = None
    """Why the latest failed one does not stand."""
    responsible: str | None = None
    """Id of the rule that it fails."""
    recorded: bool = False
    """Some consent was recorded for this controller and purpose."""
    elsewhere: bool = False
    """This controller has one for another purpose, channel or sector."""
    told: str = ""
    """The sentence on the consent that speaks: the first valid one, else the latest failed."""

    @property
    def refusal(self) -> Reason:
        """Why a call that needs a consent can't go out."""
        if self.reason is not None:
            return self.reason
        return Reason.PURPOSE_MISMATCH if self.elsewhere else Reason.NO_CONSENT


NOTHING = Weighed()


@dataclass(frozen=True, slots=True)
class Need:
    """All consent rules that apply to a call, merged; each with the rule that set it."""

    general: str = ""
    max_age: tuple[int, str] | None = None
    proof: str | None = None
    voiding: tuple[tuple[str, str], ...] = ()
    """Register and rule."""


def merged(rules: Iterable[tuple[Rule, ConsentParams]]) -> Need:
    """The strictest of all; the first rule speaks where none set what failed (withdrawn, past its end)."""
    listed = list(rules)
    ages = [(params.max_age_days, rule.id) for rule, params in listed if params.max_age_days is not None]
    proofs = [rule.id for rule, params in listed if params.proof_required]
    voiding = tuple((params.voided_by, rule.id) for rule, params in listed if params.voided_by is not None)
    general = listed[0][0].id if listed else ""
    return Need(general, min(ages, default=None), proofs[0] if proofs else None, voiding)


def weigh(question: Question, need: Need) -> Weighed:
    """Weigh every consent of the campaign's controller; one not yet given at the call's instant is none."""
    campaign, at = question.campaign, question.at
    wanted = _AUTOMATED if campaign.dial_mode is _AUTOMATED_CALLS else _HUMAN
    voids = _void_days(question, need)
    valid: list[Consent] = []
    failed: Consent | None = None
    why: tuple[Reason, str] | None = None
    recorded = elsewhere = False
    for one in question.facts.consents:
        if one.given_at > at or one.controller != campaign.controller:
            continue
        if one.purpose != campaign.purpose:
            elsewhere = True
            continue
        recorded = True
        channel = one.channel
        fits = (channel is wanted or channel is _ANY) and (not one.sector or one.sector == campaign.sector)
        if not fits:
            elsewhere = True
            continue
        failure = _failure(one, at, need, voids, question.main_zone)
        if failure is None:
            valid.append(one)
        elif failed is None or one.given_at > failed.given_at:
            failed, why = one, failure
    reason, responsible = why or (None, None)
    return Weighed(tuple(valid), failed, reason, responsible, recorded, elsewhere, _told(valid, failed, reason))


def consent_finding(rule: Rule, weighed: Weighed, *, decisive: bool) -> Finding:
    """What this rule says of the consents; it blocks only where the call rested on the one that fails it."""
    if weighed.valid:
        return passed(rule, weighed.told, of_entry(weighed.valid[0].entry))
    if weighed.failed is None or weighed.reason is None:
        told = "for another purpose, channel or sector" if weighed.elsewhere else "recorded"
        return not_applicable(rule, f"{'Only consents' if weighed.elsewhere else 'No consent is'} {told}.")
    evidence = of_entry(weighed.failed.entry)
    if weighed.responsible == rule.id and decisive:
        return blocked(rule, weighed.reason, weighed.told, evidence)
    return not_applicable(rule, weighed.told, evidence)


_WORDS = {
    Reason.CONSENT_WITHDRAWN: "was withdrawn",
    Reason.CONSENT_EXPIRED: "has expired",
    Reason.CONSENT_VOIDED: "was voided by a later entry in the register",
    Reason.CONSENT_UNPROVEN: "has no evidence on record",
}


def _told(valid: list[Consent], failed: Consent | None, reason: Reason | None) -> str:
    if valid:
        return f"The consent of {when(valid[0].given_at)} for {valid[0].purpose} stands."
    if failed is None or reason is None:
        return ""
    return f"The consent of {when(failed.given_at)} for {failed.purpose} {_WORDS[reason]}."


def _failure(
    one: Consent, at: datetime, need: Need, voids: tuple[tuple[date, str], ...], zone: ZoneInfo
) -> tuple[Reason, str] | None:
    if one.withdrawn_at is not None and one.withdrawn_at <= at:
        return Reason.CONSENT_WITHDRAWN, need.general
    if one.expires_at is not None and one.expires_at <= at:
        return Reason.CONSENT_EXPIRED, need.general
    if need.max_age is not None and at >= add_days(one.given_at, need.max_age[0]):
        return Reason.CONSENT_EXPIRED, need.max_age[1]
    for day, rule in voids:
        if one.given_at.astimezone(zone).date() <= day:
            return Reason.CONSENT_VOIDED, rule
    if need.proof is not None and not (one.evidence_uri or one.evidence_sha256):
        return Reason.CONSENT_UNPROVEN, need.proof
    return None


def _void_days(question: Question, need: Need) -> tuple[tuple[date, str], ...]:
    found = []
    for register, rule in need.voiding:
        status = question.facts.registers.get(register)
        day = None if status is None else void_day(status, question.main_zone)
        if day is not None:
            found.append((day, rule))
    return tuple(found)


def void_day(status: RegisterStatus, zone: ZoneInfo) -> date | None:
    """The last day on which given consents are void; an opposition without one voids up to its own date."""
    if status.consents_void_until is not None:
        return status.consents_void_until
    if status.state is _OPPOSED:
        return date.max if status.as_of is None else status.as_of.astimezone(zone).date()
    return None
