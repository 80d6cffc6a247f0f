"""Rulebooks: the law in force at a date, and what changes in it from one date or version to another."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from vaglio.clock import now
from vaglio.errors import InputError, NotFoundError
from vaglio.rules import Listed, Rulebooks, differences, listed, shown
from vaglio.rules.handbook import sources
from vaglio.web.access import Permission
from vaglio.web.console.typed import typed_moment
from vaglio.web.console.uploads import kept, name_of, told, uploaded
from vaglio.web.console.visit import Visit, visiting

router = APIRouter()
Reading = Annotated[Visit, visiting(Permission.RULES_READ)]
Comparing = Annotated[Visit, visiting(Permission.RULES_READ, files=1)]


@router.get("/rulebooks")
async def rulebooks(visit: Reading) -> Response:
    """The rules in force at a day, of one rulebook or all; and, with a second day, what differs."""
    faults: list[str] = []
    at = _day(visit, visit.asked("at"), "at", faults)
    since = _day(visit, visit.asked("since"), "since", faults) if visit.asked("since") else None
    return _page(visit, visit.asked("book"), at, since=since, faults=faults)


@router.post("/rulebooks")
async def compare(visit: Comparing) -> Response:
    """What a rulebook or site file would change today."""
    upload, jurisdiction = uploaded(visit, "file"), visit.text("book", most=20)
    if upload is None or jurisdiction not in visit.rooms.screener.rulebooks.books:
        return _page(visit, jurisdiction, now(), problem=visit.look.say("rulebooks.no_file"))
    name = name_of(upload)
    async with kept(upload) as path:
        try:
            other = await asyncio.to_thread(visit.rooms.site.rulebooks, path)
        except InputError as error:
            return _page(visit, jurisdiction, now(), problem=told(error, path, name))
    return _page(visit, jurisdiction, now(), other=other, name=name)


@router.get("/rulebooks/rules/{rule}")
async def rule(visit: Reading, rule: str) -> Response:
    """One rule, whole."""
    found = shown(visit.rooms.screener.rulebooks, rule, now())
    if found is None:
        raise NotFoundError("rule: not here")
    return visit.page("rule.html", one=found, fields=_fields(found), sources=sources())


def _page(
    visit: Visit,
    jurisdiction: str,
    at: datetime,
    *,
    since: datetime | None = None,
    other: Rulebooks | None = None,
    name: str = "",
    problem: str = "",
    faults: list[str] | None = None,
) -> Response:
    ours = visit.rooms.screener.rulebooks
    if jurisdiction not in ours.books:
        jurisdiction = ""
    compared = bool(jurisdiction) and (other is not None or since is not None)
    return visit.page(
        "rulebooks.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problem or faults else HTTPStatus.OK,
        books=[(key, f"{key} · {book.name}") for key, book in ours.books.items()],
        book=jurisdiction,
        book_version=ours.books[jurisdiction].version if jurisdiction else "",
        rules=listed(ours, at, jurisdiction or None),
        at=at.astimezone(UTC).date(),
        since=since.astimezone(UTC).date() if since else None,
        differences=differences(ours.books[jurisdiction], since or at, (other or ours).books[jurisdiction], at)
        if compared
        else None,
        name=name,
        problem=problem,
        faults=faults or [],
    )


def _day(visit: Visit, text: str, name: str, faults: list[str]) -> datetime:
    """A day as `vaglio rules` takes it: from its first instant in UTC; now where none is given or it is none."""
    if not text:
        return now()
    found = typed_moment(text + "T00:00:00Z" if len(text) == len("2026-11-23") else text, visit.look)
    if found is None:
        faults.append(name)
    return found or now()


def _fields(found: Listed) -> Mapping[str, Any]:
    """What the rule's file says, one level deep."""
    told: dict[str, Any] = {}
    for key, value in found.rule.model_dump(mode="json", exclude_none=True, exclude={"id", "sources"}).items():
        told |= (
            {f"{key}.{inner}": one for inner, one in value.items()} if isinstance(value, dict) else {key: value}
        )
    return {key: value for key, value in told.items() if value not in ([], "", ())}
