"""`/v1/contacts`: what a principal knows of a number's holder."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import Field

from vaglio.index.records import FactKind
from vaglio.model import SubjectType
from vaglio.web.api import bulk, facts
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import E164, Asked, ControllerId
from vaglio.web.api.idempotency import MayWrite

router = APIRouter(prefix="/contacts", tags=["contacts"])

_EXAMPLE: Final = {
    "number": "+393331234567",
    "controller": "aurora",
    "directory_listed": False,
    "region": "IT",
    "timezone": "Europe/Rome",
    "subject_type": "natural",
}


class NewContact(Asked, json_schema_extra={"examples": [_EXAMPLE]}):
    """One a number and controller: what is sent replaces what stood there; what is left out is unknown."""

    number: E164
    controller: ControllerId
    directory_listed: bool | None = None
    region: Annotated[str, Field(pattern="^[A-Za-z]{2}$", description="ISO 3166.", examples=["IT"])] | None = None
    subdivision: Annotated[str, Field(pattern="^[A-Za-z]{2}-[A-Za-z0-9]{1,3}$", examples=["US-FL"])] | None = None
    timezone: Annotated[str, Field(max_length=64, examples=["Europe/Rome"])] | None = None
    subject_type: SubjectType | None = None


class ContactStanding(facts.Standing):
    """A contact as recorded."""

    directory_listed: bool | None
    region: str | None
    subdivision: str | None
    timezone: str | None
    subject_type: SubjectType | None


class Contacts(facts.Masked):
    """What each principal knows of a number's holder."""

    facts: list[ContactStanding]


@router.post(
    "",
    operation_id="addContact",
    summary="Record a contact",
    status_code=HTTPStatus.CREATED,
    response_model=facts.Recorded,
    responses=problems(body=True),
)
async def add(writing: MayWrite, contact: NewContact) -> Response:
    """It counts from the next call on."""
    return await facts.add(writing, FactKind.CONTACT, contact)


@router.post(
    "/show",
    operation_id="showContacts",
    summary="A number's contacts",
    response_model=Contacts,
    responses=problems(body=True),
)
async def show(showing: facts.MayShow, asked: facts.NumberAsked) -> Any:  # noqa: ANN401 - made the model by FastAPI
    """Corrected ones too; empty when there is none."""
    return await showing.facts(FactKind.CONTACT, asked)


@router.post(
    "/bulk",
    operation_id="loadContacts",
    summary="Record many contacts",
    response_model=bulk.Loaded,
    responses=problems(415, body=True),
    openapi_extra=bulk.documented(_EXAMPLE),
)
async def load(writing: MayWrite, _: bulk.IsNdjson) -> Response:
    """One JSON object a line, as for one. A bad line is told with its field and reason; the others load."""
    return await bulk.load(writing, FactKind.CONTACT)
