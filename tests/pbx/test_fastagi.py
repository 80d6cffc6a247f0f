"""The FastAGI server over real sockets: good calls, hostile peers, deadlines, caps, secret and drain."""

import asyncio
import gc
import inspect
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import wraps
from ipaddress import ip_network
from typing import Any

import pytest
import structlog
import uvloop
from lab.agi_client import Outcome, Status, call, header_block
from structlog.testing import capture_logs

from vaglio.pbx.fastagi import Failure, FastAgiServer, Limits, Reply, Request

HOST = "127.0.0.1"
BLOCK = header_block("screen", "+390612345678", "energy")
QUICK = Limits(header_seconds=0.3, deadline_seconds=0.15, reply_seconds=0.2, linger_seconds=0.2)
PATIENCE = 5.0


LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on uvloop and on asyncio's own loop."""

    @wraps(test)
    def run(loop: str, **given: Any) -> None:
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
async def serving(limits: Limits = QUICK, **options: Any) -> AsyncIterator[FastAgiServer]:
    """Run a server on a free port of loopback, and hold the loop to account for errors nobody caught."""
    escaped: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: escaped.append(context))
    server = FastAgiServer(options.pop("routes", {"screen": screen}), limits, **options)
    await server.start(HOST, 0)
    try:
        yield server
    finally:
        await server.drain(1.0)
    assert not server.live
    assert not server.leaving
    assert escaped == []


