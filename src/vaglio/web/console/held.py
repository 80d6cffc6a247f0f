"""What is held about one number, as far as it exists for a caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from vaglio.index.history import history
from vaglio.index.holdings import handed_over, register_lists, register_verdicts
from vaglio.index.records import FactKind
from vaglio.model import ANY
from vaglio.web.access.caller import Caller

Fact = Mapping[str, Any]

COLUMNS: Final[Mapping[FactKind, tuple[str, ...]]] = MappingProxyType(
    {
        FactKind.OPPOSITION: ("controller", "purpose", "opposed_at", "channel", "evidence_uri", "lifted_at"),
        FactKind.CONSENT: (
            "controller",
            "purpose",
            "channel",
            "sector",
            "given_at",
            "expires_at",
            "method",
            "evidence_uri",
        ),
        FactKind.WITHDRAWAL: ("controller", "purpose", "channel", "withdrawn_at", "evidence_uri"),
        FactKind.RELATIONSHIP: ("controller", "kind", "started_at", "ended_at", "sector"),
        FactKind.CONTACT: (
            "controller",
            "directory_listed",
            "region",
            "subdivision",
            "timezone",
            "subject_type",
        ),
    }
)
"""What is told of a fact of each kind; the entry that announced it stands behind."""


@dataclass(frozen=True, slots=True)
class Held:
    """Facts by kind, ended and corrected ones too, and what registers say; times are datetimes."""

    facts: Mapping[FactKind, Sequence[Fact]]
    lists: Sequence[Fact]
    """List registers that hold the number."""
    verdicts: Sequence[Fact]
    handed: Sequence[Fact]
    """Requests to a register's keeper that held the number."""

    @property
    def anything(self) -> bool:
        """Whether there is anything at all."""
        return any(self.facts.values()) or bool(self.lists or self.verdicts or self.handed)


def held(index: Path, number: int, caller: Caller) -> Held:
    """Blocking; what the caller may know of the number (E.164 without plus).

    Raises:
        StoreError: when the index cannot be read.
    """

    def own(found: Sequence[Fact]) -> list[Fact]:
        return [_timed(one) for one in found if caller.sees(one["controller"])]

    return Held(
        {kind: own(found) for kind, found in history(index, number).items()},
        [_timed(one) for one in register_lists(index, number)],
        own(register_verdicts(index, number)),
        own(handed_over(index, number)),
    )


def liftable(known: Held, caller: Caller) -> list[tuple[str, str]]:
    """Controller and purpose of the oppositions in force that the caller may lift."""
    pairs = {
        (one["controller"], one["purpose"])
        for one in known.facts[FactKind.OPPOSITION]
        if one["lifted_at"] is None and not one.get("replaced_by") and caller.owns(one["controller"])
    }
    return sorted(pairs)


def withdrawable(known: Held, caller: Caller) -> list[tuple[str, str]]:
    """Controller and purpose of the consents that nobody has withdrawn and the caller may withdraw."""
    withdrawals = known.facts[FactKind.WITHDRAWAL]
    pairs = {
        (one["controller"], one["purpose"])
        for one in known.facts[FactKind.CONSENT]
        if not one.get("replaced_by")
        and caller.owns(one["controller"])
        and not any(_ends(withdrawal, one) for withdrawal in withdrawals)
    }
    return sorted(pairs)


def _ends(withdrawal: Fact, consent: Fact) -> bool:
    return bool(
        withdrawal["controller"] == consent["controller"]
        and withdrawal["purpose"] in {ANY, consent["purpose"]}
        and withdrawal["channel"] in {None, consent["channel"]}
        and withdrawal["withdrawn_at"] >= consent["given_at"]
    )


def _timed(told: Mapping[str, Any]) -> Fact:
    return {
        key: datetime.fromisoformat(value) if _is_instant(key, value) else value for key, value in told.items()
    }


def _is_instant(key: str, value: object) -> bool:
    return (key.endswith("_at") or key == "as_of") and isinstance(value, str) and "T" in value
