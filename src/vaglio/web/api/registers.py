"""`/v1/registers`, `/v1/sources`: how fresh what decisions rest on is, and whether it comes by itself."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from vaglio.clock import now
from vaglio.index.definitions import RegisterKind
from vaglio.web.access.caller import Caller
from vaglio.web.access.roles import Permission
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import Told
from vaglio.web.callers import InRooms, allowed
from vaglio.web.freshness import registers_seen, sources_seen

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
    found, asked = await registers_seen(rooms, caller, now())
    return Registers(
        registers=[
            Register.model_validate({**asdict(one), "warning": one.warning, "campaigns": asked.get(one.name, [])})
            for one in found
        ]
    )


@router.get(
    "/sources",
    operation_id="listSources",
    summary="Where registers and files come from by themselves",
    responses=problems(),
)
async def sources(rooms: InRooms, caller: MaySee) -> Sources:
    """How each source fares and when it is due. A key of one controller sees the sources of registers alone."""
    return Sources(
        sources=[
            Source(**{key: value for key, value in asdict(one).items() if key != "url"})
            for one in await sources_seen(rooms, caller)
        ]
    )
