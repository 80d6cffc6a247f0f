"""The FastAGI server against peers that are no Asterisk, or a broken one, while good calls flow."""

import asyncio
import gc
import socket
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab.agi_client import header_block
from lab.fastagi_bench import (
    BLOCK,
    HOST,
    PATIENCE,
    QUICK,
    answered,
    ask,
    first_line,
    on_both_loops,
    raw,
    screen,
    serving,
    settled,
)
from vaglio.pbx.fastagi import Failure, FastAgiServer, Reply, Request


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
    """Only 200 result=0 counts as delivered; nothing is ever said behind an answer."""
    delivered: list[int] = []

    async def route(request: Request) -> Reply:
        return replace(await screen(request), delivered=lambda: delivered.append(1))

    async with serving(routes={"screen": route}) as server:
        said = await answered(server, reply)
        assert said == b""
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


@on_both_loops
async def test_reset_connection_ends_the_call_and_its_route() -> None:
    """A peer that resets during the route is counted, and the route is cancelled."""
    started = asyncio.Event()
    cancelled = asyncio.Event()

    async def route(request: Request) -> Reply:
        started.set()
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            cancelled.set()
        return await screen(request)

    async with serving(replace(QUICK, deadline_seconds=PATIENCE), routes={"screen": route}) as server:
        _, writer = await asyncio.open_connection(HOST, server.port)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(BLOCK)
        await asyncio.wait_for(started.wait(), PATIENCE)
        writer.transport.abort()
        await asyncio.wait_for(cancelled.wait(), PATIENCE)
        assert server.errors == {Failure.EOF: 1}


@on_both_loops
async def test_peers_that_do_not_leave_hold_no_more_than_the_cap() -> None:
    """Beyond the cap of lingering peers the next one is closed without waiting for it."""
    async with serving(replace(QUICK, sessions=2, linger_seconds=PATIENCE)) as server:
        writers = [(await asyncio.open_connection(HOST, server.port))[1] for _ in range(6)]
        for writer in writers:
            writer.write(b"x")
        await settled(lambda: sum(server.errors.values()) == 6)
        assert len(server.leaving) <= 2
        for writer in writers:
            writer.transport.abort()
