"""The FastAGI server: who may connect, which route answers, what is counted, how it stops.

Asterisk has no read timeout of its own (a silent server holds the call for ever) and FastAGI knows neither
authentication nor encryption. Hence the deadlines, the caps, the allow-list of peers and the shared secret here.
"""

import asyncio
import hmac
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import PurePath
from socket import socket
from typing import Final

import structlog

from vaglio.pbx.agi import Request
from vaglio.pbx.exchange import Failure, Limits, Reply, Route, Session

__all__ = ["LOOPBACK", "Failure", "FastAgiServer", "Limits", "Network", "Reply", "Request", "Route"]

Network = IPv4Network | IPv6Network

LOOPBACK: Final[tuple[Network, ...]] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_KNOWN_PEERS: Final = 1024
_LOG_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Admission:
    """What the address of a peer entitles it to."""

    allowed: bool
    local: bool


class FastAgiServer:
    """Listens for Asterisk and asks the routes.

    `peers` are the networks that may connect. With a `secret`, every request needs it as its last argument; a peer
    off loopback is never served without one. `on_error` hears the kind of each failure as it is counted; it must
    not block or raise.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        limits: Limits | None = None,
        peers: Sequence[Network] = LOOPBACK,
        secret: str | None = None,
        on_error: Callable[[str], None] | None = None,
    ) -> None:
        self.limits: Final = limits or Limits()
        self.live: Final[set[Session]] = set()
        self.leaving: Final[set[Session]] = set()
        """Sessions told ``failure`` whose peers have not closed yet."""
        self._on_error = on_error
        self._errors: Counter[Failure] = Counter()
        self._answered = 0
        self._log_times: dict[Failure, float] = {}
        self._log = structlog.get_logger("vaglio.fastagi")
        self._listeners: list[asyncio.Server] = []
        self._emptied: asyncio.Event | None = None
        self.reconfigure(routes, peers, secret)

    def reconfigure(self, routes: Mapping[str, Route], peers: Sequence[Network], secret: str | None) -> None:
        """Serve new requests by these; a request already with its route keeps to the old ones.

        Raises ValueError for an empty secret.
        """
        if secret is not None and not secret:
            raise ValueError("the FastAGI secret is empty; give it at least one character, or none at all")
        self._routes = dict(routes)
        self._peers = tuple(peers)
        self._secret = None if secret is None else secret.encode()
        self._admissions: dict[str, _Admission] = {}

    @property
    def errors(self) -> Mapping[Failure, int]:
        """How often each kind of failure happened since the start."""
        return self._errors

    @property
    def answered(self) -> int:
        """How many answers Asterisk confirmed since the start."""
        return self._answered

    @property
    def sessions(self) -> int:
        """Conversations going on now."""
        return len(self.live)

    @property
    def port(self) -> int:
        """The TCP port first listened on. Raises RuntimeError if the server does not listen."""
        if not self._listeners or not self._listeners[0].sockets:
            raise RuntimeError("the FastAGI server does not listen")
        return int(self._listeners[0].sockets[0].getsockname()[1])

    async def start(self, host: str = "127.0.0.1", port: int = 0, *, sock: socket | None = None) -> asyncio.Server:
        """Listen on an address (port 0: any free one), or on a bound stream socket that the caller opened.

        May be called again for a further address; `leave` ends listening on one alone. Raises OSError if the
        address cannot be had.
        """
        loop = asyncio.get_running_loop()
        backlog = self.limits.backlog
        if sock is None:
            listener = await loop.create_server(lambda: Session(self), host, port, backlog=backlog)
        else:
            listener = await loop.create_server(lambda: Session(self), sock=sock, backlog=backlog)
        self._listeners.append(listener)
        return listener

    def leave(self, listener: asyncio.Server) -> None:
        """Stop accepting there; conversations go on."""
        listener.close()
        self._listeners.remove(listener)

    async def drain(self, seconds: float) -> None:
        """Stop accepting, let conversations finish for at most so long, then cut off the rest."""
        for listener in self._listeners:
            listener.close()
        if self.live or self.leaving:
            self._emptied = asyncio.Event()
            try:
                async with asyncio.timeout(seconds):
                    await self._emptied.wait()
            except TimeoutError:
                for session in (*self.live, *self.leaving):
                    session.cut_off()
                await self._emptied.wait()
        for listener in self._listeners:
            await listener.wait_closed()
        self._listeners.clear()

    def admit(self, address: str) -> _Admission:
        """Tell what a peer's address entitles it to."""
        admission = self._admissions.get(address)
        if admission is None:
            if len(self._admissions) >= _KNOWN_PEERS:
                self._admissions.clear()
            admission = self._admissions[address] = _judge_peer(address, self._peers)
        return admission

    def route_for(self, request: Request, peer: str, *, local: bool) -> tuple[Route, Request] | Failure:
        """Check the secret and find the route; the request comes back with its peer and without the secret."""
        args = request.args
        if self._secret is not None:
            if not args or not hmac.compare_digest(args[-1].encode(), self._secret):
                return Failure.BAD_SECRET
            args = args[:-1]
        elif not local:
            return Failure.BAD_SECRET
        route = self._routes.get(request.route)
        if route is None:
            return Failure.UNKNOWN_ROUTE
        return route, Request(request.route, args, request.headers, peer)

    def count_answer(self) -> None:
        """Count an answer that Asterisk confirmed."""
        self._answered += 1

    def count(self, failure: Failure, peer: str, error: BaseException | None = None) -> None:
        """Count a failure and log it, at most one line a second for each kind: a hostile peer fills no disk.

        Of an exception only type and place are told, for its text may hold personal data.
        """
        self._errors[failure] += 1
        if self._on_error is not None:
            self._on_error(failure)
        now = time.monotonic()
        if now - self._log_times.get(failure, -_LOG_SECONDS) < _LOG_SECONDS:
            return
        self._log_times[failure] = now
        details = {} if error is None else {"error": type(error).__name__, "at": _place(error)}
        self._log.warning("agi_failure", kind=failure.value, address=peer, total=self._errors[failure], **details)

    def forget(self, session: Session) -> None:
        """Drop a session whose connection is gone."""
        self.live.discard(session)
        self.leaving.discard(session)
        if self._emptied is not None and not self.live and not self.leaving:
            self._emptied.set()


def _judge_peer(address: str, peers: Sequence[Network]) -> _Admission:
    try:
        peer = ip_address(address)
    except ValueError:
        return _Admission(allowed=False, local=False)
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    allowed = any(peer in network for network in peers)
    return _Admission(allowed=allowed, local=peer.is_loopback)


def _place(error: BaseException) -> str:
    """Return ``file:line`` of where the error was raised."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
