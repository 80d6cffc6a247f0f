"""`/v1/consents`: who agreed to be called, by whom, for what, and the proof."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import Field

from vaglio.index.records import FactKind
from vaglio.model import ConsentChannel
from vaglio.web.api import bulk, facts
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import (
    E164,
    Asked,
    ControllerId,
    EvidenceUri,
    Instant,
    PurposeOrAny,
    PurposeWord,
    SectorWord,
    Text,
)
from vaglio.web.api.idempotency import MayWrite

router = APIRouter(prefix="/consents", tags=["consents"])

_EXAMPLE: Final = {
    "number": "+393331234567",
    "controller": "aurora",
    "purpose": "marketing",
    "given_at": "2026-03-01T09:30:00+01:00",
    "method": "web-form",
    "evidence_uri": "https://crm.example/proof/4711",
}


class NewConsent(Asked, json_schema_extra={"examples": [_EXAMPLE]}):
    """A consent as collected."""

    number: E164
    controller: ControllerId
    purpose: PurposeWord
    given_at: Instant
    method: Annotated[str, Field(min_length=1, max_length=500, examples=["web-form"])]
    channel: ConsentChannel = Field(default=ConsentChannel.HUMAN, description="Which calls it covers.")
    sector: SectorWord | None = None
    expires_at: Instant | None = None
    evidence_uri: EvidenceUri | None = None
    evidence_sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")] | None = None
    notice_id: Text | None = Field(default=None, description="The information shown.")
    collected_by: Text | None = None


class ConsentWithdrawal(
    Asked,
    json_schema_extra={"examples": [{"number": "+393331234567", "controller": "aurora", "purpose": "marketing"}]},
):
    """The person's consents for a purpose end now, for every channel."""

    number: E164
    controller: ControllerId
    purpose: PurposeOrAny
    evidence_uri: EvidenceUri | None = None


class ConsentStanding(facts.Standing):
    """A consent as recorded; a withdrawal is a fact of its own."""

    purpose: str
    channel: ConsentChannel
    sector: str | None
    given_at: str
    expires_at: str | None
    method: str
    evidence_uri: str | None
    evidence_sha256: str | None
    notice_id: str | None
    collected_by: str | None


class Consents(facts.Masked):
    """A number's consents."""

    facts: list[ConsentStanding]


@router.post(
    "",
    operation_id="addConsent",
    summary="Record a consent",
    status_code=HTTPStatus.CREATED,
    response_model=facts.Recorded,
    responses=problems(body=True),
)
async def add(writing: MayWrite, consent: NewConsent) -> Response:
    """It binds from the next call on. The same again changes nothing, other values correct it; both are kept."""
    return await facts.add(writing, FactKind.CONSENT, consent)


@router.post(
    "/withdraw",
    operation_id="withdrawConsent",
    summary="End consents now",
    response_model=facts.Recorded,
    responses=problems(body=True),
)
async def withdraw(writing: MayWrite, withdrawal: ConsentWithdrawal) -> Response:
    """The consents stay on record and bind no more; for a withdrawal of another time see `/v1/withdrawals`."""
    return await facts.add(writing, FactKind.WITHDRAWAL, withdrawal, status=HTTPStatus.OK, timed="withdrawn_at")


@router.post(
    "/show",
    operation_id="showConsents",
    summary="A number's consents",
    response_model=Consents,
    responses=problems(body=True),
)
async def show(showing: facts.MayShow, asked: facts.NumberAsked) -> Any:  # noqa: ANN401 - made a Consents by FastAPI
    """Ended and corrected ones too; empty when there is none."""
    return await showing.facts(FactKind.CONSENT, asked)


@router.post(
    "/bulk",
    operation_id="loadConsents",
    summary="Record many consents",
    response_model=bulk.Loaded,
    responses=problems(415, body=True),
    openapi_extra=bulk.documented(_EXAMPLE),
)
async def load(writing: MayWrite, _: bulk.IsNdjson) -> Response:
    """One JSON object a line, as for one. A bad line is told with its field and reason; the others load."""
    return await bulk.load(writing, FactKind.CONSENT)
