"""The page of one number, which its form sends in the body: it never stands in an address."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from vaglio.audit.search import Page, search_number
from vaglio.errors import NotFoundError
from vaglio.model import ANY, Campaign, FindingOutcome, Purpose
from vaglio.numbers import Number, parse_e164
from vaglio.reports.explanation import explained
from vaglio.web.access import Permission
from vaglio.web.console.held import COLUMNS, held, liftable, withdrawable
from vaglio.web.console.visit import Visit

_A_PAGE: Final = 50
LONGEST_NUMBER: Final = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form asks about."""

    text: str
    """As typed."""
    number: Number
    campaign: Campaign | None


@dataclass(frozen=True, slots=True)
class Notice:
    """What has just been done, or why not."""

    text: str
    """Key of the text."""
    entry: str = ""
    """Id of the entry that tells of it."""
    detail: str = ""
    """In English, where something was wrong."""

    @property
    def bad(self) -> bool:
        """Whether nothing was done."""
        return not self.entry


def asked_of(visit: Visit) -> Asked | None:
    """The number and campaign that a form names; None when that is no number.

    Raises:
        NotFoundError: when no such campaign exists for the caller.
    """
    text, name = visit.text("number", most=LONGEST_NUMBER), visit.text("campaign", most=LONGEST_NUMBER)
    campaign = visit.rooms.index.campaign(name) if name else None
    if name and (campaign is None or not visit.caller.sees(campaign.controller)):
        raise NotFoundError("campaign: not here; choose one of the list")
    number = visit.rooms.screener.number(text, name) if campaign else parse_e164(text)
    if not text or (number.e164 is None and campaign is None):
        return None
    return Asked(text, number, campaign)


def form(visit: Visit, *, fault: bool = False) -> Response:
    """The page before anything is asked, or with what was no number."""
    return visit.page(
        "number.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK,
        asked=None,
        fault=fault,
        notice=None,
        text=visit.text("number", most=LONGEST_NUMBER),
        **_choices(visit),
    )


async def shown(visit: Visit, asked: Asked, notice: Notice | None = None, *, search: bool = False) -> Response:
    """All that the caller may see of a number. With `search` also what was decided: an entry says so first."""
    rooms, caller, number = visit.rooms, visit.caller, asked.number
    known = None
    if number.e164 is not None and caller.may(Permission.FACTS_READ):
        known = await asyncio.to_thread(held, rooms.index.path, number.key, caller)
    writes = known is not None and caller.may(Permission.FACTS_WRITE)
    return visit.page(
        "number.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if notice is not None and notice.bad else HTTPStatus.OK,
        asked=asked,
        fault=False,
        notice=notice,
        text=asked.text,
        **_judged(visit, asked),
        known=known,
        columns=COLUMNS,
        decided=await _decided(visit, number) if search else None,
        liftable=liftable(known, caller) if known and writes else [],
        withdrawable=withdrawable(known, caller) if known and writes else [],
        **_choices(visit),
    )


def _choices(visit: Visit) -> dict[str, Any]:
    caller, index = visit.caller, visit.rooms.index
    own = [(one.id, f"{one.name} ({one.id})") for one in index.controllers() if caller.owns(one.id)]
    everybody = [(ANY, visit.look.say("number.every_principal"))] if caller.controller is None else []
    return {
        "campaigns": [one.id for one in index.campaigns() if caller.sees(one.controller)],
        "controllers": [*own, *everybody],
        "purposes": tuple(Purpose),
    }


def _judged(visit: Visit, asked: Asked) -> dict[str, Any]:
    """What would be decided now for a call that shows the campaign's first declared number, and by which rules."""
    if asked.campaign is None:
        return {"judged": None}
    caller_ids, screener = asked.campaign.caller_ids, visit.rooms.screener
    judgement = screener.judge(asked.text, asked.campaign.id, caller_ids[0] if caller_ids else "")
    judged = explained(judgement)
    book = screener.rulebooks.books.get(judgement.decision.jurisdiction or "", screener.rulebooks.common)
    demands = {rule.id: rule.summary for rule in book.rules}
    told = [{**one, "summary": demands.get(one["rule"], "")} for one in judged["findings"]]
    return {
        "judged": judged,
        "asked_rules": [one for one in told if one["outcome"] != FindingOutcome.NOT_APPLICABLE],
        "other_rules": [one for one in told if one["outcome"] == FindingOutcome.NOT_APPLICABLE],
    }


async def _decided(visit: Visit, number: Number) -> Page | None:
    if number.e164 is None or not visit.caller.may(Permission.NUMBER_SEARCH):
        return None
    rooms = visit.rooms
    await rooms.note_access(visit.caller, "search", number=number)
    cursor = visit.text("cursor", most=18)
    return await asyncio.to_thread(
        search_number,
        rooms.site.log_file,
        rooms.keys.token(number.e164),
        _A_PAGE,
        int(cursor) if cursor.isascii() and cursor.isdecimal() and int(cursor) else None,
        visit.caller.controller,
    )