async def ask(server: FastAgiServer, *args: str, route: str = "screen", **options: Any) -> Outcome:
    """Place one good call."""
    return await call(
        HOST, server.port, route, *(args or ("+390612345678", "energy")), watchdog_seconds=PATIENCE, **options
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
    """Send a header block, wait for the answer, send these replies; return what the server says next."""
    reader, writer = await asyncio.open_connection(HOST, server.port)
    try:
        writer.write(BLOCK)
        assert (await reader.readline()).startswith(b"EXEC MSet ")
        for reply in replies:
            writer.write(reply)
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


@on_both_loops
async def test_good_call_gets_its_variables() -> None:
    """The route's variables reach the dialplan, and the delivery is confirmed once."""
    delivered: list[str] = []

    async def route(request: Request) -> Reply:
        reply = await screen(request)
        return replace(reply, delivered=lambda: delivered.append(request.peer))

    async with serving(routes={"screen": route}) as server:
        outcome = await ask(server, headers={"agi_uniqueid": "1.7"})
        assert outcome.status is Status.ANSWERED
        assert outcome.variables == {"VAGLIO": "allow:1.7:390612345678", "VAGLIO_REASON": "CONSENT"}
        assert len(outcome.commands) == 1
        assert delivered == [HOST]
        assert server.answered == 1
        assert server.errors == {}


@on_both_loops
async def test_header_block_in_many_segments_is_the_same_call() -> None:
    """Neither one write a line nor one byte a segment changes the answer."""
    async with serving(replace(QUICK, header_seconds=PATIENCE)) as server:
        assert (await ask(server, line_by_line=True)).status is Status.ANSWERED
        said = await raw(server, *[bytes([byte]) for byte in BLOCK])
        assert said.startswith(b"EXEC MSet ")


@on_both_loops
async def test_many_calls_keep_their_own_answers() -> None:
    """Two hundred calls at a time never see each other's verdict."""
    async with serving(Limits(deadline_seconds=PATIENCE)) as server:
        outcomes = await asyncio.gather(*[ask(server, f"+39061{n:06}", "energy") for n in range(200)])
        for n, outcome in enumerate(outcomes):
            assert outcome.variables["VAGLIO"].endswith(f":39061{n:06}")


@on_both_loops
async def test_client_that_executes_a_cut_off_line_still_sees_failure() -> None:
    """The line `failure` is sent whole, with its end."""
    async with serving() as server:
        assert await raw(server, header_block("nowhere")) == b"failure\n"


@on_both_loops
async def test_slow_route_is_a_failure_at_the_deadline() -> None:
    """A route that is late is cancelled, and its answer is never sent."""
    cancelled = asyncio.Event()

    async def slow(request: Request) -> Reply:
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            cancelled.set()
        return await screen(request)

    async with serving(routes={"screen": slow}) as server:
        outcome = await ask(server)
        assert outcome.status is Status.FAILURE
        assert outcome.variables == {}
        assert 0.1 < outcome.seconds < 1.0
        async with asyncio.timeout(PATIENCE):
            await cancelled.wait()
        assert server.errors == {Failure.DEADLINE: 1}


@on_both_loops
async def test_answer_that_a_stalled_loop_made_late_is_not_sent() -> None:
    """A result that is there before the timer could fire, but after the deadline, is a failure too."""

    async def stalling(request: Request) -> Reply:
        import time  # noqa: PLC0415 - only here

        time.sleep(0.2)  # noqa: ASYNC251 - the stall is the point
        return await screen(request)

    async with serving(routes={"screen": stalling}) as server:
        assert (await ask(server)).status is Status.FAILURE
        assert server.errors == {Failure.DEADLINE: 1}


@on_both_loops
async def test_route_that_raises_is_a_failure_without_its_text() -> None:
    """An internal error is never a verdict; its text, which may hold a number, is not logged."""

    async def broken(request: Request) -> Reply:
        raise RuntimeError(request.args[0])

    structlog.reset_defaults()
    with capture_logs() as logs:
        async with serving(routes={"screen": broken}) as server:
            assert (await ask(server)).status is Status.FAILURE
            assert server.errors == {Failure.ROUTE_ERROR: 1}
    assert logs[0]["error"] == "RuntimeError"
    assert logs[0]["at"].startswith("test_fastagi.py:")
    assert "390612345678" not in str(logs)


@on_both_loops
async def test_delivery_that_raises_leaves_the_answer_standing() -> None:
    """What the route does after the delivery can fail without touching the call."""

    async def route(request: Request) -> Reply:
        return replace(await screen(request), delivered=lambda: 1 / 0)  # type: ignore[arg-type]

    async with serving(routes={"screen": route}) as server:
        assert (await ask(server)).status is Status.ANSWERED
        assert server.answered == 1
        assert server.errors == {Failure.ROUTE_ERROR: 1}


@pytest.mark.parametrize("variables", [{}, {"VAGLIO": "a,B=c"}, {"VAGLIO": "a\nEXEC Dial x"}, {"V V": "x"}])
@on_both_loops
async def test_answer_that_could_mean_more_is_a_failure(variables: dict[str, str]) -> None:
    """A value with a comma, quote or line break is an internal error, not a second variable."""

    async def route(_: Request) -> Reply:
        return Reply(variables)

    async with serving(routes={"screen": route}) as server:
        assert (await ask(server)).status is Status.FAILURE
        assert server.errors == {Failure.BAD_ANSWER: 1}


@on_both_loops
async def test_unknown_route_is_a_failure() -> None:
    """Nothing answers for a route that is not there."""
    async with serving() as server:
        assert (await ask(server, route="nowhere")).status is Status.FAILURE
        assert (await ask(server, route="")).status is Status.FAILURE
        assert server.errors == {Failure.UNKNOWN_ROUTE: 2}


@on_both_loops
async def test_secret_is_the_last_argument_and_stays_with_the_server() -> None:
    """With the secret the route is asked without it; without it, or with another, nothing is asked."""
    seen: list[tuple[str, ...]] = []

    async def route(request: Request) -> Reply:
        seen.append(request.args)
        return await screen(request)

    structlog.reset_defaults()
    with capture_logs() as logs:
        async with serving(routes={"screen": route}, secret="pässword") as server:
            assert (await ask(server, "1", "energy", "pässword")).status is Status.ANSWERED
            assert (await ask(server, "1", "energy", "password")).status is Status.FAILURE
            assert (await ask(server, "1", "pässword", "energy")).status is Status.FAILURE
            assert await raw(server, header_block("screen")) == b"failure\n"
            assert server.errors == {Failure.BAD_SECRET: 3}
    assert seen == [("1", "energy")]
    assert "ssword" not in str(logs)


def test_empty_secret_is_refused() -> None:
    """A secret file left empty does not open the door."""
    with pytest.raises(ValueError, match="empty"):
        FastAgiServer({}, secret="")


def test_peer_off_loopback_needs_a_secret() -> None:
    """An allowed peer elsewhere is not served by a server without a secret."""
    server = FastAgiServer({"screen": screen}, peers=[ip_network("0.0.0.0/0")])
    request = Request("screen", ("1", "c"), {})
    assert server.admit("192.0.2.1").allowed
    assert not server.admit("192.0.2.1").local
    assert server.route_for(request, "192.0.2.1", local=False) is Failure.BAD_SECRET


def test_mapped_address_is_judged_as_the_address_it_maps() -> None:
    """A dual-stack socket's view of 127.0.0.1 is loopback; an address that is none is refused."""
    server = FastAgiServer({})
    assert server.admit("::ffff:127.0.0.1").allowed
    assert server.admit("::1").local
    assert not server.admit("::ffff:192.0.2.1").allowed
    assert not server.admit("").allowed


@on_both_loops
async def test_peer_outside_the_allow_list_is_closed_at_accept() -> None:
    """Nothing is read from or said to a peer that is not listed; a reload lists it."""
    async with serving(peers=[ip_network("192.0.2.0/24")]) as server:
        assert await raw(server, BLOCK) == b""
        assert server.errors == {Failure.PEER_REFUSED: 1}
        server.reconfigure({"screen": screen}, [ip_network("127.0.0.0/8")], None)
        assert (await ask(server)).status is Status.ANSWERED


@on_both_loops
async def test_reload_changes_routes_and_secret_for_new_requests() -> None:
    """A call in its route keeps its answer; the next one meets the new configuration."""
    release = asyncio.Event()

    async def waiting(request: Request) -> Reply:
        await release.wait()
        return await screen(request)

    async with serving(Limits(), routes={"screen": waiting}) as server:
        first = asyncio.create_task(ask(server))
        await settled(lambda: server.sessions)
        await asyncio.sleep(0.02)
        server.reconfigure({"other": screen}, [ip_network("127.0.0.0/8")], "s3cret")
        release.set()
        assert (await first).status is Status.ANSWERED
        assert (await ask(server)).status is Status.FAILURE
        assert (await ask(server, "1", "c", "s3cret", route="other")).status is Status.ANSWERED


@on_both_loops
async def test_call_beyond_the_cap_is_told_at_once() -> None:
    """A full server says failure at once, and serves again when a session ends."""
    async with serving(Limits(sessions=2, header_seconds=PATIENCE)) as server:
        held = [await asyncio.open_connection(HOST, server.port) for _ in range(2)]
        await settled(lambda: server.sessions == 2)
        outcome = await ask(server)
        assert outcome.status is Status.FAILURE
        assert outcome.seconds < 0.5
        assert server.errors == {Failure.TOO_MANY_SESSIONS: 1}
        for _, writer in held:
            writer.close()
        await settled(lambda: server.sessions == 0)
        assert (await ask(server)).status is Status.ANSWERED


@on_both_loops
async def test_drain_lets_calls_finish_and_refuses_new_ones() -> None:
    """On shutdown a call in its route is answered; a new one finds no listener."""
    started = asyncio.Event()

    async def route(request: Request) -> Reply:
        started.set()
        await asyncio.sleep(0.1)
        return await screen(request)

    async with serving(Limits(), routes={"screen": route}) as server:
        port = server.port
        going = asyncio.create_task(ask(server))
        await started.wait()
        draining = asyncio.create_task(server.drain(PATIENCE))
        assert (await going).status is Status.ANSWERED
        await draining
        assert (await call(HOST, port, "screen")).status is Status.FAILURE
        with pytest.raises(RuntimeError):
            _ = server.port


@on_both_loops
async def test_drain_cuts_off_what_does_not_finish() -> None:
    """A silent peer does not hold the shutdown."""
    async with serving(Limits(header_seconds=PATIENCE)) as server:
        _, writer = await asyncio.open_connection(HOST, server.port)
        await settled(lambda: server.sessions)
        async with asyncio.timeout(1.0):
            await server.drain(0.05)
        assert server.errors == {Failure.DRAINED: 1}
        writer.close()


@on_both_loops
async def test_listens_on_a_socket_it_is_given() -> None:
    """A socket opened by the service manager is served."""
    import socket  # noqa: PLC0415 - only here

    sock = socket.socket()
    sock.bind((HOST, 0))
    server = FastAgiServer({"screen": screen})
    await server.start(sock=sock)
    assert (await ask(server)).status is Status.ANSWERED
    await server.drain(1.0)


@on_both_loops
async def test_counters_are_told_to_the_metrics() -> None:
    """Every failure is reported by its kind as it is counted."""
    heard: list[str] = []
    async with serving(on_error=heard.append) as server:
        await raw(server, b"GET / HTTP/1.1\r\n")
        await raw(server, b"agi_x: y\x00\n\n")
    assert heard == ["bad_header", "bad_header"]


@on_both_loops
async def test_log_lines_are_bounded() -> None:
    """A thousand bad peers a second write one line a second for each kind of failure."""
    structlog.reset_defaults()
    with capture_logs() as logs:
        async with serving() as server:
            for _ in range(50):
                await raw(server, b"x")
            assert server.errors == {Failure.BAD_HEADER: 50}
    assert 1 <= len(logs) <= 3


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (b"510 Invalid or unknown command\n", Failure.ANSWER_REFUSED),
        (b"511 Command Not Permitted on a dead channel\n", Failure.ANSWER_REFUSED),
        (b"520-Invalid command syntax.\n Usage\n520 End of proper usage.\n", Failure.ANSWER_REFUSED),
        (b"200 result=-2\n", Failure.ANSWER_REFUSED),
        (b"200 result=-1\n", Failure.ANSWER_REFUSED),
        (b"garbage\n", Failure.BAD_REPLY),
        (b"200 result=0\x00\n", Failure.BAD_REPLY),
        (b"HANGUP\n" * 1000, Failure.BAD_REPLY),
        (b"", Failure.REPLY_TIMEOUT),
        (b"200 result=0", Failure.REPLY_TIMEOUT),
    ],
)
@on_both_loops
async def test_answer_without_confirmation_is_not_delivered(reply: bytes, failure: Failure) -> None:
    """Only 200 result=0 counts as delivered; a refused command is followed by failure."""
    delivered: list[int] = []

    async def route(request: Request) -> Reply:
        return replace(await screen(request), delivered=lambda: delivered.append(1))

    async with serving(routes={"screen": route}) as server:
        said = await answered(server, reply)
        assert said == (b"failure\n" if failure is Failure.ANSWER_REFUSED else b"")
        assert server.errors == {failure: 1}
        assert server.answered == 0
    assert delivered == []


