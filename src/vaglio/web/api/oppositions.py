"""`/v1/oppositions`: who refused to be called, by whom, for what."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import Field

from vaglio import recording
from vaglio.errors import InputError
from vaglio.index.records import FactKind
from vaglio.model import ANY
from vaglio.web.api import bulk, facts
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import (
    E164,
    ULID,
    Asked,
    ControllerOrAny,
    EvidenceUri,
    Instant,
    PurposeOrAny,
    Text,
    number_of,
)
from vaglio.web.api.idempotency import MayWrite

router = APIRouter(prefix="/oppositions", tags=["oppositions"])

_EXAMPLE: Final = {"number": "+393331234567", "controller": "aurora", "purpose": "*", "channel": "letter"}


class NewOpposition(Asked, json_schema_extra={"examples": [_EXAMPLE]}):
    """A refusal; by a key without a controller it may be one to every principal (`*`)."""

    number: E164
    controller: ControllerOrAny
    purpose: PurposeOrAny = ANY
    opposed_at: Instant | None = Field(default=None, description="Left out: now.")
    channel: Text | None = Field(
        default=None, description="How it came in; left out: `api`. Reports count `complaint` on its own."
    )
    evidence_uri: EvidenceUri | None = None


class Lift(
    Asked,
    json_schema_extra={
        "examples": [
            {
                "number": "+393331234567",
                "controller": "aurora",
                "evidence_uri": "https://crm.example/proof/4712",
            }
        ]
    },
):
    """A person's own later act."""

    number: E164
    controller: ControllerOrAny
    purpose: PurposeOrAny | None = Field(default=None, description="Left out: all of them.")
    evidence_uri: Annotated[EvidenceUri, Field(min_length=1)]


class Lifted(facts.Masked):
    """What a lift did."""

    controller: str
    entry: str = Field(pattern=ULID, description="Id of the entry of the log that announced it.")
    lifted: int = Field(description="How many oppositions were in force; 0 means that nothing changed.")


class OppositionStanding(facts.Standing):
    """An opposition, in force until lifted."""

    purpose: str
    opposed_at: str
    channel: str | None
    evidence_uri: str | None
    lifted_at: str | None = None
    lifted_evidence_uri: str | None = None
    lifted_entry: int | None = None


class Oppositions(facts.Masked):
    """A number's oppositions, those to every principal among them."""

    facts: list[OppositionStanding]


@router.post(
    "",
    operation_id="addOpposition",
    summary="Record an opposition",
    status_code=HTTPStatus.CREATED,
    response_model=facts.Recorded,
    responses=problems(body=True),
)
async def add(writing: MayWrite, opposition: NewOpposition) -> Response:
    """It binds from the next call on: once this has answered, no call passes."""
    return await facts.add(
        writing, FactKind.OPPOSITION, opposition, defaults={"channel": "api"}, timed="opposed_at"
    )


@router.post(
    "/lift",
    operation_id="liftOppositions",
    summary="End a number's oppositions to a controller",
    response_model=Lifted,
    responses=problems(body=True),
)
async def lift(writing: MayWrite, asked: Lift) -> Response:
    """By an act of the person, which the evidence proves; the record stays. `*` is lifted by naming `*`."""
    writing.check_owns(asked.controller)
    number = number_of(asked.number)
    if not asked.evidence_uri.isprintable():
        raise InputError("evidence_uri: holds control characters")

    async def work(at: datetime) -> Lifted:
        rooms = writing.rooms
        announced, lifted = await recording.lift(
            rooms.changes,
            rooms.store,
            number,
            asked.controller,
            purpose=asked.purpose,
            at=at,
            evidence_uri=asked.evidence_uri,
            origin=writing.caller.origin,
        )
        return Lifted(number=number.masked, controller=asked.controller, entry=announced.id, lifted=lifted)

    return await writing.once(HTTPStatus.OK, work)


@router.post(
    "/show",
    operation_id="showOppositions",
    summary="A number's oppositions",
    response_model=Oppositions,
    responses=problems(body=True),
)
async def show(showing: facts.MayShow, asked: facts.NumberAsked) -> Any:  # noqa: ANN401 - made the model by FastAPI
    """Lifted and corrected ones too; empty when there is none."""
    return await showing.facts(FactKind.OPPOSITION, asked)


@router.post(
    "/bulk",
    operation_id="loadOppositions",
    summary="Record many oppositions",
    response_model=bulk.Loaded,
    responses=problems(415, body=True),
    openapi_extra=bulk.documented({**_EXAMPLE, "opposed_at": "2026-03-01T09:30:00+01:00"}),
)
async def load(writing: MayWrite, _: bulk.IsNdjson) -> Response:
    """One JSON object a line; purpose and `opposed_at` are required here. A bad line is told, the others load."""
    return await bulk.load(writing, FactKind.OPPOSITION)
