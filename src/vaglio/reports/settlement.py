"""Which contracts come from a lawful call, proven by the log, and why no commission is due for the others.

The Italian code of conduct (Garante provv. 148/2024, art. 16) has the principal control where each contract comes
from; the supplier's contract must give no commission for a sale born of a contact without a basis. A call proves a
contract's origin when it was allowed on a lawful basis, Asterisk took that verdict, the person was reached as far
as the PBX told, and it was made for the same controller to the same number, before the signature and within the
window.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import orjson

from vaglio.audit import EntryKind, Keys, Reader, Record
from vaglio.audit.canonical import microseconds
from vaglio.audit.removal import Removals
from vaglio.audit.store import explained, open_reading
from vaglio.errors import NotFoundError
from vaglio.model import CallOutcome, Reason, Verdict
from vaglio.reports.contracts import Contract

WINDOW_DAYS: Final = 30
"""How long before the signature a call may lie, unless told otherwise: a policy, no law states a figure."""

BASES: Final = frozenset(
    {
        Reason.CUSTOMER,
        Reason.CALLBACK,
        Reason.CONSENT,
        Reason.LISTED_NOT_OPPOSED,
        Reason.NOT_ON_REGISTER,
        Reason.NO_RESTRICTION,
        Reason.REQUESTED_CALL,
    }
)
"""Reasons of an allow that are a lawful basis; `MONITOR_ONLY` is none, for the call would have been blocked."""

COLUMNS: Final = (
    "contract_id",
    "number",
    "controller",
    "signed_at",
    "commission",
    "reason",
    "decision_id",
    "entry",
    "called_at",
    "campaign",
    "verdict",
    "verdict_reason",
    "rulebook",
    "would_prove",
)
"""Of the result, in order; docs/settlement.md describes each."""

_NOT_REACHED: Final = frozenset({CallOutcome.BUSY, CallOutcome.NO_ANSWER, CallOutcome.FAILED, CallOutcome.SILENT})
_ERASED: Final = """
SELECT at, controller, body FROM entry WHERE seq BETWEEN ? AND ? AND kind IN ('decision', 'failopen')"""


class NoCommission(StrEnum):
    """Why a call, or the lack of one, proves nothing."""

    NO_CALL = "NO_CALL"
    """No call to the number stands in the log."""
    BLOCKED = "BLOCKED"
    MONITOR_ONLY = "MONITOR_ONLY"
    """The call went out in monitor mode although it would have been blocked."""
    NO_BASIS = "NO_BASIS"
    """Allowed, but for a reason that is no basis, as an emergency number is."""
    FAILOPEN = "FAILOPEN"
    """The failure policy let it out; no verdict was given."""
    UNDELIVERED = "UNDELIVERED"
    """Allowed, but Asterisk never confirmed the verdict: the call did not go out by it."""
    NOT_ANSWERED = "NOT_ANSWERED"
    """Busy, not answered, failed, or silent: nobody was spoken to."""
    AFTER_SIGNATURE = "AFTER_SIGNATURE"
    TOO_LONG_BEFORE = "TOO_LONG_BEFORE"
    """The last call was made before the window opened."""
    OTHER_CONTROLLER = "OTHER_CONTROLLER"
    OTHER_NUMBER = "OTHER_NUMBER"
    """The decision that the contract names is about another number."""
    NUMBER_ERASED = "NUMBER_ERASED"
    """Calls that could be it are in the log, but their numbers were erased on request."""
    NUMBER_EXPIRED = "NUMBER_EXPIRED"
    """The numbers of a part of the window have been purged: their retention was over."""
    DECISION_UNKNOWN = "DECISION_UNKNOWN"
    """The decision that the contract names does not exist."""


_OUTSIDE: Final = (NoCommission.AFTER_SIGNATURE, NoCommission.TOO_LONG_BEFORE, NoCommission.OTHER_CONTROLLER)
"""Misses that tell of no call in question, the nearest first."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one contract."""

    contract: Contract
    reason: Reason | NoCommission
    """The basis of the call that proves it, or why none does."""
    call: Record | None
    """The decision that proves it; else the call that comes nearest, if there is one."""
    also: str | None = None
    """Another decision that would have proved it, had the contract not named one that does not."""

    @property
    def due(self) -> bool:
        """Whether a lawful call preceded the contract."""
        return isinstance(self.reason, Reason)

    @property
    def row(self) -> dict[str, str | int | None]:
        """The result by column; never the number in clear."""
        body = self.call.body if self.call is not None else {}
        values = (
            self.contract.id,
            self.contract.number.masked,
            self.contract.controller,
            self.contract.signed_at.isoformat(),
            "due" if self.due else "none",
            self.reason.value,
            self.call.id if self.call else None,
            self.call.seq if self.call else None,
            self.call.at.isoformat() if self.call else None,
            body.get("campaign"),
            body.get("verdict"),
            body.get("reason"),
            body.get("rulebook"),
            self.also,
        )
        return dict(zip(COLUMNS, values, strict=True))


