"""How a rule speaks: findings, cheap to make, with one way to write a date and an evidence."""

from datetime import UTC, datetime

from vaglio.model import Finding, FindingOutcome, Reason
from vaglio.rules.rule import Rule

PASS = FindingOutcome.PASS
BLOCK = FindingOutcome.BLOCK
EXEMPT = FindingOutcome.EXEMPT
NOT_APPLICABLE = FindingOutcome.NOT_APPLICABLE


def passed(rule: Rule, detail: str, evidence: str | None = None) -> Finding:
    """The rule lets the call pass."""
    return Finding(rule.id, PASS, None, detail, rule.citation, evidence)


def blocked(rule: Rule, reason: Reason, detail: str, evidence: str | None = None) -> Finding:
    """The rule stops the call."""
    return Finding(rule.id, BLOCK, reason, detail, rule.citation, evidence)


def exempt(rule: Rule, detail: str, evidence: str | None = None) -> Finding:
    """Something takes the rule out of the question, or an exemption holds."""
    return Finding(rule.id, EXEMPT, None, detail, rule.citation, evidence)


def not_applicable(rule: Rule, detail: str, evidence: str | None = None) -> Finding:
    """The rule has nothing to say of this call."""
    return Finding(rule.id, NOT_APPLICABLE, None, detail, rule.citation, evidence)


def when(instant: datetime) -> str:
    """An instant to the second: `2026-04-24T17:30:00Z`, or with its offset where it is not in UTC."""
    if instant.tzinfo is UTC:  # every fact is; a third of the time of isoformat with an offset
        return f"{instant.date().isoformat()}T{instant.time().isoformat()[:8]}Z"
    return instant.isoformat("T", "seconds")


def of_entry(entry: int) -> str:
    """The evidence that stands in the log under a sequence number."""
    return f"entry:{entry}"
