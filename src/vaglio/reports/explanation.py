"""A judgement, or a recorded decision, as one object: the public face of `check --json`, API and console."""

from collections.abc import Sequence
from typing import Any

from vaglio.audit import Record
from vaglio.rules import Rulebooks
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


def recorded(record: Record, about: Sequence[Record], rulebooks: Rulebooks) -> dict[str, Any]:
    """A decision of the log explained: its findings with citations, its delivery, its outcome, what else followed.

    Citations stand in the rulebook the entry names; where that version is no longer loaded they are None.
    """
    body = record.body
    book = rulebooks.books.get(body.get("jurisdiction") or "", rulebooks.common)
    cited = {rule.id: rule.citation for rule in book.rules} if book.version == body.get("rulebook") else {}
    followed = [{"seq": one.seq, **one.body} for one in about]
    return {
        "seq": record.seq,
        **body,
        "findings": [
            {
                "rule": finding["rule"],
                "outcome": finding["outcome"],
                "reason": finding.get("reason"),
                "detail": finding.get("detail", ""),
                "citation": cited.get(finding["rule"]),
                "evidence": finding.get("evidence"),
            }
            for finding in body.get("findings", ())
        ],
        "delivered_after_us": next((one["microseconds"] for one in followed if one["kind"] == "delivery"), None),
        "outcome": next((one["outcome"] for one in reversed(followed) if one["kind"] == "outcome"), None),
        "followed_by": followed,
    }
