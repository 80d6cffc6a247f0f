"""How often a person may be tried: caps a window, and pauses after a refusal or a silent call."""

from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import BaseModel, Field, model_validator

from vaglio.model import Attempt, CallOutcome, DialMode, Finding, Reason
from vaglio.rules.families.campaign import Step
from vaglio.rules.findings import blocked, passed, when
from vaglio.rules.periods import midnight
from vaglio.rules.question import Question
from vaglio.rules.rule import STRICT, Rule

Cap = Callable[[Question], tuple[Finding, datetime]]
"""The finding, and the instant at which the window opens."""

_DAY = timedelta(days=1)
# Looked up once: in Python 3.11 each access to a member of an enum class takes longer than the comparison.
_REFUSED, _SILENT = CallOutcome.REFUSED, CallOutcome.SILENT


class FrequencyParams(BaseModel):
    """At most `max_attempts` of one controller to one number in a rolling window."""

    model_config = STRICT

    max_attempts: int = Field(ge=1, le=10_000)
    days: int | None = Field(default=None, ge=1, le=400)
    """Calendar days of the called person, today included."""
    hours: int | None = Field(default=None, ge=1, le=9600)

    @model_validator(mode="after")
    def _one_window(self) -> "FrequencyParams":
        if (self.days is None) == (self.hours is None):
            raise ValueError("give either days or hours")
        return self

    def reach(self) -> timedelta:
        """How far back attempts must be known; a day more than the window for calendar days and zones."""
        return timedelta(days=self.days + 2) if self.days else timedelta(hours=self.hours or 0)


class RefusalParams(BaseModel):
    """A pause after the person refused in conversation."""

    model_config = STRICT

    days: int = Field(ge=1, le=4000)
    """Full calendar days of the called person after the day of the refusal."""

    def reach(self) -> timedelta:
        """How far back attempts must be known."""
        return timedelta(days=self.days + 2)


class SilentCallParams(BaseModel):
    """A pause after the person answered and nobody spoke, and how the next call is to be dialled."""

    model_config = STRICT

    lockout_hours: int = Field(default=0, ge=0, le=9600)
    """No call at all."""
    agent_hours: int = Field(default=0, ge=0, le=9600)
    """Until then, or until a later call was answered, only with a person on the line from the start."""
    agent_modes: tuple[DialMode, ...] = (DialMode.MANUAL, DialMode.PREVIEW)

    def reach(self) -> timedelta:
        """How far back attempts must be known."""
        return timedelta(hours=max(self.lockout_hours, self.agent_hours))


def attempts_capped(rule: Rule, params: FrequencyParams) -> Cap:
    """Whatever became of an attempt, it counts."""
    window = f"{params.days} days" if params.days else f"{params.hours} hours"
    hours = None if params.hours is None else timedelta(hours=params.hours)
    days = None if params.days is None else timedelta(days=params.days - 1)

    def opens_at(question: Question) -> datetime:
        if hours is not None:
            return question.at - hours
        return min(midnight(local.date() - (days or _DAY), zone) for zone, local in question.local)

    def step(question: Question) -> tuple[Finding, datetime]:
        opens = opens_at(question)
        # A rolling window no longer holds the attempt exactly that old; a calendar day holds its midnight.
        counted = sum(
            1
            for attempt in question.facts.attempts
            if attempt.at > opens or (hours is None and attempt.at == opens)
        )
        detail = f"{counted} of {params.max_attempts} attempts in {window}."
        if counted >= params.max_attempts:
            return blocked(rule, Reason.FREQUENCY_CAP, detail), opens
        return passed(rule, detail), opens

    return step


def refusal_respected(rule: Rule, params: RefusalParams) -> Step:
    """The pause is over only when it is over in every zone the called person may be in."""
    none = passed(rule, "No refusal is recorded.")
    pause = timedelta(days=params.days)

    def step(question: Question) -> Finding:
        refusal = _latest(question.facts.attempts, _REFUSED)
        if refusal is None:
            return none
        for zone, local in question.local:
            last = refusal.at.astimezone(zone).date() + pause
            if local.date() <= last:
                detail = f"Refused at {when(refusal.at)}; no call until {last} is over."
                return blocked(rule, Reason.REFUSAL_LOCKOUT, detail, f"decision:{refusal.decision}")
        return passed(rule, f"The refusal of {when(refusal.at)} lies more than {params.days} days back.")

    return step


def silence_respected(rule: Rule, params: SilentCallParams) -> Step:
    """Only the latest silent call counts; ages in hours, the end excluded."""
    none = passed(rule, "No silent call is recorded.")
    lockout, agent = timedelta(hours=params.lockout_hours), timedelta(hours=params.agent_hours)

    def step(question: Question) -> Finding:
        attempts = question.facts.attempts
        silent = _latest(attempts, _SILENT)
        if silent is None:
            return none
        age = question.at - silent.at
        told = f"Silent call at {when(silent.at)}"
        evidence = f"decision:{silent.decision}"
        if age < lockout:
            detail = f"{told}; no call for {params.lockout_hours} hours."
            return blocked(rule, Reason.SILENT_CALL_LOCKOUT, detail, evidence)
        answered = any(
            attempt.at > silent.at and attempt.outcome in (CallOutcome.ANSWERED, CallOutcome.REFUSED)
            for attempt in attempts
        )
        if age < agent and not answered and question.campaign.dial_mode not in params.agent_modes:
            detail = f"{told}; the next call needs a person on the line from the start."
            return blocked(rule, Reason.SILENT_CALL_LOCKOUT, detail, evidence)
        return passed(rule, f"{told}; the pause is over.", evidence)

    return step


def _latest(attempts: tuple[Attempt, ...], outcome: CallOutcome) -> Attempt | None:
    latest = None
    for attempt in attempts:
        if attempt.outcome is outcome and (latest is None or attempt.at > latest.at):
            latest = attempt
    return latest
