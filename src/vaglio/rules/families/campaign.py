"""Campaign, number and law: may this question be answered at all?"""

from collections.abc import Callable
from functools import lru_cache

from pydantic import BaseModel

from vaglio.model import Finding, Reason
from vaglio.rules.findings import blocked, passed
from vaglio.rules.question import Question
from vaglio.rules.rule import STRICT, Rule

Step = Callable[[Question], Finding]


class NoParams(BaseModel):
    """Of families whose rules have nothing to set."""

    model_config = STRICT


class ScriptParams(BaseModel):
    """What a campaign must name before it may call."""

    model_config = STRICT

    script: bool = True
    notice: bool = True


def campaign_active(rule: Rule, _params: NoParams) -> Step:
    """First and last day are included, in the main zone of the campaign's region."""
    active = passed(rule, "The campaign is running.")

    def step(question: Question) -> Finding:
        campaign = question.campaign
        starts, ends = campaign.starts, campaign.ends
        for zone in question.campaign_zones:
            today = question.at.astimezone(zone).date()
            if starts is not None and today < starts:
                return blocked(rule, Reason.CAMPAIGN_NOT_ACTIVE, f"The campaign starts on {starts}.")
            if ends is not None and today > ends:
                return blocked(rule, Reason.CAMPAIGN_NOT_ACTIVE, f"The campaign ended with {ends}.")
        return active

    return step


def script_present(rule: Rule, params: ScriptParams) -> Step:
    """The versions of script and notice that the campaign must name."""

    @lru_cache(maxsize=256)
    def weighed(script: str | None, notice: str | None) -> Finding:
        if params.script and not script:
            return blocked(rule, Reason.SCRIPT_MISSING, "The campaign names no script_version.")
        if params.notice and not notice:
            return blocked(rule, Reason.SCRIPT_MISSING, "The campaign names no notice_version.")
        return passed(rule, f"Script {script}, notice {notice}.")

    return lambda question: weighed(question.campaign.script_version, question.campaign.notice_version)
