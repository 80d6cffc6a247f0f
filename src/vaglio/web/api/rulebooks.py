"""`/v1/rulebooks`: the law in force, as dated data."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from vaglio.clock import now
from vaglio.errors import NotFoundError
from vaglio.rules import Confidence, Family, listed
from vaglio.web.access.caller import Caller
from vaglio.web.access.roles import Permission
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import Instant, Told
from vaglio.web.callers import InRooms, allowed

router = APIRouter(prefix="/rulebooks", tags=["rulebooks"])

MaySee = Annotated[Caller, allowed(Permission.RULES_READ)]


class RulebookShown(Told):
    """The law of one jurisdiction over time."""

    jurisdiction: str = Field(examples=["it"])
    name: str
    version: str = Field(description="What decisions name: jurisdiction and hash of its data.")
    zone: str = Field(examples=["Europe/Rome"])
    valid_from: date = Field(description="The first day it speaks of.")
    rules: int


class Rulebooks(Told):
    """All rulebooks."""

    rulebooks: list[RulebookShown]


class RuleShown(Told):
    """One dated rule, whole."""

    id: str
    family: Family
    summary: str
    citation: str
    sources: list[str]
    confidence: Confidence
    note: str
    valid_from: date
    valid_to: date | None
    enabled: bool
    when: dict[str, Any]
    unless: list[str]
    params: dict[str, Any]


class Rules(Told):
    """The rules of a jurisdiction in force at an instant, in the order in which they are asked."""

    jurisdiction: str
    version: str
    rules: list[RuleShown]


@router.get("", operation_id="listRulebooks", summary="All rulebooks", responses=problems())
async def rulebooks(rooms: InRooms, _: MaySee) -> Rulebooks:
    """As loaded now."""
    return Rulebooks(
        rulebooks=[
            RulebookShown(
                jurisdiction=name,
                name=book.name,
                version=book.version,
                zone=book.zone.key,
                valid_from=book.valid_from,
                rules=len(book.rules),
            )
            for name, book in rooms.screener.rulebooks.books.items()
        ]
    )


@router.get(
    "/{jurisdiction}",
    operation_id="showRulebook",
    summary="The rules in force at an instant",
    responses=problems(404),
)
async def rulebook(
    rooms: InRooms,
    _: MaySee,
    jurisdiction: Annotated[str, Path(pattern="^[a-z]{2}$", examples=["it"])],
    at: Annotated[Instant | None, Query(description="Left out: now.")] = None,
) -> Rules:
    """Each with its citation and how sure we are of it."""
    known = rooms.screener.rulebooks
    book = known.books.get(jurisdiction)
    if book is None:
        raise NotFoundError(f"jurisdiction: no rulebook; there are {', '.join(known.books)}")
    found = listed(known, at or now(), jurisdiction)
    rules = [RuleShown.model_validate(one.rule.model_dump(mode="json")) for one in found]
    return Rules(jurisdiction=jurisdiction, version=book.version, rules=rules)
