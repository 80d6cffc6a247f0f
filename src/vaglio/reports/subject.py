"""All that is held about one number (GDPR art. 15): facts, where they come from, decisions, recipients, terms.

What stands here is given to the person, so the number is in clear; nothing else of the site shows it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from vaglio.audit import EntryKind, Keys, Reader, Record
from vaglio.audit.erasing import DEFAULT_RETENTION_DAYS, OTHER_DAYS
from vaglio.errors import NotFoundError
from vaglio.index.history import history
from vaglio.index.holdings import handed_over, register_lists, register_verdicts
from vaglio.index.reader import Reader as IndexReader
from vaglio.index.records import FactKind
from vaglio.model import ANY, Reason
from vaglio.numbers import Number
from vaglio.rules.texts import reason_text

Holding = dict[str, Any]

_OF_CALLS: Final = frozenset({EntryKind.DECISION, EntryKind.FAILOPEN})
_OF_ITSELF: Final = frozenset({EntryKind.ACCESS, EntryKind.ERASURE})
_SOURCE: Final = ("change", "file", "sha256", "channel", "evidence_uri", "uniqueid", "pbx")
RIGHTS: Final = (
    "to object to direct marketing at any time, without giving a reason (art. 21(2)-(3))",
    "to withdraw a consent at any time (art. 7(3))",
    "to have wrong data corrected (art. 16) and data erased (art. 17), but for what a law has us keep",
    "to have processing restricted (art. 18) and, for data given by consent, to receive it (art. 20)",
    "to lodge a complaint with a supervisory authority (art. 77); in Italy the Garante",
)
LOGIC: Final = (
    "Whether a number may be called is decided by fixed rules from the facts above: opposition first, then hours,"
    " frequency, registers and consent. Each decision names the rules it asked and the rulebook's version. A block"
    " only spares a call; nobody is profiled or scored."
)


def subject_report(
    index: IndexReader,
    log: Reader,
    keys: Keys,
    number: Number,
    retention_days: Mapping[str, int],
    at: datetime,
    controller: str | None = None,
) -> Holding:
    """The report, as one JSON object; `held` is false when nothing is known of the number.

    Args:
        index: of the site.
        log: of the site.
        keys: of the log.
        number: one with E.164.
        retention_days: as configured.
        at: when it is made.
        controller: only what is held for this one, and what binds every controller; None for all.

    Raises:
        StoreError: when a database cannot be read.
    """
    sources = _Sources(log)
    own = _own(controller)
    facts = {kind.value: _facts(kind, index.path, number, own, sources) for kind in FactKind}
    registers = [*register_lists(index.path, number.key), *filter(own, register_verdicts(index.path, number.key))]
    handed = list(filter(own, handed_over(index.path, number.key)))
    records = [record for record in log.by_token(keys.token(f"+{number.key}")) if own(record.body)]
    days = _days(number.country, retention_days)
    calls = [_call(record, log, index, days) for record in records if record.kind in _OF_CALLS]
    others = [_entry(record, days) for record in records if record.kind not in _OF_CALLS]
    held = any(facts.values()) or bool(registers or handed or calls)
    held = held or any(record.kind not in _OF_ITSELF for record in records)
    return {
        "number": f"+{number.key}",
        "country": number.country,
        "kind": number.kind.value,
        "controller": controller,
        "made_at": at.isoformat(),
        "held": held,
        "facts": facts,
        "registers": registers,
        "handed_over": handed,
        "calls": calls,
        "other_entries": others,
        "recipients": _recipients(index, facts, calls, handed),
        "purposes": sorted({str(call["purpose"]) for call in calls if call["purpose"]}),
        "retention": {
            "facts": "until they are erased or the principal withdraws them; oppositions for good",
            "calls_days": days,
            "calls": "days after which the number behind a recorded call is deleted, counted from the call",
        },
        "logic": LOGIC,
        "rights": list(RIGHTS),
    }


class _Sources:
    """Where facts come from, by the entries that announced them; each read once."""

    def __init__(self, log: Reader) -> None:
        self._log = log
        self._known: dict[int, Holding] = {}

    def of(self, entry: int) -> Holding:
        """The file, call or command that brought what this entry announced."""
        if entry not in self._known:
            try:
                record = self._log.show(str(entry))
            except NotFoundError:
                self._known[entry] = {"entry": entry}
            else:
                told = {key: record.body[key] for key in _SOURCE if record.body.get(key)}
                self._known[entry] = {"entry": entry, "id": record.id, "at": record.at.isoformat(), **told}
        return self._known[entry]


def _own(controller: str | None) -> Callable[[Mapping[str, Any]], bool]:
    """Whether something is the controller's, or everybody's."""
    if controller is None:
        return lambda _: True
    return lambda held: held.get("controller") in {controller, ANY}


def _facts(
    kind: FactKind,
    index: Path,
    number: Number,
    own: Callable[[Mapping[str, Any]], bool],
    sources: _Sources,
) -> list[Holding]:
    found = history(index, number.key, (kind,))[kind]
    return [{**fact, "source": sources.of(int(str(fact["entry"])))} for fact in found if own(fact)]


def _call(record: Record, log: Reader, index: IndexReader, days: int) -> Holding:
    body = record.body
    campaign = index.campaign(str(body.get("campaign")))
    purpose = body.get("facts", {}).get("campaign", {}).get("purpose")
    followed = log.about(record.id)
    delivered = next((one.at for one in followed if one.kind == EntryKind.DELIVERY), None)
    outcomes = [one.body["outcome"] for one in followed if one.kind == EntryKind.OUTCOME]
    reason = body.get("reason")
    return {
        "id": record.id,
        "entry": record.seq,
        "at": record.at.isoformat(),
        "kind": record.kind,
        "campaign": body.get("campaign"),
        "controller": body.get("controller"),
        "caller_org": campaign.caller_org if campaign else None,
        "purpose": purpose or (campaign.purpose.value if campaign else None),
        "caller_id": body.get("caller_id"),
        "verdict": body.get("verdict"),
        "reason": reason,
        "meaning": reason_text(Reason(reason)) if reason else None,
        "jurisdiction": body.get("jurisdiction"),
        "rulebook": body.get("rulebook"),
        "findings": body.get("findings", []),
        "delivered_at": delivered.isoformat() if delivered else None,
        "outcome": outcomes[-1] if outcomes else None,
        "kept_until": (record.at + timedelta(days=days)).isoformat(),
    }


def _entry(record: Record, days: int) -> Holding:
    told = {key: value for key, value in record.body.items() if key not in {"v", "number", "at", "id", "kind"}}
    until = (record.at + timedelta(days=days)).isoformat()
    return {"id": record.id, "entry": record.seq, "at": record.at.isoformat(), "kind": record.kind} | {
        "told": told,
        "kept_until": until,
    }


def _recipients(
    index: IndexReader, facts: Mapping[str, list[Holding]], calls: Iterable[Holding], handed: Iterable[Holding]
) -> Holding:
    """Who was given the number or acts on it (art. 15(1)(c))."""
    told = [*(fact for some in facts.values() for fact in some), *calls, *handed]
    ids = sorted({str(one["controller"]) for one in told if one.get("controller") not in {None, ANY}})
    known = {one: index.controller(one) for one in ids}
    return {
        "controllers": [{"id": one, "name": found.name if found else None} for one, found in known.items()],
        "caller_orgs": sorted({str(one["caller_org"]) for one in calls if one["caller_org"]}),
        "register_keepers": sorted({str(one["register"]) for one in handed}),
    }


def _days(country: str | None, configured: Mapping[str, int]) -> int:
    days = {**DEFAULT_RETENTION_DAYS, **{name.upper(): count for name, count in configured.items()}}
    return days.get(country or "*", days.get("*", OTHER_DAYS))
