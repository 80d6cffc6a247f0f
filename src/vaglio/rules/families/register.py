"""Registers of people who refuse calls: is the answer there, young enough, and what does it say?"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel, Field

from vaglio.model import Finding, FindingOutcome, Reason, RegisterState, RegisterStatus
from vaglio.rules.families.consent import Weighed
from vaglio.rules.findings import blocked, exempt, passed, when
from vaglio.rules.grounds import ALL, CONSENT, bits, named
from vaglio.rules.question import Question
from vaglio.rules.rule import STRICT, RegisterName, Rule


class RegisterParams(BaseModel):
    """Which register, how old its answer may be, and what a valid consent beats."""

    model_config = STRICT

    register_name: RegisterName = Field(alias="register")
    max_age_days: int = Field(ge=1, le=400)
    """Times 24 hours; stale when the age of the list or verdict reaches it."""
    consent_beats_opposed: bool = False
    consent_beats_unusable: bool = False


class Asked(NamedTuple):
    """What one register comes to: the finding, and the grounds that satisfy the rule."""

    finding: Finding
    mask: int
    opposed: bool

    @property
    def blocks(self) -> bool:
        """Whether nothing that holds takes the register out of the question."""
        return self.finding.outcome is _BLOCK


# Looked up once: in Python 3.11 each access to a member of an enum class takes longer than the comparison.
_CLEAR, _NEVER_CHECKED = RegisterState.CLEAR, RegisterState.NEVER_CHECKED
_NOT_COVERED = RegisterState.NOT_COVERED
_BLOCK = FindingOutcome.BLOCK

Ask = Callable[[Question, int, Weighed], Asked]


def register_asked(rule: Rule, params: RegisterParams) -> Ask:
    """Ask one register of a question, given the grounds that hold and the consents as weighed."""
    name = params.register_name
    limit = timedelta(days=params.max_age_days)
    waived = bits(rule.unless)
    beats_opposed = waived | (CONSENT if params.consent_beats_opposed else 0)
    beats_unusable = waived | (CONSENT if params.consent_beats_unusable else 0)

    def ask(question: Question, held: int, weighed: Weighed) -> Asked:
        status = question.facts.registers.get(name)
        evidence = None if status is None else status.source
        failure = _unusable(name, limit, status, question.at)
        if failure is not None:
            reason, told = failure
            if held & beats_unusable:
                return Asked(_beaten(rule, told, held & beats_unusable, evidence), beats_unusable, opposed=False)
            return Asked(blocked(rule, reason, told, evidence), 0, opposed=False)
        as_of = "" if status is None or status.as_of is None else f" on {when(status.as_of)}"
        if status is None or status.state is _CLEAR:
            return Asked(passed(rule, f"Not opposed in {name}{as_of}.", evidence), ALL, opposed=False)
        told = f"Opposed in {name}{as_of}"
        if status.consents_void_until is not None:
            told = f"{told}, consents void until {status.consents_void_until}"
        if held & beats_opposed:
            return Asked(_beaten(rule, f"{told}.", held & beats_opposed, evidence), beats_opposed, opposed=True)
        reason = Reason.REGISTER_OPPOSED
        if params.consent_beats_opposed and weighed.recorded:
            reason = weighed.refusal
        return Asked(blocked(rule, reason, f"{told}.", evidence), 0, opposed=True)

    return ask


def _beaten(rule: Rule, told: str, by: int, evidence: str | None) -> Finding:
    return exempt(rule, f"{told} Taken out of the question by: {named(by)}.", evidence)


def _unusable(
    name: str, limit: timedelta, status: RegisterStatus | None, at: datetime
) -> tuple[Reason, str] | None:
    """Why the answer can't be used, if it can't, and the sentence that says so."""
    if status is None or status.state is _NEVER_CHECKED:
        return Reason.REGISTER_NEVER_CHECKED, f"{name} was never asked about this number."
    if status.state is _NOT_COVERED:
        return Reason.REGISTER_NOT_COVERED, f"The {name} data held here does not cover this number."
    if status.as_of is None or status.as_of > at:
        return Reason.REGISTER_NEVER_CHECKED, f"{name} had not been asked by then."
    if at - status.as_of >= limit:
        told = f"The {name} answer of {when(status.as_of)} is {limit.days} days old or more."
        return Reason.REGISTER_STALE, told
    return None
