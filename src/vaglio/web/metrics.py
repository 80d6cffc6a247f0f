"""What the web process counts: requests by route and status, and their seconds; never a number in a label."""

import time
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram

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

        @app.middleware("http")
        async def _count(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
            started = time.perf_counter()
            response = await answer(request)
            route = getattr(request.scope.get("route"), "path", "unknown")
            self._requests.labels(route, request.method, response.status_code).inc()
            self._seconds.labels(route).observe(time.perf_counter() - started)
            return response
