"""Campaigns and the principals they call for, and their changes over time."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi.responses import Response

from vaglio.audit.announced import Announced, announced
from vaglio.campaigning import take_over
from vaglio.changes import Change
from vaglio.errors import InputError, NotFoundError
from vaglio.index.campaigns import CampaignFile
from vaglio.model import Campaign
from vaglio.recording import plain
from vaglio.web.access import Permission
from vaglio.web.access.caller import Caller
from vaglio.web.console.uploads import kept, name_of, told, uploaded
from vaglio.web.console.visit import Visit, led_to, visiting

router = APIRouter()
Reading = Annotated[Visit, visiting(Permission.CAMPAIGNS_READ)]
Changing = Annotated[Visit, visiting(Permission.CAMPAIGNS_WRITE, files=1)]
IMPORT_PATH: Final = "/campaigns/import"
IMPORT_BYTES: Final = 4_000_000
_MOST_CHANGES: Final = 500
"""Imports that are looked through for what changed in a campaign."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What one import did to a campaign."""

    at: datetime
    id: str
    """Of the entry."""
    by: str
    """Account; empty at the shell."""
    file: str
    made: bool | None
    new: bool
    keys: tuple[tuple[str, Any, Any], ...]
    """Key, before and after."""


@router.get("/campaigns")
async def campaigns(visit: Reading) -> Response:
    """All that exist for the caller."""
    return _list(visit, imported=visit.asked("imported", most=26))


@router.get("/campaigns/{campaign}")
async def campaign(visit: Reading, campaign: str) -> Response:
    """One campaign, whole, and what changed in it when."""
    found = visit.rooms.index.campaign(campaign)
    if found is None or not visit.caller.sees(found.controller):
        raise NotFoundError("campaign: not here")
    controller = visit.rooms.index.controller(found.controller)
    changes, whole = await asyncio.to_thread(
        announced, visit.rooms.site.log_file, Change.CAMPAIGNS.value, _MOST_CHANGES
    )
    return visit.page(
        "campaign.html",
        campaign=found,
        fields=plain(found),
        controller=controller,
        changes=list(_changes(visit.caller, found.id, changes)),
        whole=whole,
    )


@router.post(IMPORT_PATH)
async def import_(visit: Changing) -> Response:
    """Take a campaigns.toml over: all of it, or nothing."""
    upload = uploaded(visit, "file")
    if upload is None:
        return _list(visit, problem=visit.look.say("campaigns.no_file"))
    rooms, name = visit.rooms, name_of(upload)
    async with kept(upload) as path:
        try:
            made, _ = await take_over(
                rooms.changes,
                rooms.store,
                rooms.site.policy_directory,
                path,
                name=name,
                origin=visit.caller.origin,
                owns=visit.caller.owns,
                check=lambda content, known: _check_owned(visit.caller, content, known),
            )
        except InputError as error:
            return _list(visit, problem=told(error, path, name))
    return led_to(f"/campaigns?imported={made.id}")


def _list(visit: Visit, *, imported: str = "", problem: str = "") -> Response:
    index, caller = visit.rooms.index, visit.caller
    return visit.page(
        "campaigns.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        controllers=[one for one in index.controllers() if caller.sees(one.id)],
        campaigns=[one for one in index.campaigns() if caller.sees(one.controller)],
        imported=imported if imported.isascii() and imported.isalnum() else "",
        problem=problem,
    )


def _check_owned(caller: Caller, content: CampaignFile, known: Mapping[str, Campaign]) -> None:
    """Refuse a file that speaks of another controller, or takes a campaign from it.

    Raises:
        InputError: naming which.
    """
    for controller in content.controllers:
        if not caller.owns(controller.id):
            raise InputError(f"controller {controller.id}: this account changes {caller.controller} alone")
    for one in content.campaigns:
        if not caller.owns(one.controller):
            raise InputError(f"campaign {one.id}: controller: this account changes {caller.controller} alone")
        if one.id in known and not caller.owns(known[one.id].controller):
            raise InputError(f"campaign {one.id}: the id is taken; choose another")


def _changes(caller: Caller, campaign: str, changes: Sequence[Announced]) -> Iterator[Changed]:
    """What changed in a campaign, newest first, back to the day on which it became the caller's."""
    for one in changes:
        for change in one.body.get("campaigns", ()):
            if change.get("id") != campaign:
                continue
            before, after = change.get("before"), change.get("after", {})
            taken = before is not None and "controller" in before and not caller.sees(before["controller"])
            known = {} if before is None or taken else before
            yield Changed(
                one.at,
                one.id,
                str(one.body.get("by", "")),
                "" if caller.controller else str(one.body.get("file", "")),
                one.made,
                before is None,
                tuple((key, known.get(key), value) for key, value in after.items()),
            )
            if taken or (caller.controller and before is None):
                return
