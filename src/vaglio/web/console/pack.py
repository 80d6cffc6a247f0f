"""The pack for a monitoring body, made when asked for and sent as one .zip; nothing of it stays here.

It is made in the system's directory for temporary files and not beside audit.db: what fills that disk stops calls.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, BinaryIO, Final

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from vaglio.errors import ConfigError, InputError, NotFoundError
from vaglio.model import ANY
from vaglio.reports.documents import require_pdf
from vaglio.reports.ledger import Period
from vaglio.reports.pack import MOST_SAMPLED, Sample, monitoring_pack
from vaglio.site import Site
from vaglio.web.access import Permission
from vaglio.web.access.caller import Caller
from vaglio.web.console.reports_page import LONGEST_SEED, language_of, packs_of, page, period_of
from vaglio.web.console.visit import Visit, visiting

router = APIRouter()
Taking = Annotated[Visit, visiting(Permission.EXPORT)]
_PART: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Order:
    """What is asked for, and by whom."""

    caller: Caller
    controller: str | None
    period: Period
    sample: Sample | None
    language: str

    @property
    def name(self) -> str:
        """Of the archive and the directory in it."""
        return "monitoring-body" if self.controller is None else f"monitoring-body-{self.controller}"


@router.post("/reports/pack")
async def make(visit: Taking) -> Response:
    """Make one pack and send it; its entry is in the log before that. Without PDFs only when asked for so."""
    rooms = visit.rooms
    if visit.text("of", most=80) not in dict(packs_of(visit)):
        raise NotFoundError("pack: not here; choose one of the list")
    try:
        order = _order(visit)
        if visit.text("without_pdf", most=8) != "yes":
            await asyncio.to_thread(require_pdf)
    except (ConfigError, InputError) as error:
        return page(visit, problem=str(error), of_pack=True, without_pdf=isinstance(error, ConfigError))
    try:
        async with rooms.reporting:
            archive = await asyncio.to_thread(_made, rooms.site, order)
    except InputError as error:
        cause = error.__cause__
        told = visit.look.say("reports.no_room", why=cause.strerror) if isinstance(cause, OSError) else str(error)
        return page(visit, problem=told, of_pack=True)
    except NotFoundError as error:
        return page(visit, problem=str(error), of_pack=True)
    headers = {
        "content-disposition": f'attachment; filename="{order.name}.zip"',
        "content-length": str(os.fstat(archive.fileno()).st_size),
    }
    return StreamingResponse(_parts(archive), media_type="application/zip", headers=headers)


def _order(visit: Visit) -> _Order:
    """What the form asks for.

    Raises:
        InputError: in the person's language.
    """
    of = visit.text("of", most=80)
    return _Order(
        caller=visit.caller,
        controller=None if of == ANY else of,
        period=period_of(visit),
        sample=_sample(visit),
        language=language_of(visit),
    )


def _sample(visit: Visit) -> Sample | None:
    size, seed = visit.text("sample", most=80), visit.text("seed", most=LONGEST_SEED)
    if not size and not seed:
        return None
    if not size or not seed:
        raise InputError(visit.look.say("reports.sample_and_seed"))
    if not (size.isascii() and size.isdecimal()) or not 1 <= int(size) <= MOST_SAMPLED:
        raise InputError(visit.look.say("reports.sample_size", most=MOST_SAMPLED))
    return Sample(int(size), seed)


def _made(site: Site, order: _Order) -> BinaryIO:
    """The archive, open and already without a name: whatever becomes of its sending, nothing is left behind."""
    with TemporaryDirectory(prefix="vaglio-", ignore_cleanup_errors=True) as folder:
        pack = monitoring_pack(
            site,
            Path(folder) / order.name,
            order.period,
            by=order.caller.name,
            via=order.caller.via,
            controller=order.controller,
            sample=order.sample,
            language=order.language,
        )
        return pack.archive.open("rb")


async def _parts(archive: BinaryIO) -> AsyncIterator[bytes]:
    with archive:
        while part := await asyncio.to_thread(archive.read, _PART):
            yield part
