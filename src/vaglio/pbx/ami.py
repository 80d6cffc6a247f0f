"""The manager interface of one PBX: logged in, watched, taken up again after every loss.

One `Ami` a PBX. Events go through a bounded queue to one consumer, so that reading never waits for handling:
Asterisk drops a client that stalls for 100 ms. What a gap or a full queue hides is counted and told, never silent.
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog

from vaglio.errors import VaglioError
from vaglio.pbx.amiwire import AmiError, Wire
from vaglio.pbx.events import Event, typed


class AmiState(StrEnum):
    """How the connection stands."""

    DOWN = "down"
    UP = "up"
    REFUSED = "refused"
    """Asterisk refuses the login: only a person can mend that."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Account:
    """Where to log in, and as whom."""

    pbx: str
    host: str
    port: int
    username: str
    secret: str = field(repr=False)
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds, and the length of the queue."""

    connect: float = 5.0
    answer: float = 5.0
    ping_every: float = 5.0
    first_retry: float = 0.25
    longest_retry: float = 30.0
    refused_retry: float = 300.0
    """After a refused login: rarely, for hammering locks accounts and fills logs."""
    queue: int = 20_000


@dataclass(slots=True)
class Tallies:
    """What was lost on the way, for the metrics."""

    events_lost: int = 0
    connections: int = 0


class Ami:
    """One PBX's manager interface; `start`, then `close`. `handle` and `changed` run on the event loop."""

    def __init__(
        self,
        account: Account,
        handle: Callable[[Event], None],
        changed: Callable[[AmiState], None] = lambda _state: None,
        pace: Pace | None = None,
    ) -> None:
        self.account = account
        self.state = AmiState.DOWN
        self.reason = "not connected yet"
        """Why the state is what it is, in words."""
        self.tallies = Tallies()
        self._handle = handle
        self._changed = changed
        self._pace = pace or Pace()
        self._queue: asyncio.Queue[Event] = asyncio.Queue(self._pace.queue)
        self._wire: Wire | None = None
        self._was_up = False
        """Whether the latest connection got as far as being logged in."""
        self._tasks: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger("vaglio.ami").bind(pbx=account.pbx)

    def start(self) -> None:
        """Connect now and after every loss, until `close`."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep_connected()), loop.create_task(self._consume())]

    async def close(self) -> None:
        """End the connection and every attempt at another; returns when both are gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._become(AmiState.CLOSED, "closed")

    async def act(self, action: str, **headers: str) -> Mapping[str, Any]:
        """Send one action; its answer. Never sent again by itself.

        Raises:
            AmiError: not connected, not sendable, refused, or unanswered.
        """
        if self._wire is None:
            raise AmiError(f"{self.account.pbx}: the manager interface is {self.state}: {self.reason}")
        answer: Mapping[str, Any] = await self._wire.ask({"Action": action, **headers}, self._pace.answer)
        if answer.get("Response") != "Success":
            raise AmiError(f"{self.account.pbx}: {action} refused: {str(answer.get('Message', ''))[:80]}")
        return answer

    async def _keep_connected(self) -> None:
        delay = self._pace.first_retry
        while True:
            try:
                await self._session()
            except AmiError as error:
                self._told(error)
            except OSError as error:
                self._told(AmiError(error.strerror or type(error).__name__))
            if self._was_up:
                delay = self._pace.first_retry
            pause = self._pace.refused_retry if self.state is AmiState.REFUSED else delay
            # Jitter: several services must not come back to one PBX in step.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, hides nothing
            delay = min(delay * 2, self._pace.longest_retry)

    async def _session(self) -> None:
        """One connection: log in, then watch it until it is lost, which raises."""
        self._was_up = False
        account, pace = self.account, self._pace
        wire = Wire(self._take)
        try:
            async with asyncio.timeout(pace.connect):
                await asyncio.get_running_loop().create_connection(
                    lambda: wire, account.host, account.port, ssl=account.tls
                )
        except TimeoutError as error:
            raise AmiError(f"no connection within {pace.connect:g} s") from error
        try:
            await self._log_in(wire)
            self._wire, self._was_up = wire, True
            self.tallies.connections += 1
            self._become(AmiState.UP, "logged in")
            while True:
                done, _ = await asyncio.wait([wire.lost], timeout=pace.ping_every)
                if done:
                    raise AmiError(wire.lost.result())
                await wire.ask({"Action": "Ping"}, pace.answer)
        finally:
            self._wire = None
            wire.end("closed")

    async def _log_in(self, wire: Wire) -> None:
        account = self.account
        login = {"Action": "Login", "Username": account.username, "Secret": account.secret, "Events": "on"}
        answer = await wire.ask(login, self._pace.answer)
        if answer.get("Response") != "Success":
            told = str(answer.get("Message", "no reason given"))[:80]
            self._become(
                AmiState.REFUSED,
                f"login as {account.username!r} refused ({told}); mend username and secret in manager.conf or in "
                "[[pbx]], then reload",
            )
            raise AmiError(told)

    def _told(self, error: AmiError) -> None:
        if self.state is not AmiState.REFUSED or self._was_up:
            self._become(AmiState.DOWN, str(error))

    def _become(self, state: AmiState, reason: str) -> None:
        before, self.state, self.reason = self.state, state, reason
        if before is state:
            return
        match state:
            case AmiState.REFUSED:
                self._log.critical("the PBX refuses the login; calls are not watched", reason=reason)
            case AmiState.DOWN:
                self._log.error("manager interface lost; calls are not watched", reason=reason)
            case _:
                self._log.info("manager interface", state=state)
        self._changed(state)

    def _take(self, headers: Mapping[str, Any]) -> None:
        event = typed(headers)
        if event is None:
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            if self.tallies.events_lost == 0:
                self._log.critical("the queue of events is full; calls may go unseen")
            self.tallies.events_lost += 1

    async def _consume(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                self._handle(event)
            except VaglioError as error:
                self._log.critical("event not handled", event_type=type(event).__name__, error=str(error))
            except Exception:  # noqa: BLE001 - one bad event must not stop the watch
                self._log.exception("event not handled", event_type=type(event).__name__)
            if self._queue.qsize():
                # Verdicts come before a burst of events.
                await asyncio.sleep(0)
