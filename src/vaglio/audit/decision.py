"""The entries of a call: its decision, the delivery of the verdict, its outcome, and calls let out without one."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

import orjson

from vaglio.audit.canonical import canonical, timestamp
from vaglio.audit.entry import Entry, EntryKind, HasNumber, make
from vaglio.audit.redact import redacted, redacted_reference, redacted_unique_id
from vaglio.model import Call, CallOutcome, Campaign, Decision, Facts, FindingOutcome, Reason


def decision_entry(call: Call, facts: Facts, decision: Decision, timings: Mapping[str, int]) -> Entry:
    """The complete record of one decision: the question, the facts by reference, the findings, the answer.

    Args:
        call: the question.
        facts: what the index knew; the body refers to each fact by the entry that announced it.
        decision: the answer.
        timings: name of a step → microseconds it took.

    Raises:
        InputError: when the whole would exceed an entry's bounds.
    """
    campaign = facts.campaign
    unique_id = redacted_unique_id(call.uniqueid)
    body: dict[str, object] = {
        "campaign": campaign.id if campaign else redacted(call.campaign_id),
        "controller": campaign.controller if campaign else None,
        "verdict": decision.verdict.value,
        "reason": decision.reason.value,
        "would_be": decision.would_be.value if decision.would_be else None,
        "caller_id": _caller_id(call.caller_id, campaign),
        "pbx": redacted(call.pbx),
        "uniqueid": unique_id,
        "jurisdiction": decision.jurisdiction,
        "local_times": dict(decision.local_times),
        "rulebook": decision.rulebook,
        "generation": facts.generation,
        "findings": [
            _finding(finding.rule, finding.outcome, finding.reason, finding.detail, finding.evidence)
            for finding in decision.findings
        ],
        "facts": _facts(facts),
        "timings": dict(timings),
    }
    identified = (redacted(call.pbx), unique_id) if call.uniqueid else None
    return make(EntryKind.DECISION, call.at, body, number=call.number, call=identified)


def delivery_entry(decision: str, at: datetime, microseconds: int) -> Entry:
    """Asterisk confirmed the verdict of the decision `microseconds` after the question."""
    return make(EntryKind.DELIVERY, at, {"ref": decision, "microseconds": microseconds})


def outcome_entry(decision: str, at: datetime, outcome: CallOutcome, details: Mapping[str, int | str]) -> Entry:
    """What became of the call: cause codes, seconds rung and talked, as the PBX told them."""
    texts = {key: redacted(value) if isinstance(value, str) else value for key, value in details.items()}
    return make(EntryKind.OUTCOME, at, {"ref": decision, "outcome": outcome.value, "details": texts})


def failopen_entry(
    number: HasNumber, campaign: Campaign | None, campaign_id: str, pbx: str, unique_id: str, at: datetime
) -> Entry:
    """A call that the failure policy let out while no verdict could be had; `at` is when it went out."""
    body: dict[str, object] = {
        "campaign": campaign.id if campaign else redacted(campaign_id),
        "controller": campaign.controller if campaign else None,
        "pbx": redacted(pbx),
        "uniqueid": redacted_unique_id(unique_id),
    }
    return make(EntryKind.FAILOPEN, at, body, number=number, call=(redacted(pbx), redacted_unique_id(unique_id)))


def _caller_id(caller_id: str | None, campaign: Campaign | None) -> str | None:
    """The campaign's own declared number in clear; any other is somebody's, and is masked."""
    if caller_id is None or (campaign is not None and caller_id in campaign.caller_ids):
        return caller_id
    return "…" + "".join(mark for mark in caller_id if mark.isdecimal())[-3:]


@lru_cache(maxsize=4096)
def _finding(
    rule: str, outcome: FindingOutcome, reason: Reason | None, detail: str, evidence: str | None
) -> orjson.Fragment:
    """What a rule said of this call; its citation stands in the rulebook that the entry names.

    Of a rule that was not asked there is nothing to tell but that. Most findings are said of many calls, so their
    canonical form is kept.
    """
    body: dict[str, object] = {"rule": rule, "outcome": outcome.value}
    if reason is not None:
        body["reason"] = reason.value
    if detail and outcome is not FindingOutcome.NOT_APPLICABLE:
        body["detail"] = redacted(detail)
    if evidence is not None:
        body["evidence"] = redacted_reference(evidence)
    return orjson.Fragment(canonical(body))


def _facts(facts: Facts) -> dict[str, object]:
    """The facts by reference: the entries that announced them, the snapshots and batches read."""
    used: dict[str, object] = {}
    if facts.campaign is not None:
        campaign = facts.campaign
        used["campaign"] = {
            "purpose": campaign.purpose.value,
            "sector": redacted(campaign.sector),
            "dial_mode": campaign.dial_mode.value,
            "mode": campaign.mode.value,
            "region": campaign.region,
        }
    for name, known in (
        ("oppositions", facts.oppositions),
        ("consents", facts.consents),
        ("relationships", facts.relationships),
    ):
        if known:
            used[name] = [fact.entry for fact in known]
    if facts.contact is not None:
        used["contact"] = facts.contact.entry
    if facts.registers:
        used["registers"] = {
            name: {
                "state": status.state.value,
                "as_of": timestamp(status.as_of) if status.as_of else None,
                "source": redacted(status.source) if status.source else None,
                "void_until": status.consents_void_until.isoformat() if status.consents_void_until else None,
            }
            for name, status in facts.registers.items()
        }
    if facts.attempts:
        used["attempts"] = [attempt.decision for attempt in facts.attempts]
    return used
