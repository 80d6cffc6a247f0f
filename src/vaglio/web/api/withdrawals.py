"""`/v1/withdrawals`: the end of consents given up to a time."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import Field

from vaglio.index.records import FactKind
from vaglio.web.api import bulk, facts
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import E164, Asked, ControllerId, EvidenceUri, Instant, PurposeOrAny, Text
from vaglio.web.api.idempotency import MayWrite

router = APIRouter(prefix="/withdrawals", tags=["withdrawals"])

_EXAMPLE: Final = {
    "number": "+393331234567",
    "controller": "aurora",
    "purpose": "marketing",
    "withdrawn_at": "2026-03-01T09:30:00+01:00",
}


class NewWithdrawal(Asked, json_schema_extra={"examples": [_EXAMPLE]}):
    """A withdrawal of consent (GDPR art. 7(3))."""

    number: E164
    controller: ControllerId
    purpose: PurposeOrAny
    withdrawn_at: Instant
    channel: Text | None = Field(
        default=None, description="`human` or `automated` ends the consents for such calls only."
    )
    evidence_uri: EvidenceUri | None = None


class WithdrawalStanding(facts.Standing):
    """A withdrawal as recorded."""

    purpose: str
    channel: str | None
    withdrawn_at: str
    evidence_uri: str | None


class Withdrawals(facts.Masked):
    """A number's withdrawals."""

    facts: list[WithdrawalStanding]


@router.post(
    "",
    operation_id="addWithdrawal",
    summary="Record a withdrawal",
    status_code=HTTPStatus.CREATED,
    response_model=facts.Recorded,
    responses=problems(body=True),
)
async def add(writing: MayWrite, withdrawal: NewWithdrawal) -> Response:
    """It ends the consents of its controller and purpose given up to it."""
    return await facts.add(writing, FactKind.WITHDRAWAL, withdrawal)


@router.post(
    "/show",
    operation_id="showWithdrawals",
    summary="A number's withdrawals",
    response_model=Withdrawals,
    responses=problems(body=True),
)
async def show(showing: facts.MayShow, asked: facts.NumberAsked) -> Any:  # noqa: ANN401 - made the model by FastAPI
    """Corrected ones too; empty when there is none."""
    return await showing.facts(FactKind.WITHDRAWAL, asked)


@router.post(
    "/bulk",
    operation_id="loadWithdrawals",
    summary="Record many withdrawals",
    response_model=bulk.Loaded,
    responses=problems(415, body=True),
    openapi_extra=bulk.documented(_EXAMPLE),
)
async def load(writing: MayWrite, _: bulk.IsNdjson) -> Response:
    """One JSON object a line, as for one. A bad line is told with its field and reason; the others load."""
    return await bulk.load(writing, FactKind.WITHDRAWAL)
