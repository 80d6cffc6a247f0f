"""Registers: how fresh each is, where it comes from, and which campaigns a stale one stops."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response

from vaglio.clock import now
from vaglio.index import overview
from vaglio.index.definitions import definitions
from vaglio.index.overview import RegisterInfo
from vaglio.sync.sources import sources
from vaglio.sync.status import SourceStatus, status
from vaglio.web.access import Permission
from vaglio.web.access.caller import Caller
from vaglio.web.console.visit import Visit, visiting
from vaglio.web.rooms import Rooms

router = APIRouter()


@router.get("/registers")
async def registers(visit: Annotated[Visit, visiting(Permission.REGISTERS_READ)]) -> Response:
    """Every register as it stands for the caller."""
    rooms, caller, at = visit.rooms, visit.caller, now()
    known = definitions(rooms.site.settings.registers)
    found, asking, fetched = await asyncio.gather(
        asyncio.to_thread(overview.registers, rooms.index.path, known, at),
        asyncio.to_thread(rooms.site.campaigns_asking, at),
        _sources(rooms, caller),
    )
    own = {one.id for one in rooms.index.campaigns() if caller.sees(one.controller)}
    return visit.page(
        "registers.html",
        registers=_seen(caller, found),
        asking={name: [one for one in ids if one in own] for name, ids in asking.items()},
        sources=fetched,
        at=at,
    )


def _seen(caller: Caller, found: Sequence[RegisterInfo]) -> list[RegisterInfo]:
    """The registers as they would stand if no other controller had asked them."""
    seen = [one for one in found if one.controller is None or caller.sees(one.controller)]
    missing = {one.name: RegisterInfo(one.name, one.kind) for one in found} | {one.name: one for one in seen}
    bare = [one for one in missing.values() if one not in seen]
    return sorted([*seen, *bare], key=lambda one: (one.name, one.controller or ""))


async def _sources(rooms: Rooms, caller: Caller) -> list[SourceStatus]:
    """How each source fares; to a caller with one controller only those of registers, which are everybody's."""
    settings = rooms.site.settings
    known = sources(settings.sources, definitions(settings.registers))
    if caller.controller is not None:
        known = {name: one for name, one in known.items() if one.register_name is not None}
    return await status(rooms.store, known)
