"""In and out: log-in, log-out, the look; and the small files that every page is drawn with."""

import re
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import PlainTextResponse, Response

from vaglio.web.access.doorkeeper import RefusedError
from vaglio.web.access.secrets import LONGEST_SECRET
from vaglio.web.access.sessions import COOKIE, LONGEST
from vaglio.web.console.look import keep
from vaglio.web.console.navigation import first_path
from vaglio.web.console.pages import static_response
from vaglio.web.console.visit import AnyGuest, Visit, led_to, visiting
from vaglio.web.problems import ProblemError
from vaglio.web.threshold import address_of

router = APIRouter()

_LOCAL: Final = re.compile(r"/(?![/\\])[A-Za-z0-9/_.~?=&%+:-]{0,500}", re.ASCII)


def local_path(wished: str) -> str:
    """The path when it leads to a page of this console, else `/`: no address of elsewhere can be smuggled in."""
    return wished if _LOCAL.fullmatch(wished) and not wished.startswith("/log-") else "/"


@router.get("/")
async def begin(visit: Annotated[Visit, visiting()]) -> Response:
    """Lead to the first page that the role grants."""
    return led_to(first_path(visit.caller))


@router.get("/log-in")
async def log_in_page(door: AnyGuest, request: Request) -> Response:
    """The log-in form."""
    return door.page("log_in.html", name="", problem="", next=local_path(request.query_params.get("next", "/")))


@router.post("/log-in")
async def log_in(
    door: AnyGuest,
    name: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=LONGEST_SECRET)] = "",
    next: Annotated[str, Form(max_length=501)] = "/",  # noqa: A002 - the field's usual name
) -> Response:
    """Begin a session, always a new one; a refusal tells neither which part is wrong nor who exists."""
    wished = local_path(next)
    try:
        cookie = await door.rooms.doorkeeper.log_in(name.strip(), password, address_of(door.request))
    except RefusedError as refused:
        late = refused.retry_after is not None
        answer = door.page(
            "log_in.html",
            status=HTTPStatus.TOO_MANY_REQUESTS if late else HTTPStatus.UNAUTHORIZED,
            name=name,
            problem="locked" if late else "refused",
            next=wished,
        )
        if refused.retry_after is not None:
            answer.headers["retry-after"] = str(max(1, int(refused.retry_after.total_seconds())))
        return answer
    if old := door.request.cookies.get(COOKIE):
        await door.rooms.doorkeeper.log_out(old)
    answer = led_to(wished)
    set_session(answer, cookie)
    return answer


@router.post("/log-out")
async def log_out(visit: Annotated[Visit, visiting()]) -> Response:
    """End the session."""
    await visit.rooms.doorkeeper.log_out(visit.cookie)
    answer = led_to("/log-in")
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    answer.headers["clear-site-data"] = '"cache"'
    return answer


@router.post("/look")
async def change_look(
    door: AnyGuest,
    language: Annotated[str, Form(max_length=16)] = "",
    theme: Annotated[str, Form(max_length=16)] = "",
    zone: Annotated[str, Form(max_length=64)] = "",
    next: Annotated[str, Form(max_length=501)] = "/",  # noqa: A002 - the field's usual name
) -> Response:
    """Keep language, theme and zone in this browser."""
    _ = door
    answer = led_to("/log-in" if next.startswith("/log-in") else local_path(next))
    keep(answer, language, theme, zone)
    return answer


@router.get("/static/{fingerprint}/{name}")
async def static(fingerprint: str, name: str) -> Response:
    """A stylesheet or script; open to everybody, for the log-in page needs them."""
    found = static_response(fingerprint, name)
    if found is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "no such file")
    return found


@router.get("/robots.txt")
async def robots() -> Response:
    """Nothing here is for search engines."""
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


def set_session(answer: Response, cookie: str) -> None:
    """Give the browser its session; scripts cannot read it, and other sites cannot send it along with a form."""
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )
