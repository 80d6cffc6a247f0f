"""One FastAGI connection: one question, one answer.

The header block arrives, its route is asked, one ``EXEC MSet`` carries the answer and ends our side of the
connection, Asterisk's reply to it confirms the delivery. Whatever goes wrong before the answer is told to Asterisk
with the line ``failure``; nothing that goes wrong is ever a verdict.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, cast

from vaglio.pbx.agi import CommandError, CommandReply, Conversation, Eof, ProtocolError, Request

if TYPE_CHECKING:
    from vaglio.pbx.fastagi import FastAgiServer

_MAX_DISCARDED_BYTES: Final = 4 * 1024 * 1024
_OK: Final = 200


class Failure(StrEnum):
    """Why a conversation ended without a confirmed answer; the keys of `FastAgiServer.errors`."""

    PEER_REFUSED = "peer_refused"
    TOO_MANY_SESSIONS = "too_many_sessions"
    HEADER_TIMEOUT = "header_timeout"
    HEADER_TOO_LARGE = "header_too_large"
    BAD_HEADER = "bad_header"
    UNKNOWN_ROUTE = "unknown_route"
    BAD_SECRET = "bad_secret"  # noqa: S105 - the name of a failure
    EOF = "eof"
    """The peer closed before the answer was sent."""
    DEADLINE = "deadline"
    ROUTE_ERROR = "route_error"
    BAD_ANSWER = "bad_answer"
    """The route's answer holds what must not be sent to a dialplan."""
    BAD_REPLY = "bad_reply"
    """The peer sent what no Asterisk sends, after the header block."""
    ANSWER_REFUSED = "answer_refused"
    """Asterisk answered the command with 510, 511, 520 or a result other than 0: no variable was set."""
    REPLY_TIMEOUT = "reply_timeout"
    """The answer was sent and not confirmed in time; the variables may have been set."""
    UNCONFIRMED = "unconfirmed"
    """The same, because the peer closed."""
    DRAINED = "drained"
    """Cut off because the server stopped."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A route's answer."""

    variables: Mapping[str, str]
    """Channel variables to set, all in one command; values of ``A-Z a-z 0-9 _ . : -`` only."""
    sent: Callable[[], None] | None = None
    """Called once the answer is out: what the caller need not wait for. It must not block."""
    delivered: Callable[[], None] | None = None
    """Called once Asterisk has confirmed that the variables are set; it must not block."""


Route = Callable[[Request], Awaitable[Reply]]
"""Answers a request; cancelled at the deadline. The secret is no longer among the request's arguments."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server grants its peers. Times in seconds."""

    sessions: int = 2048
    """Conversations at a time; one more is told ``failure`` at once."""
    backlog: int = 1024
    """Connections the kernel keeps for us; behind a full backlog Asterisk waits 2 s."""
    header_seconds: float = 1.0
    """From the connection to the end of the header block."""
    deadline_seconds: float = 0.250
    """From the end of the header block to the answer."""
    reply_seconds: float = 1.0
    """From the answer to Asterisk's confirmation."""
    linger_seconds: float = 0.5
    """From the line ``failure`` to the peer's close; to close on unread bytes makes the kernel drop the line."""

    @property
    def shortest(self) -> float:
        """The least of the three limits that follow one another in a conversation."""
        return min(self.header_seconds, self.deadline_seconds, self.reply_seconds)


