"""Errors as pages: what programs are told as problems, people are told in a page of their language."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import quote

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from vaglio.web.access.doorkeeper import RefusedError
from vaglio.web.access.sessions import COOKIE
from vaglio.web.callers import rooms_of
from vaglio.web.console.look import look_of
from vaglio.web.console.pages import rendered
from vaglio.web.threshold import address_of

_FOR_PROGRAMS: Final = ("/v1/", "/livez", "/readyz", "/metrics", "/openapi.json")
_TOLD: Final = frozenset({403, 404, 405, 413, 422, 429, 503})
"""Statuses with a text of their own; the others are `error.other`."""
Handler = Callable[[Request, Exception], Awaitable[Response]]


def tell_people(app: FastAPI) -> None:
    """Have browsers told by pages what the handlers installed so far tell as problems."""
    for kind, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(kind, _told(cast("Handler", handler)))


def _told(as_problem: Handler) -> Handler:
    async def told(request: Request, error: Exception) -> Response:
        problem = await as_problem(request, error)
        path = request.url.path
        if path.startswith(_FOR_PROGRAMS) or "text/html" not in request.headers.get("accept", ""):
            return problem
        if problem.status_code == HTTPStatus.UNAUTHORIZED:
            return RedirectResponse(_log_in(request), HTTPStatus.SEE_OTHER)
        return await _page(request, problem)

    return told


def _log_in(request: Request) -> str:
    """The log-in page, which leads back; a form that was sent without a session is not sent again."""
    if request.method != "GET" or request.url.path == "/":
        return "/log-in"
    query = f"?{request.url.query}" if request.url.query else ""
    return f"/log-in?next={quote(request.url.path + query, safe='')}"


async def _page(request: Request, problem: Response) -> Response:
    status = HTTPStatus(problem.status_code)
    body: dict[str, Any] = orjson.loads(bytes(problem.body))
    cookie = request.cookies.get(COOKIE, "")
    try:
        caller = await rooms_of(request).doorkeeper.by_cookie(cookie, address_of(request))
    except Exception as error:  # noqa: BLE001 - the page of an error must not depend on what has failed
        caller = None
        if not isinstance(error, RefusedError):
            cookie = ""
    kept = {key: value for key, value in problem.headers.items() if key in {"retry-after", "allow"}}
    return rendered(
        request,
        look_of(request),
        "error.html",
        {
            "status": int(status),
            "text": str(int(status)) if status in _TOLD else "other",
            "detail": body["detail"],
        },
        caller=caller,
        cookie=cookie,
        status=status,
        headers=kept,
    )
