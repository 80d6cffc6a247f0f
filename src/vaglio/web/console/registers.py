"""Registers: how fresh each is, where it comes from, and which campaigns a stale one stops."""

import asyncio
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response

from vaglio.clock import now
from vaglio.web.access import Permission
from vaglio.web.console.visit import Visit, visiting
from vaglio.web.freshness import registers_seen, sources_seen

router = APIRouter()


@router.get("/registers")
async def registers(visit: Annotated[Visit, visiting(Permission.REGISTERS_READ)]) -> Response:
    """Every register as it stands for the caller."""
    at = now()
    (found, asking), fetched = await asyncio.gather(
        registers_seen(visit.rooms, visit.caller, at), sources_seen(visit.rooms, visit.caller)
    )
    return visit.page("registers.html", registers=found, asking=asking, sources=fetched, at=at)
