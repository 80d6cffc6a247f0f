"""`/v1/relationships`: contracts, purchases, inquiries, requested calls, call-backs."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Response

from vaglio.index.records import FactKind
from vaglio.model import RelationshipKind
from vaglio.web.api import bulk, facts
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import E164, Asked, ControllerId, Instant, SectorWord
from vaglio.web.api.idempotency import MayWrite

router = APIRouter(prefix="/relationships", tags=["relationships"])

_EXAMPLE: Final = {
    "number": "+393331234567",
    "controller": "aurora",
    "kind": "contract",
    "started_at": "2025-11-03T00:00:00+01:00",
    "sector": "telecom",
}


class NewRelationship(Asked, json_schema_extra={"examples": [_EXAMPLE]}):
    """A tie between a number and a controller; the same again with `ended_at` ends it."""

    number: E164
    controller: ControllerId
    kind: RelationshipKind
    started_at: Instant
    ended_at: Instant | None = None
    sector: SectorWord | None = None
    simplified_revocation: bool = False


class RelationshipStanding(facts.Standing):
    """A relationship as recorded."""

    kind: RelationshipKind
    started_at: str
    ended_at: str | None
    sector: str | None
    simplified_revocation: bool


class Relationships(facts.Masked):
    """A number's relationships."""

    facts: list[RelationshipStanding]


@router.post(
    "",
    operation_id="addRelationship",
    summary="Record a relationship",
    status_code=HTTPStatus.CREATED,
    response_model=facts.Recorded,
    responses=problems(body=True),
)
async def add(writing: MayWrite, relationship: NewRelationship) -> Response:
    """It counts from the next call on."""
    return await facts.add(writing, FactKind.RELATIONSHIP, relationship)


@router.post(
    "/show",
    operation_id="showRelationships",
    summary="A number's relationships",
    response_model=Relationships,
    responses=problems(body=True),
)
async def show(showing: facts.MayShow, asked: facts.NumberAsked) -> Any:  # noqa: ANN401 - made the model by FastAPI
    """Ended and corrected ones too; empty when there is none."""
    return await showing.facts(FactKind.RELATIONSHIP, asked)


@router.post(
    "/bulk",
    operation_id="loadRelationships",
    summary="Record many relationships",
    response_model=bulk.Loaded,
    responses=problems(415, body=True),
    openapi_extra=bulk.documented(_EXAMPLE),
)
async def load(writing: MayWrite, _: bulk.IsNdjson) -> Response:
    """One JSON object a line, as for one. A bad line is told with its field and reason; the others load."""
    return await bulk.load(writing, FactKind.RELATIONSHIP)
