"""What the web process counts: requests by route and status, and their seconds; never a number in a label."""

import time
from collections.abc import Callable

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"})
_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class WebMetrics:
    """Metrics of one web process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "vaglio_web_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "vaglio_web_request_seconds",
            "From request to answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def watch(self, app: FastAPI) -> None:
        """Count every request of the application."""
        app.add_middleware(_Counting, seen=self._seen)

    def _seen(self, route: str, method: str, status: int, seconds: float) -> None:
        known = method if method in _METHODS else "other"  # it may be any word
        self._requests.labels(route, known, status).inc()
        self._seconds.labels(route).observe(seconds)


class _Counting:
    """ASGI middleware: a request is over when its answer is."""

    def __init__(self, app: ASGIApp, seen: Callable[[str, str, int, float], None]) -> None:
        self._app = app
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            self._seen(_route(scope), scope["method"], status, time.perf_counter() - started)


def _route(scope: Scope) -> str:
    """The path as the route writes it, with names in the place of values; of an included route with its prefix."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    return str(getattr(included or scope.get("route"), "path", "unknown"))