@on_both_loops
async def test_hangup_around_every_line_changes_nothing() -> None:
    """HANGUP before and after the reply leaves the answer confirmed."""
    async with serving() as server:
        assert await answered(server, b"HANGUP\n", b"100 Trying\nHANGUP\n", b"200 result=0\nHANGUP\n") == b""
        assert server.answered == 1
        assert server.errors == {}


@on_both_loops
async def test_hangup_inside_the_header_block_is_a_failure() -> None:
    """A line that Asterisk never writes there ends the conversation without a verdict, wherever it stands."""
    lines = BLOCK.splitlines(keepends=True)
    async with serving() as server:
        for place in range(len(lines)):
            said = await raw(server, b"".join([*lines[:place], b"HANGUP\n", *lines[place:]]))
            assert said == b"failure\n"


@on_both_loops
async def test_caller_who_hangs_up_during_the_route_still_gets_the_answer() -> None:
    """A HANGUP before the answer is no reply and no error."""

    async def route(request: Request) -> Reply:
        await asyncio.sleep(0.03)
        return await screen(request)

    async with serving(routes={"screen": route}) as server:
        said = await raw(server, BLOCK + b"HANGUP\n")
        assert said.startswith(b"EXEC MSet ")


@on_both_loops
async def test_reply_sent_ahead_is_a_failure() -> None:
    """A peer cannot confirm an answer it has not seen."""
    async with serving() as server:
        assert await raw(server, BLOCK + b"200 result=0\n") == b"failure\n"
        assert server.errors == {Failure.BAD_REPLY: 1}


