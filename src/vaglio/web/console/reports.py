"""Reports: what can be handed to principals and data-protection officers, made when asked for."""

import asyncio
import hashlib
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter
from fastapi.responses import Response

from vaglio.errors import ConfigError, InputError, NotFoundError
from vaglio.reports.documents import figures_csv, render_html, render_pdf
from vaglio.reports.dpia import DpiaReport, dpia_report
from vaglio.reports.handing_over import about, file_name
from vaglio.reports.ledger import Period
from vaglio.reports.principal import PrincipalReport, principal_report
from vaglio.site import Site
from vaglio.web.access import Permission
from vaglio.web.console.reports_page import DPIA, PRINCIPAL, language_of, page, period_of, reports_of
from vaglio.web.console.visit import Visit, visiting
from vaglio.web.problems import ProblemError

router = APIRouter()
Reporting = Annotated[Visit, visiting(Permission.REPORTS)]
_TYPES: Final = {"html": "text/html; charset=utf-8", "pdf": "application/pdf", "csv": "text/csv; charset=utf-8"}
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""A report holds its own style, and nothing that runs or is fetched."""


@router.get("/reports")
async def reports(visit: Reporting) -> Response:
    """What can be had."""
    return page(visit)


@router.post("/reports")
async def make(visit: Reporting) -> Response:
    """Make one report as a page, a PDF or the figures as CSV; an entry tells its SHA-256 before it is sent."""
    caller, rooms = visit.caller, visit.rooms
    of, form, language = visit.text("of", most=80), visit.text("format", most=80), language_of(visit)
    if form not in _TYPES:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "format: expected one of the form's choices")
    if of not in dict(reports_of(visit)):
        raise NotFoundError("report: not here; choose one of the list")
    try:
        period = period_of(visit)
        async with rooms.reporting:
            made, content = await asyncio.to_thread(_made, rooms.site, of, period, language, form)
    except (ConfigError, InputError, NotFoundError) as error:
        return page(visit, problem=str(error))
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
    made = dpia_report(site, period) if of == DPIA else principal_report(site, of.removeprefix(PRINCIPAL), period)
    if form == "csv":
        return made, figures_csv(made)
    html = render_html(made, language)
    return made, render_pdf(html) if form == "pdf" else html.encode()
