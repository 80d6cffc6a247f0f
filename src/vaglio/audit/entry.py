"""What the log holds: the kinds of entry, and how one is made.

Every body has `v` (format, 1), `kind`, `id` (ULID) and `at` (RFC 3339, microseconds, `Z`). Where they apply it has
`campaign`, `controller`, `verdict`, `reason` and `ref` (the id of the entry it speaks of), and `number`
(`commitment`, `last3`, `country`, `kind`). The rest depends on the kind; docs/auditing.md describes each.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from vaglio.audit.canonical import canonical, microseconds, new_id, timestamp

VERSION = 1
"""Format of the bodies written today."""


class EntryKind(StrEnum):
    """What an entry is about."""

    LOG_CREATED = "log-created"
    """The first entry: origin, public key, fingerprints of the search and sealing keys."""
    DECISION = "decision"
    DELIVERY = "delivery"
    """Asterisk confirmed that it took the verdict; `ref` is the decision."""
    OUTCOME = "outcome"
    """What became of the call; `ref` is the decision."""
    CHANGE_ANNOUNCED = "change-announced"
    """A change of facts is about to be made: opposition, consent, import, snapshot, campaign."""
    CHANGE_CONFIRMED = "change-confirmed"
    """The announced change (`ref`) was made."""
    CHANGE_ABANDONED = "change-abandoned"
    """The announced change (`ref`) was not made."""
    FAILOPEN = "failopen"
    """A call the dialplan's failure policy let out while no verdict could be had."""
    UNSCREENED_CALL = "unscreened-call"
    """A call seen on a trunk without a pass."""
    START = "start"
    STOP = "stop"
    CONFIG = "config"
    """A configuration or rulebook was loaded."""
    RULEBOOK = "rulebook"
    HEARTBEAT = "heartbeat"
    """Written before every checkpoint: its time, and the checkpoint before; so a gap in time means something."""
    KEY_ROTATION = "key-rotation"
    PURGE = "purge"
    """Expired side rows were deleted; every proof still holds."""
    ERASURE = "erasure"
    """A person's side rows were deleted on request."""
    ACCESS = "access"
    """Somebody unsealed or exported personal data."""
    ACCOUNT = "account"
    """An account or API key of the web was made, changed or revoked, or an address was locked out."""
    ALARM = "alarm"
    """The service found something wrong with itself or the log."""


class HasNumber(Protocol):
    """The part of `vaglio.numbers.Number` an entry needs."""

    @property
    def e164(self) -> str | None:
        """With its plus, or None."""

    @property
    def country(self) -> str | None:
        """Two letters."""

    @property
    def kind(self) -> str:
        """Mobile, fixed and so on."""

    @property
    def last3(self) -> str:
        """The last three digits."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The number behind an entry, on its way to the side table."""

    e164: str = field(repr=False)
    salt: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry ready to be appended; build it with `make` or the functions in `vaglio.audit.decision`.

    Attributes:
        at: microseconds since 1970.
        body: the canonical bytes, which are the Merkle leaf.
        subject: what goes to the side table, where the entry concerns a number.
        call: (pbx, unique id) of the call the entry speaks of; decisions only.
    """

    id: str
    kind: EntryKind
    at: int
    body: bytes = field(repr=False)
    campaign: str | None = None
    controller: str | None = None
    verdict: str | None = None
    reason: str | None = None
    ref: str | None = None
    subject: Subject | None = None
    call: tuple[str, str] | None = None
    outcome: str | None = None


def commitment(salt: bytes, e164: str) -> str:
    """What a body holds in a number's place: HMAC-SHA256(salt, number) in hexadecimal."""
    return hmac.digest(salt, e164.encode("ascii"), "sha256").hex()


def number_fields(number: HasNumber) -> tuple[dict[str, object], Subject | None]:
    """A body's `number`, and what goes to the side table: nothing for emergency, short and invalid numbers."""
    fields: dict[str, object] = {"country": number.country, "kind": str(number.kind), "last3": number.last3}
    if number.e164 is None:
        return fields, None
    subject = Subject(number.e164, secrets.token_bytes(32))
    fields["commitment"] = commitment(subject.salt, subject.e164)
    return fields, subject


def make(
    kind: EntryKind,
    at: datetime,
    fields: Mapping[str, object],
    *,
    number: HasNumber | None = None,
    call: tuple[str, str] | None = None,
) -> Entry:
    """An entry of any kind.

    `fields` become the body beside `v`, `kind`, `id`, `at` and `number`; free texts among them must have passed
    `vaglio.audit.redact`. Keys are ASCII; values as `vaglio.audit.canonical` describes.

    Raises:
        InputError: when a value has no canonical form, or the entry is too large.
    """
    stamp = microseconds(at)
    name = new_id(stamp)
    body: dict[str, object] = {**fields, "v": VERSION, "kind": kind.value, "id": name, "at": timestamp(at)}
    subject = None
    if number is not None:
        body["number"], subject = number_fields(number)
    text = searchable(body)
    return Entry(name, kind, stamp, canonical(body), *text, subject, call, _text(body, "outcome"))


def searchable(body: Mapping[str, object]) -> tuple[str | None, str | None, str | None, str | None, str | None]:
    """The search columns of a body: campaign, controller, verdict, reason, ref."""
    return (
        _text(body, "campaign"),
        _text(body, "controller"),
        _text(body, "verdict"),
        _text(body, "reason"),
        _text(body, "ref"),
    )


def _text(body: Mapping[str, object], key: str) -> str | None:
    value = body.get(key)
    return str(value) if value is not None else None
