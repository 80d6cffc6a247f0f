"""Hostile peers on the service's port while real calls flow: verdicts, their time, and memory stay."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from lab.agi_client import header_block
from lab.house import OURS, House
from lab.pbx import eventually
from lab.sipp import Call, Result, place

pytestmark = [pytest.mark.pbx, pytest.mark.slow]

CALLS = 80
RATE = 20
OPPOSED = "+393331234567"
LEAST_MS = 500.0
"""What the slowest answers may take on a busy machine, however quick they were before."""
GROWTH_BYTES = 24 << 20
BLOCK = header_block("screen", "+393339999999", "renewals", OURS)
FLOODS = (
    b"",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"agi_x: " + b"x" * 1_000_000,
    b"agi_x: y\n" * 10_000 + b"\n",
    b"\x00\r\n" * 2_000,
    BLOCK.replace(b"agi_uniqueid: ", b"agi_uniqueid: \x00\r"),
    BLOCK[:-1] * 2 + b"\n",
    b"HANGUP\n" * 5_000,
    BLOCK + b"200 result=0\n" * 1_000,
    BLOCK + b"510 Invalid or unknown command\n",
    BLOCK + b"520-Usage\n" * 2_000,
    BLOCK.replace(b"agi_arg_1: ", b"agi_arg_1: \xff\xfe${SHELL(x)}&|"),
)


async def visit(port: int, data: bytes, *, in_bytes: bool, chance: random.Random) -> None:
    """One peer: says something bad, waits a little for an answer, leaves in one of three ways."""
    with suppress(OSError, asyncio.TimeoutError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            if in_bytes:
                for byte in data[:40]:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.02)
            else:
                writer.write(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.3 else data)
            if chance.random() < 0.5:
                await asyncio.wait_for(reader.read(100), 0.3)
            if chance.random() < 0.3 and writer.can_write_eof():
                writer.write_eof()
        finally:
            if chance.random() < 0.5:
                writer.transport.abort()
            writer.close()


async def besiege(port: int, stopping: threading.Event) -> int:
    """Keep thirty such peers at it until told to stop; how many came."""
    chance = random.Random(11)  # noqa: S311 - what to send, not secrets
    came = 0
    while not stopping.is_set():
        wave = [
            visit(port, chance.choice(FLOODS), in_bytes=chance.random() < 0.2, chance=chance) for _ in range(30)
        ]
        await asyncio.gather(*wave)
        came += len(wave)
        await asyncio.sleep(0.05)
    return came


@contextmanager
def besieged(house: House, least: int) -> Iterator[None]:
    """While hostile peers come and go; at least so many of them."""
    stopping = threading.Event()
    came: list[int] = []
    thread = threading.Thread(target=lambda: came.append(asyncio.run(besiege(house.vaglio.port, stopping))))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(timeout=30)
    assert sum(came) >= least


def calls(house: House, unused_numbers: Iterator[int]) -> list[Result]:
    """A stream of calls, each fifth to a number that is opposed."""
    placed = [
        Call(OPPOSED if index % 5 == 0 else f"+39336{next(unused_numbers):07d}", "renewals", OURS)
        for index in range(CALLS)
    ]
    return place(house.pbx.asterisk.ports.sip, placed, rate=RATE)


def slowest_ms(results: list[Result]) -> float:
    """The 95th percentile of the time to the final SIP answer."""
    return sorted(result.ms for result in results)[int(len(results) * 0.95)]


def test_hostile_peers_change_no_verdict_no_time_and_no_memory(
    house: House, unused_numbers: Iterator[int]
) -> None:
    """Each call gets the answer it would have got, about as fast, and afterwards memory is where it was."""
    quiet = calls(house, unused_numbers)
    with besieged(house, 30):
        calls(house, unused_numbers)
    before = house.vaglio.resident_bytes
    errors = house.vaglio.get("/metrics")[1].count("vaglio_agi_errors_total{")
    with besieged(house, 100):
        results = calls(house, unused_numbers)
    for result in [*quiet, *results]:
        assert result.status == (603 if result.call.number == OPPOSED else 200)
    assert slowest_ms(results) < max(LEAST_MS, 5 * slowest_ms(quiet))
    assert errors >= 3
    eventually(lambda: "vaglio_agi_sessions 0.0" in house.vaglio.get("/metrics")[1])
    eventually(lambda: house.vaglio.resident_bytes - before < GROWTH_BYTES)
    assert house.vaglio.ready()


def test_no_peer_can_forge_a_verdict_of_another_call(house: House, number: str) -> None:
    """A peer that asks with somebody else's unique id gets an answer for itself; the call's own stays one."""
    assert house.dial(number).status == 200
    (invite,) = house.pbx.saw(number)
    uniqueid = house.decision(number)["uniqueid"]

    async def impostor() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.vaglio.port)
        writer.write(header_block("screen", OPPOSED, "renewals", OURS, headers={"agi_uniqueid": uniqueid}))
        answer = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        return answer

    assert b"VAGLIO=block:" in asyncio.run(impostor())
    assert house.decision(number)["id"] == invite.decision
