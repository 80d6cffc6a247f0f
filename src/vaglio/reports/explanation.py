"""A judgement as one object: the public face of `check --json`, of the API and of the console."""

from typing import Any

from vaglio.screening import Judgement


def explained(judgement: Judgement) -> dict[str, Any]:
    """The explanation: every rule asked, in order, what it used and its citation."""
    decision, known = judgement.decision, judgement.facts.campaign
    return {
        "verdict": decision.verdict,
        "reason": decision.reason,
        "would_be": decision.would_be,
        "number": judgement.call.number.e164,
        "campaign": judgement.call.campaign_id,
        "controller": known.controller if known else None,
        "jurisdiction": decision.jurisdiction,
        "local_times": dict(decision.local_times),
        "rulebook": decision.rulebook,
        "at": judgement.call.at.isoformat(),
        "generation": judgement.facts.generation,
        "findings": [
            {
                "rule": finding.rule,
                "outcome": finding.outcome,
                "reason": finding.reason,
                "detail": finding.detail,
                "citation": finding.citation,
                "evidence": finding.evidence,
            }
            for finding in decision.findings
        ],
    }
