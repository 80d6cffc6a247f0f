"""Liveness, readiness and metrics over HTTP, for a load balancer, systemd's operator and Prometheus.

`/livez` answers while the event loop turns; `/readyz` answers 200 only when a verdict could be given now, else 503
with one line a fault (what should be seen to but costs no verdict follows the 200 as lines `warning: …`);
`/metrics` is the Prometheus text format. GET only, one request a connection, small bounds.
"""

import asyncio
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_MAX_REQUEST = 4096
_SECONDS = 2.0
_PLAIN = "text/plain; charset=utf-8"

Faults = Callable[[], Sequence[str]]
"""What keeps the service from giving verdicts, one line each; empty when it is ready."""


class Health:
    """The health listener of one process."""

    def __init__(self, faults: Faults, registry: CollectorRegistry, warnings: Faults = tuple) -> None:
        self._faults = faults
        self._warnings = warnings
        self._registry = registry
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the kernel chose when 0 was asked for."""
        self._server = await asyncio.start_server(self._answer, host, port, limit=_MAX_REQUEST)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._response(head))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # a peer that cannot ask gets no answer
        finally:
            writer.close()

    def _response(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method != b"GET":
            return _http(405, _PLAIN, b"GET only\n")
        match path:
            case b"/livez":
                return _http(200, _PLAIN, b"alive\n")
            case b"/readyz":
                faults = self._faults()
                if faults:
                    return _http(503, _PLAIN, "".join(f"{fault}\n" for fault in faults).encode())
                warnings = "".join(f"warning: {warning}\n" for warning in self._warnings())
                return _http(200, _PLAIN, f"ready\n{warnings}".encode())
            case b"/metrics":
                return _http(200, CONTENT_TYPE_LATEST, generate_latest(self._registry))
            case _:
                return _http(404, _PLAIN, b"known: /livez /readyz /metrics\n")


def _http(status: int, content_type: str, body: bytes) -> bytes:
    phrase = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}[status]
    return (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    ).encode() + body
