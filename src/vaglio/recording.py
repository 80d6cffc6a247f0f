"""One fact recorded, withdrawn or lifted, one campaign put: what the shell, the API and the console share.

Each is held to the same as a row of a file and told to the log alike. `origin` is what the entry says of who did
it and by which door: `by` and `via`, or nothing at the shell.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from vaglio.audit.canonical import timestamp
from vaglio.changes import Announcement, Change, Changes
from vaglio.errors import InputError
from vaglio.index.facts import FILES
from vaglio.index.records import (
    ConsentRecord,
    ContactRecord,
    FactKind,
    OppositionRecord,
    Record,
    RelationshipRecord,
    WithdrawalRecord,
)
from vaglio.index.rows import Reject
from vaglio.index.store import Counts, Store
from vaglio.model import ANY, Campaign
from vaglio.numbers import Number
from vaglio.redaction import redact

IMPORTS: Final[Mapping[FactKind, Change]] = MappingProxyType(
    {
        FactKind.OPPOSITION: Change.OPPOSITION_IMPORT,
        FactKind.CONSENT: Change.CONSENT_IMPORT,
        FactKind.WITHDRAWAL: Change.WITHDRAWAL_IMPORT,
        FactKind.RELATIONSHIP: Change.RELATIONSHIP_IMPORT,
        FactKind.CONTACT: Change.CONTACT_IMPORT,
    }
)
"""What many facts of a kind at once are, as a change."""


def record(kind: FactKind, values: Mapping[str, str | None], shown: Callable[[str], str] = str) -> Record:
    """One fact from its values by column; `shown` tells how whoever gave them knows a column.

    Raises:
        InputError: naming the column and what was expected, never the value.
    """
    try:
        return FILES[kind].record({column: value or "" for column, value in values.items()}, None)
    except Reject as reject:
        raise InputError(f"{shown(reject.column)}: {reject.reason}") from reject


async def known_controller(store: Store, controller: str, shown: str = "controller") -> None:
    """A fact of a principal that does not exist would bind nothing.

    Raises:
        InputError: when the controller is not known here.
    """
    if controller == ANY:
        return
    if not await store.rows("SELECT 1 FROM controller WHERE id = ?", (controller,)):
        raise InputError(
            f"{shown} {redact(controller)!r}: not known here; vaglio controller list shows the known ones"
        )


async def add(
    changes: Changes, store: Store, fact: Record, number: Number, origin: Mapping[str, object]
) -> tuple[Announcement, Counts]:
    """Record one fact; it binds from the next call on.

    Raises:
        StoreError: when a database cannot be written.
    """
    if isinstance(fact, OppositionRecord):
        return await changes.oppose(fact, number, origin)
    change, told = _told(fact)
    return await changes.make(
        change,
        {**origin, "controller": fact.controller, **told},
        lambda entry: store.add([fact], entry=entry),
        number=number,
        result=asdict,
    )


def _told(
    fact: ConsentRecord | WithdrawalRecord | RelationshipRecord | ContactRecord,
) -> tuple[Change, dict[str, Any]]:
    match fact:
        case ConsentRecord():
            given = {"purpose": fact.purpose, "given_at": timestamp(fact.given_at), "method": fact.method}
            return Change.CONSENT, {**given, "evidence_uri": fact.evidence_uri}
        case WithdrawalRecord():
            withdrawn = {"purpose": fact.purpose, "withdrawn_at": timestamp(fact.withdrawn_at)}
            return Change.CONSENT_WITHDRAWN, {**withdrawn, "evidence_uri": fact.evidence_uri}
        case RelationshipRecord():
            started = {"relationship": fact.kind.value, "started_at": timestamp(fact.started_at)}
            return Change.RELATIONSHIP, started
        case ContactRecord():
            return Change.CONTACT, {}


async def lift(
    changes: Changes,
    store: Store,
    number: Number,
    controller: str,
    *,
    purpose: str | None,
    at: datetime,
    evidence_uri: str,
    origin: Mapping[str, object],
) -> tuple[Announcement, int]:
    """End a number's oppositions to a controller, for a purpose or (None) for all; tells how many there were.

    Raises:
        StoreError: when a database cannot be written.
    """
    return await changes.make(
        Change.OPPOSITION_LIFTED,
        {**origin, "controller": controller, "purpose": purpose, "evidence_uri": evidence_uri},
        lambda entry: store.lift_opposition(
            number.key, controller, purpose=purpose, lifted_at=at, evidence_uri=evidence_uri, entry=entry
        ),
        number=number,
        result=lambda count: {"lifted": count},
    )


def before_and_after(before: Campaign | None, after: Campaign) -> dict[str, object]:
    """What a campaign was and is, for the log: only the keys that differ, and every key of a new one."""
    new = plain(after)
    old = plain(before) if before else {}
    differing = sorted(key for key in new if old.get(key) != new[key])
    return {
        "id": after.id,
        "before": {key: old[key] for key in differing} if before else None,
        "after": {key: new[key] for key in differing},
    }


def plain(campaign: Campaign) -> dict[str, Any]:
    """A campaign as texts and lists of them, None where it says nothing."""
    fields = asdict(campaign)
    return {
        key: list(value) if isinstance(value, tuple) else None if value is None else str(value)
        for key, value in fields.items()
    }