@dataclass(slots=True)
class CampaignTotal:
    """The contracts of one campaign: of the call that proves them, or comes nearest; empty where there is none."""

    campaign: str
    controller: str
    due: int = 0
    none: Counter[str] = field(default_factory=Counter)
    """Why not → how many."""

    @property
    def contracts(self) -> int:
        """How many there are."""
        return self.due + self.none.total()


@dataclass(frozen=True, slots=True)
class Gone:
    """Calls whose numbers are no longer in the log: what can still be said of them."""

    removals: Removals
    erased: Mapping[tuple[str | None, str, str | None], tuple[int, ...]]
    """Controller, last three digits, country → when, in microseconds since 1970, for numbers erased on request."""

    @classmethod
    def of(cls, log: Path) -> "Gone":
        """Read from the log what was removed from it.

        Raises:
            StoreError: when it cannot be read.
        """
        erased: dict[tuple[str | None, str, str | None], list[int]] = {}
        with closing(open_reading(log)) as connection, explained(log):
            removals = Removals.told_by(connection)
            for run in zip(removals.firsts, removals.lasts, strict=True):
                for at, controller, raw in connection.execute(_ERASED, run):
                    told = orjson.loads(raw).get("number", {})
                    key = (controller, str(told.get("last3")), told.get("country"))
                    erased.setdefault(key, []).append(int(at))
        return cls(removals, {key: tuple(times) for key, times in erased.items()})

    def explains(self, contract: Contract, opens: datetime) -> NoCommission | None:
        """Whether a call could be missing because its number is gone."""
        first, last = microseconds(opens), microseconds(contract.signed_at)
        key = (contract.controller, contract.number.last3, contract.number.country)
        if any(first <= at <= last for at in self.erased.get(key, ())):
            return NoCommission.NUMBER_ERASED
        before = self.removals.before
        limit = before.get(contract.number.country, before.get(None))
        return NoCommission.NUMBER_EXPIRED if limit is not None and first < limit else None


def settle(
    contracts: Iterable[Contract], log: Reader, keys: Keys, gone: Gone, window: timedelta
) -> Iterator[Settled]:
    """Settle the contracts in their order, each by itself.

    Raises:
        StoreError: when the log cannot be read.
    """
    for contract in contracts:
        yield _settled(contract, log, keys, gone, window)


def count(totals: dict[tuple[str, str], CampaignTotal], one: Settled) -> None:
    """Add a result to the totals, which are keyed (controller, campaign)."""
    campaign = str(one.row["campaign"] or "")
    key = (one.contract.controller, campaign)
    total = totals.setdefault(key, CampaignTotal(campaign, one.contract.controller))
    if one.due:
        total.due += 1
    else:
        total.none[one.reason.value] += 1


