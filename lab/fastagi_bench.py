"""A FastAGI server under test on a free port, and peers that say exactly what a test wants."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Any

import pytest
import uvloop

from lab.agi_client import Outcome, call, header_block
from vaglio.pbx.fastagi import LOOPBACK, FastAgiServer, Limits, Network, Reply, Request, Route

HOST = "127.0.0.1"
BLOCK = header_block("screen", "+390612345678", "energy")
QUICK = Limits(header_seconds=0.3, deadline_seconds=0.15, reply_seconds=0.2, linger_seconds=0.2)
PATIENCE = 5.0


LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on uvloop and on asyncio's own loop."""

    @wraps(test)
    def run(loop: str, **given: object) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(test(**given))

    signature = inspect.signature(test)
    parameters = [
        inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        *signature.parameters.values(),
    ]
    vars(run)["__signature__"] = signature.replace(parameters=parameters)
    parametrized: Callable[..., None] = pytest.mark.parametrize("loop", LOOPS)(run)
    return parametrized


async def screen(request: Request) -> Reply:
    """Answer with what was asked, so that a test sees whether answers are mixed up."""
    number = request.args[0].removeprefix("+")
    return Reply({"VAGLIO": f"allow:{request.uniqueid}:{number}", "VAGLIO_REASON": "CONSENT"})


@asynccontextmanager
async def serving(
    limits: Limits = QUICK,
    routes: Mapping[str, Route] | None = None,
    peers: Sequence[Network] = LOOPBACK,
    secret: str | None = None,
    on_error: Callable[[str], None] | None = None,
) -> AsyncIterator[FastAgiServer]:
    """Run a server on a free port of loopback; AssertionError if it leaves a session or an error nobody caught."""
    escaped: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: escaped.append(context))
    server = FastAgiServer({"screen": screen} if routes is None else routes, limits, peers, secret, on_error)
    await server.start(HOST, 0)
    try:
        yield server
    finally:
        await server.drain(1.0)
    if server.live or server.leaving or escaped:
        raise AssertionError(f"left over: {server.live}, {server.leaving}, {escaped}")


async def ask(
    server: FastAgiServer,
    *args: str,
    route: str = "screen",
    headers: Mapping[str, str] | None = None,
    line_by_line: bool = False,
) -> Outcome:
    """Place one good call."""
    words = args or ("+390612345678", "energy")
    return await call(
        HOST, server.port, route, *words, headers=headers, watchdog_seconds=PATIENCE, line_by_line=line_by_line
    )


async def settled(condition: Callable[[], object]) -> None:
    """Wait until the server has noticed."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.005)


async def raw(server: FastAgiServer, *segments: bytes, pause: float = 0.0, eof: bool = False) -> bytes:
    """Send segments as they are and return all the server says until it closes; a reset ends it too."""
    reader, writer = await asyncio.open_connection(HOST, server.port)
    listening = asyncio.create_task(everything(reader))
    with suppress(ConnectionError):
        for segment in segments:
            writer.write(segment)
            await writer.drain()
            await asyncio.sleep(pause)
        if eof:
            writer.write_eof()
    try:
        return await asyncio.wait_for(listening, PATIENCE)
    finally:
        writer.transport.abort()


async def everything(reader: asyncio.StreamReader) -> bytes:
    """Read until the connection ends, however it does."""
    said = b""
    with suppress(ConnectionError):
        while chunk := await reader.read(4096):
            said += chunk
    return said


async def first_line(server: FastAgiServer, block: bytes) -> bytes:
    """Send a header block and return the server's first line."""
    reader, writer = await asyncio.open_connection(HOST, server.port)
    try:
        writer.write(block)
        return await asyncio.wait_for(reader.readline(), PATIENCE)
    finally:
        writer.transport.abort()


async def answered(server: FastAgiServer, *replies: bytes) -> bytes:
    """Send a header block, wait for the answer, send these replies until the server is done with them.

    Returns what the server says behind its answer.
    """
    reader, writer = await asyncio.open_connection(HOST, server.port)
    try:
        writer.write(BLOCK)
        line = await reader.readline()
        if not line.startswith(b"EXEC MSet "):
            raise AssertionError(f"not an answer: {line!r}")
        for reply in replies:
            writer.write(reply)
        async with asyncio.timeout(PATIENCE):
            said = await reader.read()
        await settled(lambda: not server.sessions)
    except ConnectionError:
        return b""
    else:
        return said
    finally:
        writer.transport.abort()
