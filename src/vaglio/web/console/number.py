"""A number: what is held about it, what was and would be decided, and what its holder asks for."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

import orjson
from fastapi import APIRouter
from fastapi.responses import Response

from vaglio import recording
from vaglio.audit import Reader as LogReader
from vaglio.clock import now
from vaglio.errors import InputError
from vaglio.index.reader import Reader as IndexReader
from vaglio.index.records import FactKind
from vaglio.model import ANY, COMPLAINT
from vaglio.numbers import Number, parse_e164
from vaglio.reports.subject import Holding, subject_report
from vaglio.reports.subject_text import subject_text
from vaglio.web.access import Permission
from vaglio.web.console.number_page import LONGEST_NUMBER, Asked, Notice, asked_of, form, shown
from vaglio.web.console.visit import Visit, visiting
from vaglio.web.problems import ProblemError
from vaglio.web.rooms import Rooms

router = APIRouter()
Asking = Annotated[Visit, visiting(Permission.CHECK)]
Recording = Annotated[Visit, visiting(Permission.FACTS_WRITE)]
Answering = Annotated[Visit, visiting(Permission.SUBJECT_REPORT)]
_CHANNELS = ("console", COMPLAINT)
"""How an opposition came in: told to whoever is at the console, or as a complaint."""


@router.get("/number")
async def number_form(visit: Asking) -> Response:
    """The form."""
    return form(visit)


@router.post("/number")
async def number(visit: Asking) -> Response:
    """All about a number."""
    asked = asked_of(visit)
    return form(visit, fault=True) if asked is None else await shown(visit, asked, search=True)


@router.post("/number/oppose")
async def oppose(visit: Recording) -> Response:
    """Record an opposition; it binds from the next call on."""
    asked, number = _person(visit)
    controller = _owned(visit, visit.text("controller"))
    channel = visit.text("channel") or _CHANNELS[0]
    if channel not in _CHANNELS:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "channel: expected one of the form's choices")
    values = {"controller": controller, "purpose": visit.text("purpose") or ANY, "opposed_at": now().isoformat()}
    return await _record(visit, asked, number, FactKind.OPPOSITION, {**values, "channel": channel}, "opposed")


@router.post("/number/withdraw")
async def withdraw(visit: Recording) -> Response:
    """Record that a consent was withdrawn."""
    asked, number = _person(visit)
    controller, purpose = _pair(visit)
    values = {"controller": controller, "purpose": purpose, "withdrawn_at": now().isoformat()}
    return await _record(visit, asked, number, FactKind.WITHDRAWAL, values, "withdrawn")


@router.post("/number/lift")
async def lift(visit: Recording) -> Response:
    """End an opposition, by an act of the person's own that the evidence shows."""
    asked, number = _person(visit)
    controller, purpose = _pair(visit)
    evidence = visit.text("evidence_uri")
    if not evidence or not evidence.isprintable():
        return await shown(visit, asked, Notice("number.no_evidence"))
    rooms = visit.rooms
    announced, lifted = await recording.lift(
        rooms.changes,
        rooms.store,
        number,
        controller,
        purpose=purpose,
        at=now(),
        evidence_uri=evidence,
        origin=visit.caller.origin,
    )
    return await shown(
        visit, asked, Notice("number.lifted", announced.id) if lifted else Notice("number.not_lifted")
    )


@router.post("/number/report")
async def report(visit: Answering) -> Response:
    """All that is held about the number, to be handed to its holder; an entry says so before it is sent."""
    _, number = _person(visit)
    made = await asyncio.to_thread(_report, visit.rooms, number, visit.caller.controller)
    fields = {"controller": visit.caller.controller}
    await visit.rooms.note_access(visit.caller, "subject-report", fields, number=number if made["held"] else None)
    if visit.text("format", most=8) == "json":
        content, kind, ending = orjson.dumps(made, option=orjson.OPT_INDENT_2), "application/json", "json"
    else:
        content, kind, ending = subject_text(made).encode(), "text/plain; charset=utf-8", "txt"
    name = f"subject-report-{number.digits[-3:]}.{ending}"
    return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})


def _report(rooms: Rooms, number: Number, controller: str | None) -> Holding:
    site = rooms.site
    with IndexReader.open(site.index_file) as index, LogReader(site.log_file) as log:
        return subject_report(
            index, log, rooms.keys, number, site.settings.audit.retention_days, now(), controller
        )


def _person(visit: Visit) -> tuple[Asked, Number]:
    """The page's number again, now as E.164, and its campaign.

    Raises:
        ProblemError: when it is no number that can be called.
    """
    number = parse_e164(visit.text("number", most=LONGEST_NUMBER))
    asked = asked_of(visit)
    if asked is None or number.e164 is None:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "number: expected one written +…")
    return Asked(number.e164, number, asked.campaign), number


def _pair(visit: Visit) -> tuple[str, str]:
    """Controller and purpose of the fact that was chosen."""
    controller, _, purpose = visit.text("fact").partition(" ")
    return _owned(visit, controller), purpose


def _owned(visit: Visit, controller: str) -> str:
    """A controller whose facts the caller may change.

    Raises:
        ProblemError: 403 for another's.
    """
    if not visit.caller.owns(controller):
        raise ProblemError(HTTPStatus.FORBIDDEN, f"this account records for {visit.caller.controller} alone")
    return controller


async def _record(
    visit: Visit, asked: Asked, number: Number, kind: FactKind, values: Mapping[str, str], done: str
) -> Response:
    rooms = visit.rooms
    try:
        given = {**values, "number": number.e164, "evidence_uri": visit.text("evidence_uri")}
        fact = recording.record(kind, given)
        await recording.known_controller(rooms.store, fact.controller)
    except InputError as error:
        return await shown(visit, asked, Notice("number.not_recorded", detail=str(error)))
    announced, _ = await recording.add(rooms.changes, rooms.store, fact, number, visit.caller.origin)
    return await shown(visit, asked, Notice(f"number.{done}", announced.id))
