"""`/v1/registers`, `/v1/sources`: how fresh what decisions rest on is, and whether it comes by itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from vaglio.clock import now
from vaglio.index import overview
from vaglio.index.definitions import RegisterKind, definitions
from vaglio.index.overview import RegisterInfo
from vaglio.site import asking
from vaglio.sync.sources import sources as known_sources
from vaglio.sync.status import status
from vaglio.web.access.caller import Caller
from vaglio.web.access.roles import Permission
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import Told
from vaglio.web.callers import InRooms, allowed

router = APIRouter(tags=["registers"])


class Waiting(Told):
    """A request to a query register without its answer yet."""

    id: str
    controller: str
    requested_at: datetime
    numbers: int


class Register(Told):
    """How one register stands: a list by its active snapshot, a query register by one controller's verdicts."""

    name: str = Field(examples=["rpo"])
    kind: RegisterKind
    controller: str | None = Field(description="Of the verdicts; null for a list, and where there is none.")
    entries: int
    opposed: int
    as_of: datetime | None = Field(description="The list's date; the oldest verdict's. Null: never taken in.")
    newest: datetime | None
    age_days: float | None
    days_left: float | None = Field(description="Until it is stale; negative beyond.")
    stale: int = Field(description="Entries past the maximum age.")
    source: str | None = Field(description="Snapshot id.")
    file: str | None
    loaded_at: datetime | None
    coverage: list[str] | None = Field(description="E.164 prefixes; null: every number.")
    forced: str | None = Field(description="Why a list was taken that would be refused.")
    waiting: list[Waiting]
    warning: bool = Field(description="Expired, or about to expire.")
    campaigns: list[str] = Field(description="Running ones that may ask it.")


class Registers(Told):
    """All known registers."""

    registers: list[Register]


class Source(Told):
    """How a source fares."""

    source: str
    kind: str
    every: str = Field(examples=["1d"])
    tried_at: datetime | None
    succeeded_at: datetime | None
    failures: int = Field(description="Since it last went well.")
    last_error: str | None
    due_at: datetime


class Sources(Told):
    """All configured sources."""

    sources: list[Source]


MaySee = Annotated[Caller, allowed(Permission.REGISTERS_READ)]


@router.get(
    "/registers",
    operation_id="listRegisters",
    summary="Registers, their age and what they matter to",
    responses=problems(),
)
async def registers(rooms: InRooms, caller: MaySee) -> Registers:
    """A list is everybody's; of a query register's verdicts only those of the key's controller are told."""
    at = now()
    known = definitions(rooms.site.settings.registers)
    found = await asyncio.to_thread(overview.registers, rooms.index.path, known, at)
    campaigns = [one for one in rooms.index.campaigns() if caller.sees(one.controller)]
    asked = asking(rooms.screener.rulebooks, campaigns, at)
    return Registers(
        registers=[
            Register.model_validate({**asdict(one), "warning": one.warning, "campaigns": asked.get(one.name, [])})
            for one in _seen(caller, found)
        ]
    )


def _seen(caller: Caller, found: Sequence[RegisterInfo]) -> list[RegisterInfo]:
    """The registers as they would stand if no other controller had asked them."""
    if caller.controller is None:
        return list(found)
    seen = [one for one in found if one.controller is None or caller.sees(one.controller)]
    named = {one.name for one in seen}
    bare = [RegisterInfo(one.name, one.kind) for one in found if one.name not in named]
    unique = {one.name: one for one in bare}
    return sorted([*seen, *unique.values()], key=lambda one: one.name)


@router.get(
    "/sources",
    operation_id="listSources",
    summary="Where registers and files come from by themselves",
    responses=problems(),
)
async def sources(rooms: InRooms, caller: MaySee) -> Sources:
    """How each source fares and when it is due. A key of one controller sees the sources of registers alone."""
    settings = rooms.site.settings
    known = known_sources(settings.sources, definitions(settings.registers))
    if caller.controller is not None:
        known = {name: one for name, one in known.items() if one.register_name is not None}
    return Sources(
        sources=[
            Source(**{key: value for key, value in asdict(one).items() if key != "url"})
            for one in await status(rooms.store, known)
        ]
    )