class Session(asyncio.Protocol):
    """One connection. uvloop and asyncio both set TCP_NODELAY on it."""

    __slots__ = (
        "_answer_sent",
        "_conversation",
        "_delivered",
        "_discarded",
        "_due",
        "_late",
        "_local",
        "_over",
        "_peer",
        "_server",
        "_task",
        "_timer",
        "_transport",
    )

    _transport: asyncio.Transport

    def __init__(self, server: "FastAgiServer") -> None:
        self._server = server
        self._conversation = Conversation()
        self._peer = ""
        self._local = False
        self._over = False
        self._discarded = 0
        self._answer_sent = False
        self._due = 0.0
        self._late = Failure.HEADER_TIMEOUT
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._delivered: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the peer or turn it away."""
        server = self._server
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class does not say so
        address = transport.get_extra_info("peername")
        self._peer = str(address[0]) if address else ""
        admission = server.admit(self._peer)
        if not admission.allowed:
            self._over = True
            server.count(Failure.PEER_REFUSED, self._peer)
            self._transport.abort()
        elif len(server.live) >= server.limits.sessions:
            self._fail(Failure.TOO_MANY_SESSIONS)
        else:
            self._local = admission.local
            server.live.add(self)
            self._expect(server.limits.header_seconds, Failure.HEADER_TIMEOUT)
            self._timer = asyncio.get_running_loop().call_later(server.limits.shortest, self._look_at_clock)

    def data_received(self, data: bytes) -> None:
        """Move the conversation on; bytes after ``failure`` are dropped."""
        if self._over:
            self._discarded += len(data)
            if self._discarded > _MAX_DISCARDED_BYTES:
                self._transport.abort()
            return
        self._conversation.feed(data)
        self._take_events()

    def eof_received(self) -> None:
        """Take the end of the stream."""
        if not self._over:
            self._conversation.feed(b"")
            self._take_events()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back everything the connection held."""
        del exc
        if not self._over:
            self._peer_gone()
        self._release()
        self._server.forget(self)

    def cut_off(self) -> None:
        """End the connection because the server stops."""
        if not self._over:
            self._finish(Failure.DRAINED)
        self._transport.abort()

    def _take_events(self) -> None:
        try:
            while (event := self._conversation.next_event()) is not None:
                if isinstance(event, Request):
                    self._ask(event)
                elif isinstance(event, CommandReply):
                    self._settle(event)
                elif isinstance(event, Eof):
                    self._peer_gone()
        except ProtocolError as error:
            self._fail(Failure(error.fault.value))

    def _ask(self, request: Request) -> None:
        server = self._server
        found = server.route_for(request, self._peer, local=self._local)
        if isinstance(found, Failure):
            self._fail(found)
            return
        self._expect(server.limits.deadline_seconds, Failure.DEADLINE)
        self._task = asyncio.get_running_loop().create_task(self._answer(*found))

    async def _answer(self, route: Route, request: Request) -> None:
        failure: Failure | None = None
        try:
            reply = await route(request)
            if self._over:
                return
            # After a stall of the loop a result can be here before the timer's call.
            if time.monotonic() > self._due:
                failure = Failure.DEADLINE
            else:
                line = self._conversation.set_variables(reply.variables)
        except CommandError:
            failure = Failure.BAD_ANSWER
        except Exception as error:  # noqa: BLE001 - whatever a route raises is no verdict, and is counted
            self._task = None
            self._fail(Failure.ROUTE_ERROR, error)
            return
        self._task = None
        if failure is not None:
            self._fail(failure)
            return
        self._answer_sent = True
        self._delivered = reply.delivered
        self._expect(self._server.limits.reply_seconds, Failure.REPLY_TIMEOUT)
        self._transport.write(line)
        # Nothing follows: Asterisk reads the end right after its reply and goes on with the call, without waiting
        # for us to have seen that reply.
        self._transport.write_eof()
        if reply.sent is not None:  # uvloop writes at the end of its round, hence in the next one
            asyncio.get_running_loop().call_soon(self._tell, reply.sent)

    def _settle(self, reply: CommandReply) -> None:
        if reply.code != _OK or reply.result != "0":
            self._fail(Failure.ANSWER_REFUSED)
            return
        delivered = self._delivered
        self._finish()
        self._transport.close()
        self._server.count_answer()
        if delivered is not None:
            self._tell(delivered)

    def _tell(self, hearer: Callable[[], None]) -> None:
        try:
            hearer()
        except Exception as error:  # noqa: BLE001 - the answer stands; the route's own error is counted
            self._server.count(Failure.ROUTE_ERROR, self._peer, error)

    def _peer_gone(self) -> None:
        self._finish(Failure.UNCONFIRMED if self._answer_sent else Failure.EOF)
        self._transport.close()

    def _fail(self, failure: Failure, error: BaseException | None = None) -> None:
        """End without a verdict: with ``failure``, unless an answer is out: nothing is sent behind one."""
        if self._over:
            return
        self._finish(failure, error)
        if self._answer_sent or self._transport.is_closing():
            self._transport.abort()
            return
        self._transport.write(self._conversation.give_up())
        leaving = self._server.leaving
        if len(leaving) >= self._server.limits.sessions:
            self._transport.close()
            return
        leaving.add(self)
        self._transport.write_eof()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._server.limits.linger_seconds, self._transport.abort)

    def _finish(self, failure: Failure | None = None, error: BaseException | None = None) -> None:
        self._over = True
        self._server.live.discard(self)
        self._release()
        if failure is not None:
            self._server.count(failure, self._peer, error)

    def _expect(self, seconds: float, failure: Failure) -> None:
        """Fail unless the conversation moves on within so many seconds.

        Only the date is noted: to set a timer anew for each step takes longer than the step. The connection's one
        timer looks at it after the shortest of the limits at most, and so never late.
        """
        self._due = time.monotonic() + seconds
        self._late = failure

    def _look_at_clock(self) -> None:
        left = self._due - time.monotonic()
        if left <= 0:
            self._fail(self._late)
            return
        pause = min(left, self._server.limits.shortest)
        self._timer = asyncio.get_running_loop().call_later(pause, self._look_at_clock)

    def _release(self) -> None:
        self._delivered = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
