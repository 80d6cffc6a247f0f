"""Reports: what can be handed to principals and data-protection officers, made when asked for."""

import asyncio
import hashlib
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter
from fastapi.responses import Response

from vaglio.clock import now
from vaglio.errors import ConfigError, InputError, NotFoundError
from vaglio.reports.documents import figures_csv, render_html, render_pdf
from vaglio.reports.dpia import DpiaReport, dpia_report
from vaglio.reports.handing_over import about, file_name
from vaglio.reports.ledger import Period
from vaglio.reports.principal import PrincipalReport, principal_report
from vaglio.rules.texts import LANGUAGES
from vaglio.site import Site
from vaglio.web.access import Permission
from vaglio.web.console.typed import typed_moment
from vaglio.web.console.visit import Visit, visiting
from vaglio.web.problems import ProblemError

router = APIRouter()
Reporting = Annotated[Visit, visiting(Permission.REPORTS)]
_DPIA: Final = "dpia"
_PRINCIPAL: Final = "principal:"
_TYPES: Final = {"html": "text/html; charset=utf-8", "pdf": "application/pdf", "csv": "text/csv; charset=utf-8"}
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""A report holds its own style, and nothing that runs or is fetched."""


@router.get("/reports")
async def reports(visit: Reporting) -> Response:
    """What can be had."""
    return _page(visit)


@router.post("/reports")
async def make(visit: Reporting) -> Response:
    """Make one report as a page, a PDF or the figures as CSV; an entry tells its SHA-256 before it is sent."""
    caller, rooms = visit.caller, visit.rooms
    of, language, form = (visit.text(name, most=80) for name in ("of", "language", "format"))
    if language not in LANGUAGES or form not in _TYPES:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "language, format: expected one of the form's choices")
    since = typed_moment(visit.text("since"), visit.look)
    until = typed_moment(visit.text("until"), visit.look, end=True)
    if since is None or until is None or since >= until:
        return _page(visit, problem=visit.look.say("reports.no_period"))
    if of not in dict(_choices(visit)):
        raise NotFoundError("report: not here; choose one of the list")
    period = Period(since, until)
    try:
        async with rooms.reporting:
            made, content = await asyncio.to_thread(_made, rooms.site, of, period, language, form)
    except (ConfigError, InputError, NotFoundError) as error:
        return _page(visit, problem=str(error))
    name = f"{file_name(made)}.{form}"
    kind, _, controller = of.partition(":")
    told = about(kind, controller or None, period, language)
    digests = [{"file": name, "sha256": hashlib.sha256(content).hexdigest()}]
    await rooms.note_access(caller, "report", {**told, "files": digests})
    headers = {"content-disposition": f'{"inline" if form == "html" else "attachment"}; filename="{name}"'}
    if form == "html":
        headers["content-security-policy"] = _POLICY
    return Response(content, media_type=_TYPES[form], headers=headers)


def _made(
    site: Site, of: str, period: Period, language: str, form: str
) -> tuple[PrincipalReport | DpiaReport, bytes]:
    made: PrincipalReport | DpiaReport
    if of == _DPIA:
        made = dpia_report(site, period)
    else:
        made = principal_report(site, of.removeprefix(_PRINCIPAL), period)
    if form == "csv":
        return made, figures_csv(made)
    html = render_html(made, language)
    return made, render_pdf(html) if form == "pdf" else html.encode()


def _choices(visit: Visit) -> list[tuple[str, str]]:
    """What reports can be of: each principal that exists for the caller, and the whole installation."""
    caller, say = visit.caller, visit.look.say
    own = [
        (f"{_PRINCIPAL}{one.id}", say("reports.of_principal", name=f"{one.name} ({one.id})"))
        for one in visit.rooms.index.controllers()
        if caller.sees(one.id)
    ]
    return own if caller.controller is not None else [*own, (_DPIA, say("reports.of_dpia"))]


def _page(visit: Visit, *, problem: str = "") -> Response:
    last = visit.look.local(now()).date().replace(day=1) - timedelta(days=1)
    return visit.page(
        "reports.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        problem=problem,
        choices=_choices(visit),
        of=visit.text("of", most=80),
        since=visit.text("since") or last.replace(day=1).isoformat(),
        until=visit.text("until") or last.isoformat(),
        language=visit.text("language", most=8) or visit.look.language,
    )
