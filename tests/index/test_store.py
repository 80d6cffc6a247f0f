import asyncio
import multiprocessing
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vaglio.errors import StoreError
from vaglio.index import database
from vaglio.index.reader import Reader
from vaglio.index.records import OppositionRecord
from vaglio.index.store import Counts, Store
from vaglio.model import Campaign, CampaignMode, Controller
from vaglio.numbers import parse_e164

NUMBER = parse_e164("+393471234567")
OPPOSED_AT = datetime(2026, 3, 1, 9, tzinfo=UTC)


def opposition(**changes: object) -> OppositionRecord:
    """An opposition of NUMBER to acme."""
    return replace(OppositionRecord(NUMBER.key, "acme", "*", OPPOSED_AT), **changes)  # type: ignore[arg-type]


async def test_an_opposition_is_a_fact_for_its_controller(
    store: Store, reader: Reader, campaign: Campaign
) -> None:
    """An opposition added with an entry's number is read back with it."""
    assert await store.add_oppositions([opposition()], entry=7) == Counts(new=1)
    (found,) = reader.facts(NUMBER, campaign, ()).oppositions
    assert (found.controller, found.purpose, found.opposed_at, found.entry) == ("acme", "*", OPPOSED_AT, 7)


async def test_an_opposition_to_another_controller_is_none_here(
    store: Store, reader: Reader, campaign: Campaign
) -> None:
    """What a person said to one principal is not told to another; what was said to all (`*`) is."""
    await store.add([opposition(controller="other")], entry=7)
    assert reader.facts(NUMBER, campaign, ()).oppositions == ()
    await store.add([opposition(controller="*")], entry=8)
    assert [one.controller for one in reader.facts(NUMBER, campaign, ()).oppositions] == ["*"]


async def test_the_same_again_changes_nothing(store: Store) -> None:
    """A fact loaded twice is counted as unchanged and keeps its first entry."""
    await store.add([opposition()], entry=7)
    assert await store.add([opposition()], entry=8) == Counts(unchanged=1)
    assert [tuple(row) for row in await store.rows("SELECT entry FROM opposition")] == [(7,)]


async def test_a_correction_keeps_the_old_fact_beside_the_new(store: Store) -> None:
    """Other values for a known fact replace it, and what stood there is kept with both entries."""
    await store.add([opposition(channel="web")], entry=7)
    assert await store.add([opposition(channel="phone")], entry=8) == Counts(corrected=1)
    former = await store.rows("SELECT number, kind, replaced_by, entry, fact ->> 'channel' FROM former")
    assert [tuple(row) for row in former] == [(NUMBER.key, "opposition", 8, 7, "web")]


async def test_a_lift_ends_an_opposition_and_keeps_its_history(
    store: Store, reader: Reader, campaign: Campaign
) -> None:
    """After a lift nothing is in force, and a question about the time before still finds the opposition."""
    await store.add([opposition()], entry=7)
    lifted_at = OPPOSED_AT + timedelta(days=1)
    lifted = await store.lift_opposition(
        NUMBER.key, "acme", purpose=None, lifted_at=lifted_at, evidence_uri="mail:1", entry=8
    )
    assert lifted == 1
    assert reader.facts(NUMBER, campaign, ()).oppositions == ()
    assert len(reader.facts(NUMBER, campaign, (), at=lifted_at - timedelta(hours=1)).oppositions) == 1
    assert reader.facts(NUMBER, campaign, (), at=OPPOSED_AT - timedelta(hours=1)).oppositions == ()


async def test_every_change_raises_the_generation_and_is_applied(store: Store, reader: Reader) -> None:
    """The generation rises with each change, and the change's entry is known as applied from then on."""
    before = reader.generation()
    assert not await store.applied(7)
    await store.add([opposition()], entry=7)
    assert reader.generation() > before
    assert await store.applied(7)


async def test_a_change_that_fails_leaves_nothing(store: Store, reader: Reader) -> None:
    """An error within a change undoes it whole: no rows, no generation, not applied."""
    before = reader.generation()

    async def fail() -> None:
        async with store.change(7) as db:
            await db.execute("INSERT INTO controller VALUES ('x', 'X', 7)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert reader.generation() == before
    assert not await store.begun(7)
    assert reader.controller("x") is None
    assert await store.add([opposition()], entry=8) == Counts(new=1)


async def test_a_cancelled_change_gives_its_turn_back(store: Store) -> None:
    """A task cancelled while it waits for the turn or holds it does not keep others out."""

    async def hold() -> None:
        async with store.change(7):
            await asyncio.sleep(30)

    task = asyncio.create_task(hold())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(2):
        assert await store.add([opposition()], entry=8) == Counts(new=1)


async def test_campaigns_are_replaced_by_id_and_seen_at_once(
    store: Store, reader: Reader, campaign: Campaign
) -> None:
    """An open reader sees a changed campaign with its next question."""
    assert reader.campaign("spring") == campaign
    changed = replace(campaign, mode=CampaignMode.MONITOR)
    assert await store.put_controllers_and_campaigns([], [changed], entry=9) == Counts(corrected=1)
    assert reader.campaign("spring") == changed
    assert reader.campaigns() == (changed,)
    assert reader.controller("acme") == Controller("acme", "Acme")
    assert reader.campaign("autumn") is None


def test_a_missing_index_names_the_command_that_makes_one(index_file: Path) -> None:
    """Opening what is not there fails with the next step."""
    with pytest.raises(StoreError, match="vaglio init"):
        Reader.open(index_file)


def test_a_damaged_index_names_the_command_that_mends_it(index_file: Path) -> None:
    """A file that is no database is refused by reader and store, with what to do."""
    index_file.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(StoreError, match=r"damaged.*vaglio index rebuild"):
        Reader.open(index_file)
    with pytest.raises(StoreError, match=r"damaged.*vaglio index rebuild"):
        asyncio.run(Store.open(index_file))


@pytest.mark.parametrize(
    ("pragma", "message"),
    [("user_version = 99", "newer than"), ("application_id = 5", "not an index")],
)
def test_an_index_of_another_kind_is_refused(index_file: Path, pragma: str, message: str) -> None:
    """A newer schema or somebody else's database is not touched."""
    database.create(index_file)
    connection = sqlite3.connect(index_file)
    connection.execute(f"PRAGMA {pragma}")
    connection.close()
    with pytest.raises(StoreError, match=message):
        Reader.open(index_file)


def test_create_never_overwrites(index_file: Path) -> None:
    """An index that exists is not made again."""
    database.create(index_file)
    with pytest.raises(StoreError, match="exists already"):
        database.create(index_file)


def _write_many(path: Path, first: int, amount: int) -> None:
    async def write() -> None:
        async with await Store.open(path) as store:
            for entry in range(first, first + amount):
                await store.add([opposition(purpose=f"p{entry}")], entry=entry)

    asyncio.run(write())


def test_several_processes_write_side_by_side(index_file: Path) -> None:
    """Writers in different processes take turns: none fails, and nothing is lost."""
    database.create(index_file)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(index_file, first, 40)) for first in (100, 200)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    connection = sqlite3.connect(index_file)
    assert connection.execute("SELECT count(*), (SELECT value FROM generation) FROM opposition").fetchone() == (
        80,
        80,
    )
    connection.close()
