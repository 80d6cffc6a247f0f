"""What every kind of fact has in common here: one is added, a number's are shown, many are taken in at once."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Response
from pydantic import Field

from vaglio import recording
from vaglio.index.history import history
from vaglio.index.records import FactKind
from vaglio.web.access.caller import Caller
from vaglio.web.access.roles import Permission
from vaglio.web.api.fields import E164, ULID, Asked, Told, number_of
from vaglio.web.api.idempotency import Writing
from vaglio.web.callers import InRooms, allowed
from vaglio.web.rooms import Rooms


class Masked(Told):
    """An answer about a number, which it tells by its last three digits."""

    number: str = Field(examples=["…567"])


class Recorded(Masked):
    """What became of one fact."""

    controller: str
    entry: str = Field(pattern=ULID, description="Id of the entry of the log that announced it.")
    new: int
    corrected: int = Field(description="1 when the same fact stood there with other values, which are kept.")
    unchanged: int = Field(description="1 when it stood there already.")


class NumberAsked(Asked):
    """Whose facts; a number stands in a body, never in an address."""

    number: E164


class Standing(Told):
    """A fact as it stands; the entry is a sequence number of the log."""

    controller: str
    entry: int = Field(description="Sequence number of the entry that announced it.")
    replaced_by: int | None = Field(default=None, description="Of the entry whose correction replaced it.")


async def add(
    writing: Writing,
    kind: FactKind,
    fact: Asked,
    *,
    status: HTTPStatus = HTTPStatus.CREATED,
    defaults: Mapping[str, str] | None = None,
    timed: str | None = None,
) -> Response:
    """Record one fact. `defaults` fill what was left out, the time of the request the column `timed`.

    Raises:
        ProblemError: 403 for another principal's.
        InputError: when it is not what a row of a file must be, or the controller is not known.
    """
    given = fact.model_dump(exclude_none=True)
    writing.check_owns(given["controller"])
    number = number_of(given["number"])

    async def work(at: datetime) -> Recorded:
        values = {timed: at.isoformat()} if timed else {}
        values |= {**(defaults or {}), **{key: _text(value) for key, value in given.items()}}
        made = recording.record(kind, values)
        rooms = writing.rooms
        await recording.known_controller(rooms.store, made.controller)
        announced, counts = await recording.add(rooms.changes, rooms.store, made, number, writing.caller.origin)
        return Recorded(
            number=number.masked,
            controller=made.controller,
            entry=announced.id,
            new=counts.new,
            corrected=counts.corrected,
            unchanged=counts.unchanged,
        )

    return await writing.once(status, work)


def _text(value: Any) -> str:  # noqa: ANN401 - a field of a request
    """A field as a column of a file would hold it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat()
        case _:
            return str(value)


@dataclass(frozen=True, slots=True)
class Showing:
    """A caller who may see facts."""

    rooms: Rooms
    caller: Caller

    async def facts(self, kind: FactKind, asked: NumberAsked) -> dict[str, Any]:
        """Every fact of the number and kind that exists for the caller, ended and corrected ones too."""
        number = number_of(asked.number)
        found = await asyncio.to_thread(history, self.rooms.index.path, number.key, (kind,))
        return {
            "number": number.masked,
            "facts": [fact for fact in found[kind] if self.caller.sees(fact["controller"])],
        }


async def _showing(rooms: InRooms, caller: Annotated[Caller, allowed(Permission.FACTS_READ)]) -> Showing:
    return Showing(rooms, caller)


MayShow = Annotated[Showing, Depends(_showing)]
