"""The number shown: present, declared for the campaign, and within the prefixes the law asks for."""

from typing import Annotated

from pydantic import BaseModel, Field

from vaglio.model import Finding, Reason
from vaglio.rules.families.campaign import Step
from vaglio.rules.findings import blocked, passed
from vaglio.rules.question import Question
from vaglio.rules.rule import STRICT, Rule

Prefix = Annotated[str, Field(pattern=r"^\+?[0-9]{1,14}$")]


class CallerIdParams(BaseModel):
    """What the caller id must be; prefixes are of E.164 (`+390844`) or of a short code."""

    model_config = STRICT

    declared: bool = False
    """It stands in the campaign's `caller_ids`."""
    required_prefixes: tuple[Prefix, ...] = ()
    """It begins with one of these; empty asks nothing."""
    forbidden_prefixes: tuple[Prefix, ...] = ()


def caller_id_allowed(rule: Rule, params: CallerIdParams) -> Step:
    """A caller id that is withheld is never allowed."""
    allowed = passed(rule, "The caller id is allowed.")

    def refused(detail: str) -> Finding:
        return blocked(rule, Reason.CALLER_ID_NOT_ALLOWED, detail)

    def step(question: Question) -> Finding:
        shown = question.call.caller_id
        if not shown:
            return refused("No caller id is shown.")
        if params.declared and shown not in question.campaign.caller_ids:
            return refused(f"The caller id …{shown[-3:]} is not declared for this campaign.")
        if params.required_prefixes and not shown.startswith(params.required_prefixes):
            return refused(f"The caller id …{shown[-3:]} has none of the required prefixes.")
        if shown.startswith(params.forbidden_prefixes):
            return refused(f"The caller id …{shown[-3:]} has a forbidden prefix.")
        return allowed

    return step