async def connect_and_close(server: FastAgiServer) -> None:
    """Connect a thousand times without a word."""
    for _ in range(1000):
        _, writer = await asyncio.open_connection(HOST, server.port)
        writer.close()
    await settled(lambda: server.errors.get(Failure.EOF, 0) >= 1000)


async def one_byte_a_while(server: FastAgiServer) -> None:
    """Send the header block so slowly that its deadline passes."""
    said = await raw(server, *[bytes([byte]) for byte in BLOCK[:30]], pause=0.02)
    assert said == b"failure\n"
    assert server.errors[Failure.HEADER_TIMEOUT] >= 1


async def megabyte_header(server: FastAgiServer) -> None:
    """Send one header of a megabyte: the line `failure` arrives all the same."""
    assert await raw(server, b"agi_x: " + b"x" * 1_000_000) == b"failure\n"
    assert server.errors[Failure.HEADER_TOO_LARGE] >= 1


async def ten_thousand_lines(server: FastAgiServer) -> None:
    """Send ten thousand header lines."""
    assert await raw(server, b"agi_x: y\n" * 10_000 + b"\n") == b"failure\n"


async def odd_values(server: FastAgiServer) -> None:
    """Send NUL, CR and forged lines in values."""
    for value in ("a\x00b", "a\rb", "x\nagi_arg_1: 112", "x\n\nEXEC Dial"):
        said = await raw(server, header_block("screen", "+390612345678", headers={"agi_calleridname": value}))
        assert said == b"failure\n"


