"""`/v1/checkpoints`: what was signed, and the public key that shows it."""

from base64 import b64encode
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse
from pydantic import Field

from vaglio.audit.checkpoint import Checkpoint
from vaglio.errors import NotFoundError
from vaglio.web.access.caller import Caller
from vaglio.web.access.roles import Permission
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import Page, Told
from vaglio.web.callers import InRooms, allowed

router = APIRouter(prefix="/checkpoints", tags=["checkpoints"])

MaySee = Annotated[Caller, allowed(Permission.PROOFS_READ)]


class CheckpointShown(Told):
    """A signed state of the log."""

    size: int = Field(description="Entries it covers.")
    root: str = Field(description="Root of the Merkle tree, base64.")
    note: str = Field(description="The signed note (c2sp.org/tlog-checkpoint).")


class Checkpoints(Page):
    """A page of checkpoints, newest first."""

    checkpoints: list[CheckpointShown]


@router.get("", operation_id="listCheckpoints", summary="Signed checkpoints, newest first", responses=problems())
async def checkpoints(
    rooms: InRooms,
    _: MaySee,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern="^[1-9][0-9]{0,17}$")] = None,
) -> Checkpoints:
    """Keep them elsewhere: whoever has one can show that the log still continues it."""
    below = None if cursor is None else int(cursor)
    found = rooms.log.checkpoints(limit + 1, below)
    page = [_shown(one) for one in found[:limit]]
    return Checkpoints(checkpoints=page, next=str(page[-1].size) if len(found) > limit else None)


@router.get(
    "/latest",
    operation_id="latestCheckpoint",
    summary="The newest checkpoint as signed",
    response_class=PlainTextResponse,
    responses=problems(404),
)
async def latest(rooms: InRooms, _: MaySee) -> str:
    """The note, as `vaglio audit checkpoint` prints it."""
    found = rooms.log.checkpoints(1)
    if not found:
        raise NotFoundError(
            "no checkpoint was signed yet; the service signs the first within minutes of its start"
        )
    return found[0].raw.decode()


@router.get(
    "/public-key",
    operation_id="publicKey",
    summary="The key that checkpoints and proofs are verified with",
    response_class=PlainTextResponse,
    responses=problems(),
)
async def public_key(rooms: InRooms, _: MaySee) -> str:
    """One line (c2sp.org/signed-note); get it once, over a way you trust."""
    return f"{rooms.keys.verifier.vkey}\n"


def _shown(one: Checkpoint) -> CheckpointShown:
    return CheckpointShown(size=one.size, root=b64encode(one.root).decode(), note=one.raw.decode())
