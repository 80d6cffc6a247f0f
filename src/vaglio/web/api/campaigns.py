"""`/v1/campaigns`, `/v1/controllers`: what is called for whom, when, and showing which number."""

import asyncio
from dataclasses import asdict
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path
from pydantic import Field

from vaglio.changes import Change
from vaglio.errors import InputError, NotFoundError
from vaglio.index.campaigns import CampaignDefinition, campaign_from
from vaglio.index.facts import IDENTIFIER
from vaglio.model import Campaign, CampaignMode, DialMode, OnFailure, Purpose
from vaglio.policy import write_policies
from vaglio.recording import before_and_after, known_controller
from vaglio.web.access.caller import Caller
from vaglio.web.access.roles import Permission
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import ULID, Told
from vaglio.web.callers import InRooms, allowed
from vaglio.web.problems import ProblemError
from vaglio.web.rooms import Rooms

router = APIRouter(tags=["campaigns"])

Id = Annotated[str, Path(pattern=f"^{IDENTIFIER}$", examples=["renewals"])]
MaySee = Annotated[Caller, allowed(Permission.CAMPAIGNS_READ)]
_EXAMPLE: Final = {
    "id": "renewals",
    "controller": "aurora",
    "caller_org": "callright",
    "purpose": "service",
    "sector": "telecom",
    "dial_mode": "preview",
    "region": "IT",
    "caller_ids": ["+390612345678"],
    "script_version": "3",
    "notice_version": "2",
}
_NOT_HERE: Final = "not here; GET the list for those that are"


class CampaignShown(Told):
    """A campaign as it stands; what is sent back by PUT."""

    id: str = Field(examples=["renewals"])
    controller: str = Field(examples=["aurora"])
    caller_org: str
    purpose: Purpose
    sector: str
    dial_mode: DialMode
    region: str
    caller_ids: list[str]
    starts: date | None
    ends: date | None = Field(description="Last day, included.")
    script_version: str | None
    notice_version: str | None
    mode: CampaignMode
    on_failure: OnFailure
    accepted_risk: str | None
    trunk_prefix: str | None
    fallback_jurisdiction: str | None


class Campaigns(Told):
    """Campaigns by id."""

    campaigns: list[CampaignShown]


class CampaignPut(Told):
    """The campaign as it now stands, and the entry that tells of it."""

    campaign: CampaignShown
    changed: bool
    entry: str | None = Field(pattern=ULID, description="Id of the entry with what was and is; null: no change.")


class ControllerShown(Told):
    """A principal and its campaigns."""

    id: str = Field(examples=["aurora"])
    name: str
    campaigns: list[str]


class Controllers(Told):
    """Controllers by id."""

    controllers: list[ControllerShown]


@router.get("/campaigns", operation_id="listCampaigns", summary="All campaigns", responses=problems())
async def campaigns(rooms: InRooms, caller: MaySee) -> Campaigns:
    """Those of the key's controller, or all."""
    return Campaigns(campaigns=[_shown(one) for one in rooms.index.campaigns() if caller.sees(one.controller)])


@router.get("/campaigns/{campaign}", operation_id="showCampaign", summary="One campaign", responses=problems(404))
async def campaign(rooms: InRooms, caller: MaySee, campaign: Id) -> CampaignShown:
    """As it stands now."""
    found = rooms.index.campaign(campaign)
    if found is None or not caller.sees(found.controller):
        raise NotFoundError(f"campaign: {_NOT_HERE}")
    return _shown(found)


@router.put(
    "/campaigns/{campaign}",
    operation_id="putCampaign",
    summary="Add or replace a campaign",
    responses=problems(409, body=True),
)
async def put(
    rooms: InRooms,
    caller: Annotated[Caller, allowed(Permission.CAMPAIGNS_WRITE)],
    campaign: Id,
    definition: Annotated[CampaignDefinition, Body(openapi_examples={"one": {"value": _EXAMPLE}})],
) -> CampaignPut:
    """Held to the same as a `campaigns.toml`; the log tells what was and is. It binds from the next call on."""
    if definition.id != campaign:
        raise InputError("id: expected the one in the address")
    if not caller.owns(definition.controller):
        raise ProblemError(HTTPStatus.FORBIDDEN, f"this key changes campaigns of {caller.controller} alone")
    after = campaign_from(definition)
    before = rooms.index.campaign(campaign)
    if before is not None and not caller.owns(before.controller):
        raise ProblemError(HTTPStatus.CONFLICT, "id: taken; choose another")
    await known_controller(rooms.store, after.controller)
    entry = None if before == after else await _changed(rooms, caller, before, after)
    await _tell_the_dialplan(rooms)
    return CampaignPut(campaign=_shown(after), changed=entry is not None, entry=entry)


async def _changed(rooms: Rooms, caller: Caller, before: Campaign | None, after: Campaign) -> str:
    announced, _ = await rooms.changes.make(
        Change.CAMPAIGNS,
        {**caller.origin, "controller": after.controller, "campaigns": [before_and_after(before, after)]},
        lambda entry: rooms.store.put_controllers_and_campaigns((), (after,), entry=entry),
        result=asdict,
    )
    return announced.id


async def _tell_the_dialplan(rooms: Rooms) -> None:
    """What a campaign's calls do while the service is down must not wait until it is up."""
    await asyncio.to_thread(write_policies, rooms.site.policy_directory, rooms.index.campaigns())


@router.get("/controllers", operation_id="listControllers", summary="All principals", responses=problems())
async def controllers(rooms: InRooms, caller: MaySee) -> Controllers:
    """The key's own, or all."""
    found = [_principal(rooms, one.id, one.name) for one in rooms.index.controllers() if caller.sees(one.id)]
    return Controllers(controllers=found)


@router.get(
    "/controllers/{controller}", operation_id="showController", summary="One principal", responses=problems(404)
)
async def controller(rooms: InRooms, caller: MaySee, controller: Id) -> ControllerShown:
    """With the ids of its campaigns."""
    found = rooms.index.controller(controller)
    if found is None or not caller.sees(found.id):
        raise NotFoundError(f"controller: {_NOT_HERE}")
    return _principal(rooms, found.id, found.name)


def _principal(rooms: Rooms, name: str, title: str) -> ControllerShown:
    own = [one.id for one in rooms.index.campaigns() if one.controller == name]
    return ControllerShown(id=name, name=title, campaigns=own)


def _shown(one: Campaign) -> CampaignShown:
    fields: dict[str, Any] = asdict(one)
    return CampaignShown.model_validate(fields)
