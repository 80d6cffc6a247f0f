"""Checkpoints: what was signed, and what the last verification of the log said."""

import asyncio
import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from vaglio.audit.signed import Signed, checkpoint_of, checkpoints, public_keys
from vaglio.audit.tree import SigningKey
from vaglio.reports.verification import LastVerification, last_verification
from vaglio.site import Site
from vaglio.web.access import Permission
from vaglio.web.console.visit import Visit, led_to, visiting

router = APIRouter()
Proving = Annotated[Visit, visiting(Permission.PROOFS_READ)]
_A_PAGE: Final = 50
_SIZE: Final = re.compile(r"[1-9]\d{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Read:
    """What the page reads, in a thread."""

    signed: tuple[Signed, ...]
    keys: tuple[SigningKey, ...]
    in_force: str
    last: LastVerification | None


@router.get("/checkpoints")
async def signed_so_far(visit: Proving) -> Response:
    """The newest checkpoints, the log's keys, the last verification or the one under way."""
    text = visit.asked("cursor", most=20)
    found = await asyncio.to_thread(_read, visit.rooms.site, int(text) if _SIZE.fullmatch(text) else None)
    verifying = visit.rooms.verifying
    page, more = found.signed[:_A_PAGE], found.signed[_A_PAGE:]
    running = verifying.running
    return visit.page(
        "checkpoints.html",
        headers={"refresh": "3; url=/checkpoints"} if running else None,
        signed=page,
        older=more[0].checkpoint.size if more else None,
        keys=found.keys,
        in_force=found.in_force,
        last=found.last,
        running=running,
        problem=verifying.problem,
    )


@router.post("/checkpoints/verify")
async def verify(visit: Proving) -> Response:
    """Start a verification of the whole log, unless one is running."""
    visit.rooms.verifying.start(visit.rooms.site, visit.caller.name)
    return led_to("/checkpoints")


@router.get("/checkpoints/key")
async def key(visit: Proving) -> Response:
    """The public key in force, as `vaglio audit verify --public-key` takes it."""
    keys = await asyncio.to_thread(public_keys, visit.rooms.site.log_file)
    return _file(keys[-1].verifier.vkey + "\n", "log.vkey")


@router.get("/checkpoints/{size:int}/download")
async def download(visit: Proving, size: int) -> Response:
    """One checkpoint, as signed."""
    found = await asyncio.to_thread(checkpoint_of, visit.rooms.site.log_file, min(size, 1 << 62))
    return _file(found.checkpoint.raw.decode("utf-8"), f"{size}.checkpoint")


def _read(site: Site, highest: int | None) -> _Read:
    return _Read(
        checkpoints(site.log_file, _A_PAGE + 1, highest),
        public_keys(site.log_file),
        site.keys().verifier.vkey,
        last_verification(site),
    )


def _file(text: str, name: str) -> Response:
    return PlainTextResponse(text, headers={"content-disposition": f'attachment; filename="{name}"'})
