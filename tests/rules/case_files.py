"""Cases as a lawyer writes them: TOML tables of a call and its facts, made into the values the rules take."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from vaglio.model import (
    Attempt,
    Call,
    CallOutcome,
    Campaign,
    CampaignMode,
    Consent,
    ConsentChannel,
    Contact,
    DialMode,
    Facts,
    Opposition,
    Purpose,
    RegisterState,
    RegisterStatus,
    Relationship,
    RelationshipKind,
    SubjectType,
)
from vaglio.numbers import emergency_numbers, parse

CASES = Path(__file__).parent / "cases"

Question = tuple[Call, Campaign | None, Facts]


@dataclass(frozen=True, slots=True)
class Case:
    """One worked case: what it says, the question, and what must come out."""

    name: str
    says: str
    table: dict[str, Any]

    @property
    def reason(self) -> str:
        reason: str = self.table["reason"]
        return reason


def cases() -> Iterator[Case]:
    """Every case of every file; what stands under `[all]` holds for each of a file unless it says otherwise."""
    for file in sorted(CASES.glob("*.toml")):
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        shared = tables.get("all", {})
        for number, case in enumerate(tables["case"], 1):
            merged = {**shared, **case}
            merged["campaign"] = {**shared.get("campaign", {}), **case.get("campaign", {})}
            yield Case(f"{file.stem}-{case.get('id', number)}", case["says"], merged)


def question(table: dict[str, Any]) -> Question:
    """The call, its campaign and the facts of a table."""
    campaign = _campaign(table["campaign"]) if table.get("campaign_known", True) else None
    region = campaign.region if campaign else "IT"
    number = parse(table["number"], region=region, emergency=emergency_numbers([region]))
    shown = table.get("caller_id", table["campaign"]["caller_ids"][0] if campaign else None)
    call = Call(number, table["campaign"].get("id", "c"), shown or None, _utc(table["at"]))
    facts = Facts(
        generation=1,
        campaign=campaign,
        oppositions=tuple(_opposition(row) for row in table.get("oppositions", ())),
        consents=tuple(_consent(row) for row in table.get("consents", ())),
        relationships=tuple(_relationship(row) for row in table.get("relationships", ())),
        contact=_contact(table["contact"]) if "contact" in table else None,
        registers={name: _register(name, row) for name, row in table.get("registers", {}).items()},
        attempts=tuple(_attempt(index, row) for index, row in enumerate(table.get("attempts", ()))),
    )
    return call, campaign, facts


def _campaign(row: dict[str, Any]) -> Campaign:
    return Campaign(
        id=row.get("id", "c"),
        controller="acme",
        caller_org="centre",
        purpose=Purpose(row.get("purpose", "marketing")),
        sector=row.get("sector", "telecom"),
        dial_mode=DialMode(row.get("dial_mode", "manual")),
        region=row["region"],
        caller_ids=tuple(row["caller_ids"]),
        starts=row.get("starts"),
        ends=row.get("ends"),
        script_version=row.get("script_version", "s-1") or None,
        notice_version=row.get("notice_version", "n-1") or None,
        mode=CampaignMode(row.get("mode", "enforce")),
        fallback_jurisdiction=row.get("fallback_jurisdiction"),
    )


def _opposition(row: dict[str, Any]) -> Opposition:
    return Opposition(row.get("controller", "acme"), row.get("purpose", "*"), _utc(row["at"]), None, None, 10)


def _consent(row: dict[str, Any]) -> Consent:
    return Consent(
        controller=row.get("controller", "acme"),
        purpose=row.get("purpose", "marketing"),
        given_at=_utc(row["given_at"]),
        channel=ConsentChannel(row.get("channel", "human")),
        sector=row.get("sector"),
        expires_at=_utc(row["expires_at"]) if "expires_at" in row else None,
        withdrawn_at=_utc(row["withdrawn_at"]) if "withdrawn_at" in row else None,
        method="web form",
        evidence_uri=row.get("evidence", "s3://evidence/1") or None,
        evidence_sha256=None,
        notice_id=None,
        collected_by=None,
        entry=20,
    )


def _relationship(row: dict[str, Any]) -> Relationship:
    return Relationship(
        controller="acme",
        kind=RelationshipKind(row["kind"]),
        started_at=_utc(row["started_at"]),
        ended_at=_utc(row["ended_at"]) if "ended_at" in row else None,
        sector=row.get("sector"),
        simplified_revocation=row.get("simplified_revocation", False),
        entry=30,
    )


def _contact(row: dict[str, Any]) -> Contact:
    subject = row.get("subject_type")
    return Contact(
        controller="acme",
        directory_listed=row.get("directory_listed"),
        region=row.get("region"),
        subdivision=row.get("subdivision"),
        timezone=row.get("timezone"),
        subject_type=SubjectType(subject) if subject else None,
        entry=40,
    )


def _register(name: str, row: dict[str, Any]) -> RegisterStatus:
    void: date | None = row.get("consents_void_until")
    as_of = _utc(row["as_of"]) if "as_of" in row else None
    return RegisterStatus(name, RegisterState(row["state"]), as_of, "batch:7", void)


def _attempt(index: int, row: dict[str, Any]) -> Attempt:
    return Attempt(_utc(row["at"]), CallOutcome(row.get("outcome", "no-answer")), f"decision-{index}")


def _utc(instant: datetime) -> datetime:
    assert instant.tzinfo is not None, "a case names its zone"
    return instant.astimezone(UTC)
