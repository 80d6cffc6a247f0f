"""How fresh registers and sources are, as far as they exist for a caller."""

import asyncio
from datetime import datetime

from vaglio.index import overview
from vaglio.index.definitions import definitions
from vaglio.index.overview import RegisterInfo
from vaglio.site import asking
from vaglio.sync.sources import sources
from vaglio.sync.status import SourceStatus, status
from vaglio.web.access.caller import Caller
from vaglio.web.rooms import Rooms


async def registers_seen(
    rooms: Rooms, caller: Caller, at: datetime
) -> tuple[list[RegisterInfo], dict[str, list[str]]]:
    """The registers, and register → the caller's campaigns that may ask it.

    A list is everybody's. To a caller with one controller a query register stands as if no other had asked it.
    """
    known = definitions(rooms.site.settings.registers)
    found = await asyncio.to_thread(overview.registers, rooms.index.path, known, at)
    campaigns = [one for one in rooms.index.campaigns() if caller.sees(one.controller)]
    seen = [one for one in found if one.controller is None or caller.sees(one.controller)]
    named = {one.name for one in seen}
    bare = {one.name: RegisterInfo(one.name, one.kind) for one in found if one.name not in named}
    registers = sorted([*seen, *bare.values()], key=lambda one: (one.name, one.controller or ""))
    return registers, asking(rooms.screener.rulebooks, campaigns, at)


async def sources_seen(rooms: Rooms, caller: Caller) -> list[SourceStatus]:
    """How each source fares; to a caller with one controller only those of registers, which are everybody's."""
    settings = rooms.site.settings
    known = sources(settings.sources, definitions(settings.registers))
    if caller.controller is not None:
        known = {name: one for name, one in known.items() if one.register_name is not None}
    return await status(rooms.store, known)
