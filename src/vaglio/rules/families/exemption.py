"""What ties a person to the controller: a customer, a call-back, a requested call.

An exemption by itself allows nothing: the rules that it takes out name it in their `unless`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, Field, model_validator

from vaglio.model import Attempt, CallOutcome, Finding, Relationship, RelationshipKind
from vaglio.rules.findings import exempt, not_applicable, of_entry, when
from vaglio.rules.grounds import bits
from vaglio.rules.periods import add_days, add_months
from vaglio.rules.question import Question
from vaglio.rules.rule import STRICT, Ground, Rule

Tie = Callable[[Question], tuple[Finding, int, tuple[Relationship, ...]]]
"""The finding, the bit of its ground, and the relationships that hold."""


class SectorMatch(StrEnum):
    """Which relationships count for a campaign's sector."""

    ANY = "any"
    SAME_OR_UNKNOWN = "same-or-unknown"
    SAME = "same"


# Looked up once: in Python 3.11 each access to a member of an enum class takes longer than the comparison.
_ANY, _SAME_OR_UNKNOWN = SectorMatch.ANY, SectorMatch.SAME_OR_UNKNOWN


class ExemptionParams(BaseModel):
    """Which relationships hold, and how long. Spans end exclusive; months go by the calendar of the main zone."""

    model_config = STRICT

    ground: Ground
    relationship: RelationshipKind
    in_force: bool = False
    """While it has not ended."""
    days_after_end: int | None = Field(default=None, ge=1, le=4000)
    months_after_end: int | None = Field(default=None, ge=1, le=240)
    days_after_start: int | None = Field(default=None, ge=1, le=4000)
    """For so long after its start, unless it ended before."""
    months_after_start: int | None = Field(default=None, ge=1, le=240)
    simplified_revocation: bool = False
    """Only where the controller offers the simplified revocation of consents."""
    sector: SectorMatch = SectorMatch.SAME_OR_UNKNOWN
    spent_by: tuple[CallOutcome, ...] = ()
    """Outcomes of a later attempt that use it up."""

    @model_validator(mode="after")
    def _consistent(self) -> "ExemptionParams":
        spans = (self.days_after_end, self.months_after_end, self.days_after_start, self.months_after_start)
        if not self.in_force and all(span is None for span in spans):
            raise ValueError("give in_force or a span of days or months")
        if self.ground is Ground.CONSENT:
            raise ValueError("ground must be customer, callback or requested-call")
        if self.spent_by and self.days_after_start is None:
            raise ValueError("spent_by needs days_after_start: attempts are not kept in mind for ever")
        return self

    def reach(self) -> timedelta:
        """How far back attempts must be known."""
        return timedelta(days=self.days_after_start or 0) if self.spent_by else timedelta(0)


def tied(rule: Rule, params: ExemptionParams) -> Tie:
    """The relationships of this kind that hold for the call."""
    none = not_applicable(rule, f"No {params.relationship} is recorded.")
    ground = bits((params.ground,))
    kind, name = params.relationship, params.relationship.value

    def step(question: Question) -> tuple[Finding, int, tuple[Relationship, ...]]:
        if not question.facts.relationships:
            return none, ground, ()
        at, controller = question.at, question.campaign.controller
        holding: list[Relationship] = []
        last: Relationship | None = None
        why: str | None = None
        for one in question.facts.relationships:
            if one.kind is kind and one.started_at <= at and one.controller == controller:
                last, why = one, _failing(params, one, question)
                if why is None:
                    holding.append(one)
        if last is None:
            return none, ground, ()
        if not holding:
            detail = f"The {name} of {when(last.started_at)} is {why}."
            return not_applicable(rule, detail, of_entry(last.entry)), ground, ()
        chosen = holding[0]
        ended = f", ended {when(chosen.ended_at)}" if chosen.ended_at else ""
        detail = f"The {name} of {when(chosen.started_at)}{ended} holds."
        return exempt(rule, detail, of_entry(chosen.entry)), ground, tuple(holding)

    return step


def _failing(params: ExemptionParams, one: Relationship, question: Question) -> str | None:
    """Why a relationship of the right kind does not hold, if it does not."""
    if params.simplified_revocation and not one.simplified_revocation:
        return "without simplified revocation of consents"
    if not _sector_fits(params.sector, one.sector, question.campaign.sector):
        return "for another sector, or for none named"
    if not _in_time(params, one, question):
        return "no longer in time"
    spent = _spent(params, one, question.facts.attempts)
    return None if spent is None else f"used up by the call of {when(spent.at)}"


def _sector_fits(match: SectorMatch, of_tie: str | None, of_campaign: str) -> bool:
    return of_tie == of_campaign or match is _ANY or (match is _SAME_OR_UNKNOWN and not of_tie)


def _in_time(params: ExemptionParams, one: Relationship, question: Question) -> bool:
    at, zone = question.at, question.main_zone
    if one.ended_at is None or at < one.ended_at:
        if params.in_force:
            return True
        return _before(at, one.started_at, params.days_after_start, params.months_after_start, question)
    if params.days_after_start is not None:  # ended before its time
        return False
    if params.months_after_start is not None:
        return at < add_months(one.started_at, params.months_after_start, zone)
    return _before(at, one.ended_at, params.days_after_end, params.months_after_end, question)


def _before(at: datetime, since: datetime, days: int | None, months: int | None, question: Question) -> bool:
    if days is not None:
        return at < add_days(since, days)
    return months is not None and at < add_months(since, months, question.main_zone)


def _spent(params: ExemptionParams, one: Relationship, attempts: tuple[Attempt, ...]) -> Attempt | None:
    if not params.spent_by:
        return None
    return next((call for call in attempts if call.at > one.started_at and call.outcome in params.spent_by), None)
