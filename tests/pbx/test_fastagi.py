"""The FastAGI server over real sockets: answers, deadlines, caps, secret, reload and drain."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest
import structlog
from structlog.testing import capture_logs

from lab.agi_client import Status, call, header_block
from lab.fastagi_bench import (
    BLOCK,
    HOST,
    PATIENCE,
    QUICK,
    ask,
    on_both_loops,
    raw,
    screen,
    serving,
    settled,
)
from vaglio.pbx.fastagi import Failure, FastAgiServer, Limits, Reply, Request


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
