"""Facts as they are written: one frozen record a fact, and the statement that puts it where it belongs.

Each statement is an upsert on the fact's key. The same values again change nothing; other values are a correction,
and a trigger keeps what stood there (table `former`). A record knows its own parameters, without the entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from vaglio.index.instants import to_micros
from vaglio.model import ConsentChannel, RelationshipKind, SubjectType

Row = tuple[int | str | None, ...]


class FactKind(StrEnum):
    """The tables of facts, by the name of one row."""

    OPPOSITION = "opposition"
    CONSENT = "consent"
    WITHDRAWAL = "withdrawal"
    RELATIONSHIP = "relationship"
    CONTACT = "contact"


@dataclass(frozen=True, slots=True)
class OppositionRecord:
    """A refusal to record; `number` is the E.164 integer, controller and purpose may be `*`."""

    number: int
    controller: str
    purpose: str
    opposed_at: datetime
    channel: str | None = None
    evidence_uri: str | None = None

    def row(self) -> Row:
        """The parameters of the statement, in its order, without the entry."""
        return (
            self.number,
            self.controller,
            self.purpose,
            to_micros(self.opposed_at),
            self.channel,
            self.evidence_uri,
        )


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """A consent to record."""

    number: int
    controller: str
    purpose: str
    given_at: datetime
    method: str
    channel: ConsentChannel = ConsentChannel.HUMAN
    sector: str | None = None
    expires_at: datetime | None = None
    evidence_uri: str | None = None
    evidence_sha256: str | None = None
    notice_id: str | None = None
    collected_by: str | None = None

    def row(self) -> Row:
        """The parameters of the statement, in its order, without the entry."""
        return (
            self.number,
            self.controller,
            self.purpose,
            self.channel.value,
            self.sector or "",
            to_micros(self.given_at),
            None if self.expires_at is None else to_micros(self.expires_at),
            self.method,
            self.evidence_uri,
            self.evidence_sha256,
            self.notice_id,
            self.collected_by,
        )


@dataclass(frozen=True, slots=True)
class WithdrawalRecord:
    """The end of the consents given up to it; `channel` None ends those for every channel."""

    number: int
    controller: str
    purpose: str
    withdrawn_at: datetime
    channel: str | None = None
    evidence_uri: str | None = None

    def row(self) -> Row:
        """The parameters of the statement, in its order, without the entry."""
        return (
            self.number,
            self.controller,
            self.purpose,
            self.channel or "",
            to_micros(self.withdrawn_at),
            self.evidence_uri,
        )


@dataclass(frozen=True, slots=True)
class RelationshipRecord:
    """A tie between a number and a controller."""

    number: int
    controller: str
    kind: RelationshipKind
    started_at: datetime
    ended_at: datetime | None = None
    sector: str | None = None
    simplified_revocation: bool = False

    def row(self) -> Row:
        """The parameters of the statement, in its order, without the entry."""
        return (
            self.number,
            self.controller,
            self.kind.value,
            to_micros(self.started_at),
            None if self.ended_at is None else to_micros(self.ended_at),
            self.sector,
            int(self.simplified_revocation),
        )


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """What a controller knows of a number's holder."""

    number: int
    controller: str
    directory_listed: bool | None = None
    region: str | None = None
    subdivision: str | None = None
    timezone: str | None = None
    subject_type: SubjectType | None = None

    def row(self) -> Row:
        """The parameters of the statement, in its order, without the entry."""
        return (
            self.number,
            self.controller,
            None if self.directory_listed is None else int(self.directory_listed),
            self.region,
            self.subdivision,
            self.timezone,
            None if self.subject_type is None else self.subject_type.value,
        )


Record = OppositionRecord | ConsentRecord | WithdrawalRecord | RelationshipRecord | ContactRecord


def _upsert(table: str, key: tuple[str, ...], values: tuple[str, ...]) -> str:
    columns = (*key, *values, "entry")
    changed = " OR ".join(f"{column} IS NOT excluded.{column}" for column in values) or "0"
    assigned = ", ".join(f"{column} = excluded.{column}" for column in (*values, "entry"))
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "  # noqa: S608
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {assigned} WHERE {changed}"
    )


UPSERTS: Final[Mapping[FactKind, str]] = MappingProxyType(
    {
        FactKind.OPPOSITION: _upsert(
            "opposition", ("number", "controller", "purpose", "opposed_at"), ("channel", "evidence_uri")
        ),
        FactKind.CONSENT: _upsert(
            "consent",
            ("number", "controller", "purpose", "channel", "sector", "given_at"),
            ("expires_at", "method", "evidence_uri", "evidence_sha256", "notice_id", "collected_by"),
        ),
        FactKind.WITHDRAWAL: _upsert(
            "withdrawal", ("number", "controller", "purpose", "channel", "withdrawn_at"), ("evidence_uri",)
        ),
        FactKind.RELATIONSHIP: _upsert(
            "relationship",
            ("number", "controller", "kind", "started_at"),
            ("ended_at", "sector", "simplified_revocation"),
        ),
        FactKind.CONTACT: _upsert(
            "contact",
            ("number", "controller"),
            ("directory_listed", "region", "subdivision", "timezone", "subject_type"),
        ),
    }
)
"""One statement a kind; its parameters are a record's row and then the entry."""

KINDS: Final[Mapping[type, FactKind]] = MappingProxyType(
    {
        OppositionRecord: FactKind.OPPOSITION,
        ConsentRecord: FactKind.CONSENT,
        WithdrawalRecord: FactKind.WITHDRAWAL,
        RelationshipRecord: FactKind.RELATIONSHIP,
        ContactRecord: FactKind.CONTACT,
    }
)
