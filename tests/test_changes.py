import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vaglio.audit import Keys, Reader, Writer, create_log
from vaglio.changes import Change, Changes
from vaglio.errors import InputError
from vaglio.index.records import OppositionRecord
from vaglio.index.store import Store
from vaglio.numbers import parse_e164

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
NUMBER = parse_e164("+393331234567")
RECORD = OppositionRecord(NUMBER.key, "*", "*", AT, "call")


@dataclass
class Rooms:
    changes: Changes
    store: Store
    log: Reader

    def kinds(self) -> list[str]:
        return [record.kind for record in self.log.tail(100)][1:]


@pytest.fixture
async def rooms(tmp_path: Path) -> AsyncIterator[Rooms]:
    keys = Keys.create(tmp_path / "keys")
    create_log(tmp_path / "audit.db", keys, AT)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(await Store.create(tmp_path / "index.db"))
        writer = await stack.enter_async_context(Writer(tmp_path / "audit.db", keys))
        log = stack.enter_context(Reader(tmp_path / "audit.db"))
        yield Rooms(Changes(store, writer), store, log)


async def test_a_change_is_announced_made_and_confirmed(rooms: Rooms) -> None:
    """The confirmation names the announcement, and the fact carries its sequence number."""
    announced, counts = await rooms.changes.oppose(RECORD, NUMBER, {"campaign": "c1"})
    assert counts.new == 1
    assert rooms.kinds() == ["change-announced", "change-confirmed"]
    announcement, confirmation = rooms.log.tail(2)
    assert announcement.id == announced.id
    assert confirmation.body["ref"] == announced.id
    assert confirmation.body["new"] == 1
    assert await rooms.store.rows("SELECT entry FROM opposition") == [(announced.entry,)]


async def test_the_announcement_holds_the_number_only_as_a_commitment(rooms: Rooms) -> None:
    """Nobody reads a number from the entries; the side table seals it."""
    await rooms.changes.oppose(RECORD, NUMBER, {"uniqueid": "+393331234567"})
    raw = b"".join(record.raw for record in rooms.log.tail(10))
    assert b"1234567" not in raw
    assert b'"last3":"567"' in raw


async def test_a_change_that_fails_is_abandoned_and_says_so(rooms: Rooms) -> None:
    """The person hears the error; the log does not keep an open announcement."""

    async def fail(_: int) -> None:
        await asyncio.sleep(0)
        raise InputError("file.csv: no header")

    with pytest.raises(InputError, match="no header"):
        await rooms.changes.make(Change.OPPOSITION_IMPORT, {"file": "file.csv"}, fail)
    assert rooms.kinds() == ["change-announced", "change-abandoned"]


class Crash(BaseException):
    """The process ends here."""


async def announce_and_crash(rooms: Rooms, *, applied: bool) -> None:
    """Leave what a crash leaves: an announcement, made or not made in the index, and no answer to it."""

    async def crash(entry: int) -> None:
        if applied:
            await rooms.store.add_oppositions([RECORD], entry=entry)
        raise Crash

    async def no_answer(*_: object) -> None:
        await asyncio.sleep(0)

    rooms.changes._close = no_answer  # type: ignore[method-assign, assignment] # a crashed process writes no more
    with pytest.raises(Crash):
        await rooms.changes.make(Change.OPPOSITION, {}, crash, number=NUMBER)
    del rooms.changes._close


async def test_a_crash_after_the_change_was_made_is_confirmed_at_start(rooms: Rooms) -> None:
    """The index knows that it made the change, so the log may say so."""
    await announce_and_crash(rooms, applied=True)
    assert await rooms.changes.reconcile(rooms.log) == 1
    assert rooms.kinds() == ["change-announced", "change-confirmed"]
    assert await rooms.changes.reconcile(rooms.log) == 0


async def test_a_crash_before_the_change_was_made_is_abandoned_at_start(rooms: Rooms) -> None:
    """What the index never saw did not happen."""
    await announce_and_crash(rooms, applied=False)
    assert await rooms.changes.reconcile(rooms.log) == 1
    assert rooms.kinds() == ["change-announced", "change-abandoned"]


async def test_a_change_under_way_in_another_process_is_left_alone(rooms: Rooms) -> None:
    """An import that runs beside the start of the service is work, not a trace of a crash."""
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow(entry: int) -> None:
        begun.set()
        await finish.wait()
        await rooms.store.add_oppositions([RECORD], entry=entry)

    running = asyncio.create_task(rooms.changes.make(Change.OPPOSITION_IMPORT, {}, slow))
    await begun.wait()
    assert await rooms.changes.reconcile(rooms.log) == 0
    finish.set()
    await running
    assert rooms.kinds() == ["change-announced", "change-confirmed"]
