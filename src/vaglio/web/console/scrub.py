"""Scrub: parting a calling list in advance, by upload. What `vaglio scrub` does, in a process of its own."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile

from vaglio.errors import InputError, NotFoundError
from vaglio.web.access import Permission
from vaglio.web.console.charts import bars
from vaglio.web.console.look import Look
from vaglio.web.console.typed import typed_moment
from vaglio.web.console.uploads import keep, name_of, uploaded
from vaglio.web.console.visit import Visit, led_to, visiting
from vaglio.web.problems import ProblemError
from vaglio.web.scrubbing import Job, State, Wish

router = APIRouter()
Scrubbing = Annotated[Visit, visiting(Permission.SCRUB)]
Uploading = Annotated[Visit, visiting(Permission.SCRUB, files=1)]
UPLOAD_PATH: Final = "/scrub/list"
_LISTS: Final = ("allowed", "blocked")


@router.get("/scrub")
async def scrub(visit: Scrubbing) -> Response:
    """The form, and the account's list: how far it is, or what came of it."""
    return _page(visit)


@router.post(UPLOAD_PATH)
async def begin(visit: Uploading) -> Response:
    """Take a list and begin; the account's former result is gone."""
    rooms, caller = visit.rooms, visit.caller
    try:
        upload, wish = _wish(visit)
    except InputError as error:
        return _page(visit, problem=str(error))
    try:
        job = await rooms.scrubs.prepare(wish)
        await keep(upload, job.list_file)
    except OSError as error:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE, f"the upload cannot be kept ({error.strerror})"
        ) from error
    except ProblemError:
        await rooms.scrubs.remove(caller.name)
        raise
    rooms.scrubs.begin(job)
    return led_to("/scrub")


@router.get("/scrub/progress")
async def progress(visit: Scrubbing) -> Response:
    """How far the account's list is, for the page's script."""
    job = visit.rooms.scrubs.of(visit.caller.name)
    if job is None or job.over:
        return JSONResponse({"over": True})
    return JSONResponse({"over": False, "done": job.done, "total": job.total, "words": _words(visit.look, job)})


@router.get("/scrub/{job}/{which}.csv")
async def fetch(visit: Scrubbing, job: str, which: str) -> Response:
    """One of the two lists."""
    found = visit.rooms.scrubs.of(visit.caller.name)
    if found is None or found.id != job or found.state is not State.DONE or which not in _LISTS:
        raise NotFoundError("the list is no longer here; scrub it again")

    async def noted() -> None:  # a coroutine, so that it runs on the event loop as the job does
        found.note_fetched(which)

    return FileResponse(
        found.result(which),
        media_type="text/csv; charset=utf-8",
        filename=f"{which}.csv",
        headers={"cache-control": "no-store"},
        background=BackgroundTask(noted),
    )


@router.post("/scrub/remove")
async def remove(visit: Scrubbing) -> Response:
    """Stop the account's scrub, or delete its result, now."""
    await visit.rooms.scrubs.remove(visit.caller.name)
    return led_to("/scrub")


def _wish(visit: Visit) -> tuple[UploadFile, Wish]:
    """The list and what is to be done with it.

    Raises:
        InputError: in the person's language, saying what is missing.
    """
    caller, say = visit.caller, visit.look.say
    upload, text = uploaded(visit, "file"), visit.text("at", most=40)
    campaign = visit.rooms.index.campaign(visit.text("campaign", most=64))
    at = typed_moment(text, visit.look) if text else None
    if upload is None:
        raise InputError(say("scrub.no_file"))
    if campaign is None or not caller.sees(campaign.controller):
        raise InputError(say("scrub.no_campaign"))
    if text and at is None:
        raise InputError(say("scrub.no_time"))
    if visit.rooms.scrubs.busy(caller.name):
        raise InputError(say("scrub.busy"))
    column = visit.text("column", most=200) or None
    field = say("scrub.column")
    return upload, Wish(caller.name, name_of(upload), campaign.id, column, field, at, caller.origin)


def _page(visit: Visit, *, problem: str = "") -> Response:
    job = visit.rooms.scrubs.of(visit.caller.name)
    summary = job.summary if job is not None else None
    campaigns = [one.id for one in visit.rooms.index.campaigns() if visit.caller.sees(one.controller)]
    return visit.page(
        "scrub.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        problem=problem,
        campaigns=campaigns,
        campaign=visit.text("campaign", most=64),
        upload_mb=visit.rooms.site.settings.web.upload_mb,
        job=job,
        words=_words(visit.look, job) if job is not None else "",
        summary=summary,
        asked_at=datetime.fromisoformat(str(summary["at"])) if summary else None,
        chart=_chart(visit.look, summary) if summary else None,
    )


def _words(look: Look, job: Job) -> str:
    if job.state is State.WAITING:
        return look.say("scrub.waiting")
    share = f"{min(1.0, job.done / job.total):.0%}" if job.total else ""
    return look.say("scrub.running", rows=job.rows, share=share)


def _chart(look: Look, summary: Mapping[str, Any]) -> object:
    """Leads by reason, the most first, allowed and blocked in colours of their own."""
    told = [
        (verdict, reason, amount)
        for verdict in ("allow", "block")
        for reason, amount in summary["reasons"][verdict].items()
    ]
    return bars(
        look.say("scrub.chart"),
        [reason for _, reason, _ in told],
        {
            look.say(f"verdict.{shown}"): [amount if verdict == shown else 0 for verdict, _, amount in told]
            for shown in ("allow", "block")
        },
    )
