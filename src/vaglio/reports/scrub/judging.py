"""The leads of a list judged, a batch at a time: for each the decision that `vaglio check` would come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vaglio.model import Decision, Finding, FindingOutcome, Verdict
from vaglio.numbers import parse_e164
from vaglio.reports.scrub.moments import Moments
from vaglio.screening import Screener


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """What is said of a lead; leads of which the same holds share one."""

    decision: Decision
    next: datetime | None
    """The first minute at which it could be called, where only the clock stands in the way."""

    @property
    def allowed(self) -> bool:
        """Whether a call could go out at the instant asked about."""
        return self.decision.verdict is Verdict.ALLOW

    @property
    def rule(self) -> str:
        """The rule that blocks, or would; of an allow the first that names its ground."""
        blocking = next((one for one in self.decision.findings if one.outcome is FindingOutcome.BLOCK), None)
        return blocking.rule if blocking is not None else _ground(self.decision.findings)


def _ground(findings: Sequence[Finding]) -> str:
    return next((one.rule for one in findings if one.outcome is FindingOutcome.EXEMPT), "")


@dataclass(frozen=True, slots=True)
class Asked:
    """What every lead of a list is asked under."""

    campaign: str
    caller_id: str
    dated: datetime | None
    """Only facts up to it count; None: all there are."""
    region: str | None
    """In whose form bare digits are written, where that is not the campaign's."""

    def dialled(self, text: str) -> str:
        """The cell as a dialplan would pass it; empty where it is no number of the region given."""
        if self.region is None:
            return text
        return parse_e164(text, region=self.region).e164 or ""


def judge(screener: Screener, moments: Moments, asked: Asked, text: str) -> Advice:
    """One lead, on the path that a call takes."""
    found = screener.judge(asked.dialled(text), asked.campaign, asked.caller_id, at=asked.dated)
    known = found.facts.campaign
    moment = None if known is None else moments.after(found.call, known, found.facts, found.decision)
    return Advice(found.decision, moment)
