"""What every request passes before anything else reads it: who connects, for which host, how much, how long.

And what every answer carries: nothing is cached, framed, sniffed or fetched from elsewhere.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from vaglio.web.exposure import Exposure
from vaglio.web.problems import ProblemError, problem_response

BODY_BYTES: Final = 1_000_000
"""The largest body, except on the paths that take lists."""
_PART_SECONDS: Final = 30.0
"""The longest a peer may be silent within a request's body."""
_HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self';"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_STRICT: Final = "max-age=31536000"


class Threshold:
    """ASGI middleware, the outermost.

    `larger` maps the beginning of a path to the bytes its bodies may have.
    """

    def __init__(self, app: ASGIApp, reach: Exposure, larger: Mapping[str, int]) -> None:
        self._reach = reach
        self._larger = larger
        self._app: ASGIApp = app
        if reach.proxies:
            self._app = ProxyHeadersMiddleware(app, trusted_hosts=list(reach.proxies))  # type: ignore[arg-type, assignment]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        told = _answering(send, secure=self._reach.certificate is not None)
        if (refusal := self._refusal(scope, headers)) is not None:
            await problem_response(*refusal)(scope, receive, told)
            return
        most = next((size for path, size in self._larger.items() if scope["path"].startswith(path)), BODY_BYTES)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            await _too_large(most)(scope, receive, told)
            return
        await self._app(scope, _bounded(receive, most), told)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[HTTPStatus, str] | None:
        peer = (scope.get("client") or ("", 0))[0]
        if self._reach.proxies and peer not in self._reach.proxies:
            return HTTPStatus.FORBIDDEN, "only the configured proxies may connect (web.trusted_proxies)"
        if _name(headers.get("host", "")) not in self._reach.hosts:
            return HTTPStatus.MISDIRECTED_REQUEST, "unknown host name; add it to web.hosts if it is this service's"
        return None


def _name(host: str) -> str:
    """The host without its port; an IPv6 address keeps its brackets."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()


def _answering(send: Send, *, secure: bool) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if secure:
                headers.setdefault("strict-transport-security", _STRICT)
        await send(message)

    return told


def _bounded(receive: Receive, most: int) -> Receive:
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        try:
            async with asyncio.timeout(_PART_SECONDS):
                message = await receive()
        except TimeoutError:
            raise ProblemError(
                HTTPStatus.REQUEST_TIMEOUT, f"nothing came for {_PART_SECONDS:g} s; send it again"
            ) from None
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > most:
                raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _words(most))
        return message

    return bounded


def _too_large(most: int) -> ASGIApp:
    return problem_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _words(most))


def _words(most: int) -> str:
    return f"more than {most / 1_000_000:g} MB; send it in parts"


def address_of(request: Request) -> str:
    """Where a request comes from, as far as a trusted proxy tells."""
    return request.client.host if request.client else ""