def _settled(contract: Contract, log: Reader, keys: Keys, gone: Gone, window: timedelta) -> Settled:
    opens = contract.signed_at - window
    calls = [
        record
        for record in log.by_token(keys.token(f"+{contract.number.key}"))
        if record.kind in {EntryKind.DECISION, EntryKind.FAILOPEN}
    ]
    judged = [(call, _miss(call, contract, opens, log)) for call in calls]
    proofs = [call for call, why in judged if why is None]
    best = _best(proofs, log)
    if contract.decision is not None:
        return _named(contract, contract.decision, log, judged, best)
    if best is not None:
        return Settled(contract, Reason(best.body["reason"]), best)
    misses = [(call, why) for call, why in judged if why is not None]
    within = [(call, why) for call, why in misses if why not in _OUTSIDE]
    if within:
        return Settled(contract, within[-1][1], within[-1][0])
    removed = gone.explains(contract, opens)
    if removed is not None:
        return Settled(contract, removed, None)
    for wanted in _OUTSIDE:
        for call, why in reversed(misses):
            if why is wanted:
                return Settled(contract, why, call if why is not NoCommission.OTHER_CONTROLLER else None)
    return Settled(contract, NoCommission.NO_CALL, None)


def _named(
    contract: Contract,
    decision: str,
    log: Reader,
    judged: list[tuple[Record, NoCommission | None]],
    best: Record | None,
) -> Settled:
    """Settle by the decision that the contract names, and by no other."""
    also = best.id if best is not None else None
    for call, why in judged:
        if call.id == decision:
            if why is None:
                return Settled(contract, Reason(call.body["reason"]), call)
            return Settled(contract, why, call if why is not NoCommission.OTHER_CONTROLLER else None, also)
    try:
        record = log.show(decision)
    except NotFoundError:
        return Settled(contract, NoCommission.DECISION_UNKNOWN, None, also)
    if record.kind not in {EntryKind.DECISION, EntryKind.FAILOPEN}:
        return Settled(contract, NoCommission.DECISION_UNKNOWN, None, also)
    about_a_number = "commitment" in record.body.get("number", {})
    if about_a_number and log.sealed(record.id) is None:
        return Settled(contract, NoCommission.NUMBER_ERASED, None, also)
    return Settled(contract, NoCommission.OTHER_NUMBER, None, also)


def _miss(call: Record, contract: Contract, opens: datetime, log: Reader) -> NoCommission | None:
    """Why the call does not prove the contract; None when it does."""
    body = call.body
    checks = (
        (body.get("controller") != contract.controller, NoCommission.OTHER_CONTROLLER),
        (call.at > contract.signed_at, NoCommission.AFTER_SIGNATURE),
        (call.at < opens, NoCommission.TOO_LONG_BEFORE),
        (call.kind == EntryKind.FAILOPEN, NoCommission.FAILOPEN),
        (body.get("verdict") != Verdict.ALLOW, NoCommission.BLOCKED),
        (body.get("reason") == Reason.MONITOR_ONLY, NoCommission.MONITOR_ONLY),
        (body.get("reason") not in BASES, NoCommission.NO_BASIS),
    )
    for met, why in checks:
        if met:
            return why
    delivered, outcome = _course(call, log)
    if not delivered:
        return NoCommission.UNDELIVERED
    return NoCommission.NOT_ANSWERED if outcome in _NOT_REACHED else None


def _best(proofs: list[Record], log: Reader) -> Record | None:
    """The last call that was surely answered, else the last one."""
    answered = [call for call in proofs if _course(call, log)[1] is CallOutcome.ANSWERED]
    found = answered or proofs
    return found[-1] if found else None


def _course(call: Record, log: Reader) -> tuple[bool, CallOutcome]:
    """Whether Asterisk took the verdict, and what became of the call."""
    followed = log.about(call.id)
    outcomes = [record.body["outcome"] for record in followed if record.kind == EntryKind.OUTCOME]
    delivered = any(record.kind == EntryKind.DELIVERY for record in followed)
    return delivered, CallOutcome(outcomes[-1]) if outcomes else CallOutcome.UNKNOWN