async def duplicate_keys(server: FastAgiServer) -> None:
    """Repeat every header with another value: the first one counts."""
    block = header_block("screen", "+390612345678", headers={"agi_uniqueid": "1.1"})
    forged = header_block("other", "+390600000000", headers={"agi_uniqueid": "6.6"})
    assert b"allow:1.1:390612345678" in await first_line(server, block[:-1] + forged)


async def eof_everywhere(server: FastAgiServer) -> None:
    """Close after every byte of a conversation."""
    for length in range(0, len(BLOCK), 1):
        assert await raw(server, BLOCK[:length], eof=True) == b""
    reply = b"200 result=0\n"
    for length in range(len(reply)):
        _, writer = await asyncio.open_connection(HOST, server.port)
        writer.write(BLOCK)
        await asyncio.sleep(0.01)
        writer.write(reply[:length])
        writer.close()
    await settled(lambda: server.errors.get(Failure.UNCONFIRMED, 0) >= len(reply))


async def never_ending(server: FastAgiServer) -> None:
    """Go on sending after `failure`."""
    await raw(server, *[b"x" * 65536] * 200)


@pytest.mark.parametrize(
    "attack",
    [
        connect_and_close,
        one_byte_a_while,
        megabyte_header,
        ten_thousand_lines,
        odd_values,
        duplicate_keys,
        eof_everywhere,
        never_ending,
    ],
)
@on_both_loops
async def test_hostile_peer_does_not_touch_good_calls(attack: Callable[[FastAgiServer], Any]) -> None:
    """While a peer misbehaves, other calls get their own answers, and afterwards nothing is left of it."""
    async with serving(replace(QUICK, deadline_seconds=PATIENCE, reply_seconds=PATIENCE)) as server:
        attacking = asyncio.create_task(attack(server))
        placed = 0
        while not attacking.done() or placed < 5:
            outcome = await ask(server, f"+39061{placed:06}", "energy")
            assert outcome.variables["VAGLIO"].endswith(f":39061{placed:06}")
            placed += 1
        await attacking
        await settled(lambda: not server.sessions and not server.leaving)
        assert server.answered >= placed


@on_both_loops
async def test_memory_returns_to_where_it_was() -> None:
    """Five hundred hostile connections leave no memory behind."""
    async with serving() as server:

        async def round_of(count: int) -> None:
            for _ in range(count):
                await raw(server, b"agi_x: " + b"x" * 20_000)
                await raw(server, BLOCK[:100], eof=True)
                await ask(server)
            await settled(lambda: not server.sessions and not server.leaving)

        await round_of(20)
        gc.collect()
        tracemalloc.start()
        try:
            await round_of(150)
            gc.collect()
            held, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 100_000
        assert peak < 2_000_000
