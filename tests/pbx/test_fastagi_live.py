"""The FastAGI server asked by a real Asterisk: what its dialplan sees of an answer and of each failure."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvloop

from lab import installation
from lab.asterisk import Asterisk
from lab.errors import AsteriskUnavailable
from lab.fastagi_bench import screen
from vaglio.pbx.fastagi import Failure, FastAgiServer, Limits, Reply, Request

pytestmark = pytest.mark.pbx

DIALPLAN = """
[agi]
exten => _[a-z].,1,AGI(agi://127.0.0.1:{port}/${{EXTEN}},+390612345678,energy,)
 same => n,Set(DB(agi/${{EXTEN}})=${{AGISTATUS}} ${{VAGLIO}} ${{VAGLIO_REASON}})
 same => n,Hangup()
"""


@dataclass(slots=True)
class Live:
    """A server and the Asterisk that asks it."""

    server: FastAgiServer
    asterisk: Asterisk
    asked: list[Request] = field(default_factory=list)

    def ask(self, route: str) -> str:
        """Return AGISTATUS and the variables after `AGI(agi://…/route,…)`."""
        self.asterisk.cli(f"channel originate Local/{route}@agi application Wait 1")
        stop = time.monotonic() + 10.0
        while time.monotonic() < stop:
            answer = self.asterisk.cli(f"database get agi {route}").strip()
            if answer.startswith("Value: "):
                return answer.removeprefix("Value: ").strip()
            time.sleep(0.05)
        raise AssertionError(f"the call to {route} never came back")


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """A server on uvloop in a thread of its own, and an Asterisk that asks it."""
    try:
        installation.find()
    except AsteriskUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"real-Asterisk tests cannot run: {error}")
        pytest.skip(f"REAL-ASTERISK TESTS DO NOT RUN: {error}")
    asked: list[Request] = []

    async def answering(request: Request) -> Reply:
        asked.append(request)
        return await screen(request)

    async def late(request: Request) -> Reply:
        await asyncio.sleep(5.0)
        return await screen(request)

    async def broken(_: Request) -> Reply:
        raise RuntimeError

    async def two_in_one(_: Request) -> Reply:
        return Reply({"VAGLIO": "a,VAGLIO_REASON=b"})

    routes = {"screen": answering, "late": late, "broken": broken, "unsafe": two_in_one}
    server = FastAgiServer(routes, Limits())
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(5.0)
        with Asterisk(extra={"extensions_local.conf": DIALPLAN.format(port=server.port)}) as asterisk:
            yield Live(server, asterisk, asked)
        asyncio.run_coroutine_threadsafe(server.drain(1.0), loop).result(5.0)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5.0)
        loop.close()


def test_asterisk_sets_the_answer_and_confirms_it(live: Live) -> None:
    """One EXEC MSet sets every variable, and Asterisk's reply counts as the delivery."""
    status, verdict, reason = live.ask("screen").split(" ")
    (request,) = live.asked
    assert (status, reason) == ("SUCCESS", "CONSENT")
    assert verdict == f"allow:{request.uniqueid}:390612345678"
    assert request.args == ("+390612345678", "energy", "")
    assert request.channel.startswith("Local/screen@agi")
    assert live.server.answered == 1


@pytest.mark.parametrize(
    ("route", "failure"),
    [
        ("late", Failure.DEADLINE),
        ("broken", Failure.ROUTE_ERROR),
        ("unsafe", Failure.BAD_ANSWER),
        ("nowhere", Failure.UNKNOWN_ROUTE),
    ],
)
def test_failure_is_seen_as_failure_and_sets_nothing(live: Live, route: str, failure: Failure) -> None:
    """Whatever goes wrong before the answer, AGISTATUS is FAILURE and no variable is set."""
    assert live.ask(route) == "FAILURE"
    assert live.server.errors[failure] == 1
