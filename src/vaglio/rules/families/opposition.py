"""Oppositions: before any basis, until lifted by an act of their own; a later consent does not lift one."""

from vaglio.model import ANY, Finding, Reason
from vaglio.rules.families.campaign import NoParams, Step
from vaglio.rules.findings import blocked, of_entry, passed, when
from vaglio.rules.question import Question
from vaglio.rules.rule import Rule


def opposed(rule: Rule, _params: NoParams) -> Step:
    """An opposition counts for its controller or every one, for its purpose or all, however it was made."""
    none = passed(rule, "No opposition is in force.")

    def step(question: Question) -> Finding:
        if not question.facts.oppositions:
            return none
        campaign = question.campaign
        for opposition in question.facts.oppositions:
            if opposition.controller in (campaign.controller, ANY) and opposition.purpose in (
                campaign.purpose,
                ANY,
            ):
                scope = "every purpose" if opposition.purpose == ANY else opposition.purpose
                return blocked(
                    rule,
                    Reason.OPPOSITION,
                    f"Opposed since {when(opposition.opposed_at)} for {scope}.",
                    of_entry(opposition.entry),
                )
        return none

    return step
