import asyncio
import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vaglio.errors import InputError
from vaglio.index import database
from vaglio.index.definitions import RegisterDefinition, definition
from vaglio.index.reader import Reader
from vaglio.index.shardwriting import numbers_of as unpacked
from vaglio.index.snapshots import RegisterSummary, import_list
from vaglio.index.store import Store
from vaglio.model import Campaign, RegisterState, RegisterStatus
from vaglio.numbers import parse_e164

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OWN = RegisterDefinition(name="own")


def write(folder: Path, name: str, numbers: list[str]) -> Path:
    """A plain list."""
    file = folder / name
    file.write_text("".join(f"{number}\n" for number in numbers), encoding="ascii")
    return file


def status(reader: Reader, campaign: Campaign, register: str, number: str) -> RegisterStatus:
    """What the register says of the number."""
    return reader.facts(parse_e164(number), campaign, (register,)).registers[register]


async def load(store: Store, file: Path, entry: int = 5, **options: object) -> RegisterSummary:
    """Import into the own register."""
    return await import_list(store, OWN, file, entry=entry, now=NOW, **options)  # type: ignore[arg-type]


async def test_a_list_answers_opposed_or_clear_with_its_date(
    store: Store, reader: Reader, campaign: Campaign, tmp_path: Path
) -> None:
    """A number on the list is opposed, any other clear, each with the snapshot that says so."""
    assert status(reader, campaign, "own", "+393471234567").state is RegisterState.NEVER_CHECKED
    done = await load(store, write(tmp_path, "own-2026-11-20.txt", ["+393471234567", "+393471234567"]))
    assert (done.read, done.new, done.unchanged, done.entries) == (2, 1, 1, 1)
    opposed = status(reader, campaign, "own", "+393471234567")
    assert opposed == RegisterStatus(
        "own", RegisterState.OPPOSED, datetime(2026, 11, 20, tzinfo=UTC), done.snapshot
    )
    assert status(reader, campaign, "own", "+393471234568").state is RegisterState.CLEAR
    assert await store.applied(5)


async def test_before_its_date_a_list_does_not_speak(
    store: Store, reader: Reader, campaign: Campaign, tmp_path: Path
) -> None:
    """A question about an earlier instant finds the register never checked."""
    await load(store, write(tmp_path, "own-2026-11-20.txt", ["+393471234567"]))
    facts = reader.facts(parse_e164("+393471234567"), campaign, ("own",), at=datetime(2026, 11, 19, tzinfo=UTC))
    assert facts.registers["own"].state is RegisterState.NEVER_CHECKED


async def test_a_us_number_outside_the_areas_is_not_covered(
    store: Store, reader: Reader, campaign: Campaign, tmp_path: Path
) -> None:
    """Coverage is the areas given, else those in the file; outside of it a number is never clean."""
    file = write(tmp_path, "us-2026-11-20.txt", ["212,5551234", "415,5551234"])
    done = await import_list(store, definition("us-dnc"), file, entry=5, now=NOW)
    assert done.coverage == ("1212", "1415")
    assert status(reader, campaign, "us-dnc", "+12125551235").state is RegisterState.CLEAR
    assert status(reader, campaign, "us-dnc", "+13105551235").state is RegisterState.NOT_COVERED
    file = write(tmp_path, "us-2026-11-21.txt", ["212,5551234"])
    await import_list(store, definition("us-dnc"), file, entry=6, areas=["212", "310"], now=NOW)
    assert status(reader, campaign, "us-dnc", "+13105551235").state is RegisterState.CLEAR
    assert status(reader, campaign, "us-dnc", "+14155551234").state is RegisterState.NOT_COVERED


async def test_an_italian_number_is_not_covered_by_the_tps(
    store: Store, reader: Reader, campaign: Campaign, tmp_path: Path
) -> None:
    """A register speaks for its own country alone."""
    await import_list(
        store, definition("tps"), write(tmp_path, "tps20261120.txt", ["02079460958"]), entry=5, now=NOW
    )
    assert status(reader, campaign, "tps", "+442079460958").state is RegisterState.OPPOSED
    assert status(reader, campaign, "tps", "+393471234567").state is RegisterState.NOT_COVERED


async def test_changes_lead_to_the_same_set_as_the_full_list(
    store: Store, reader: Reader, campaign: Campaign, tmp_path: Path
) -> None:
    """A change list on its base answers as the full list it leads to, new and emptied shards included."""
    chance = random.Random(7)  # noqa: S311 - test data
    before = {chance.randrange(2_002_000_000, 9_899_999_999) for _ in range(3000)}
    gone = set(chance.sample(sorted(before), 200))
    fresh = {chance.randrange(2_002_000_000, 9_899_999_999) for _ in range(200)} - before
    flat = [f"{number // 10**7},{number % 10**7:07d}" for number in before]
    await import_list(store, definition("us-dnc"), write(tmp_path, "us-2026-11-10.txt", flat), entry=5, now=NOW)
    changes = [
        f"{number // 10**7},{number % 10**7:07d},x,{'D' if number in gone else 'A'}" for number in gone | fresh
    ]
    file = write(tmp_path, "us-2026-11-10-2026-11-20.txt", changes)
    done = await import_list(store, definition("us-dnc"), file, entry=6, change=True, now=NOW)
    assert done.entries == len((before - gone) | fresh)
    reader.facts(parse_e164("+393471234567"), campaign, ("us-dnc",))
    found = {
        number
        for number in before | fresh
        if reader._status("us-dnc", 10**10 + number, "", 2**62).state is RegisterState.OPPOSED
    }
    assert found == (before - gone) | fresh


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("us.txt", {"as_of": NOW}, "must name the date"),
        ("us-2026-11-01-2026-11-20.txt", {}, "active is that of 2026-11-10"),
    ],
)
async def test_changes_of_another_list_are_refused(
    store: Store, tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    """A change list applies only to the snapshot it names as its base."""
    us = definition("us-dnc")
    await import_list(store, us, write(tmp_path, "us-2026-11-10.txt", ["212,5551234"]), entry=5, now=NOW)
    with pytest.raises(InputError, match=message):
        await import_list(
            store, us, write(tmp_path, name, ["212,5551235,x,A"]), entry=6, change=True, now=NOW, **options
        )


async def test_changes_without_a_list_are_refused(store: Store, tmp_path: Path) -> None:
    """There must be something to change."""
    file = write(tmp_path, "us-2026-11-01-2026-11-20.txt", ["212,5551235,x,A"])
    with pytest.raises(InputError, match="import a full list"):
        await import_list(store, definition("us-dnc"), file, entry=6, change=True, now=NOW)


async def test_a_list_without_a_date_is_refused(store: Store, tmp_path: Path) -> None:
    """The list's date is never the present day in silence."""
    file = write(tmp_path, "own.txt", ["+393471234567"])
    with pytest.raises(InputError, match="--as-of"):
        await load(store, file)
    assert (await load(store, file, as_of=datetime(2026, 11, 1, tzinfo=UTC))).as_of.day == 1


async def test_a_list_of_a_day_to_come_is_refused(store: Store, tmp_path: Path) -> None:
    """A misread date must not make a list look fresh for longer."""
    with pytest.raises(InputError, match="to come"):
        await load(store, write(tmp_path, "own-2026-12-20.txt", ["+393471234567"]))


async def test_an_older_list_needs_a_reason(store: Store, tmp_path: Path) -> None:
    """Going back is refused, unless forced with a reason that is kept."""
    await load(store, write(tmp_path, "own-2026-11-20.txt", ["+393471234567"]))
    older = write(tmp_path, "own-2026-11-10.txt", ["+393471234568"])
    with pytest.raises(InputError, match="older than the active"):
        await load(store, older, 6)
    assert (await load(store, older, 7, force="the newer one was cut off")).forced is not None
    kept = await store.rows("SELECT forced FROM register_snapshot WHERE state = 'active'")
    assert kept[0][0] == "the newer one was cut off"


async def test_a_list_of_suspicious_size_needs_a_reason(store: Store, tmp_path: Path) -> None:
    """Growing or shrinking by more than the configured share is refused; an empty list always is."""
    many = [f"+39347{number:07d}" for number in range(2000)]
    await load(store, write(tmp_path, "own-2026-11-10.txt", many))
    half = write(tmp_path, "own-2026-11-20.txt", many[:1000])
    with pytest.raises(InputError, match="differs from the active list by 1000 of 2000"):
        await load(store, half, 6)
    with pytest.raises(InputError, match="holds no number"):
        await load(store, write(tmp_path, "own-2026-11-21.txt", []), 7)
    assert (await load(store, half, 8, force="the register was cleaned")).entries == 1000


async def test_a_list_in_another_layout_is_refused(store: Store, tmp_path: Path) -> None:
    """More unreadable rows than numbers: nothing is loaded."""
    with pytest.raises(InputError, match="2 of 3 rows are no numbers"):
        await load(store, write(tmp_path, "own-2026-11-20.txt", ["+393471234567", "x", "y"]))
    assert not await store.begun(5)


async def test_the_same_file_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    """A file loaded already is known by its SHA-256."""
    file = write(tmp_path, "own-2026-11-20.txt", ["+393471234567"])
    first = await load(store, file)
    again = await load(store, file, 6)
    assert (again.snapshot, again.new, again.entries) == (first.snapshot, 0, 1)
    assert await store.applied(6)


async def test_old_snapshots_leave_their_record_but_no_numbers(store: Store, tmp_path: Path) -> None:
    """After a take-over the old list's shards are gone and its record stays."""
    await load(store, write(tmp_path, "own-2026-11-10.txt", ["+393471234567"]))
    await load(store, write(tmp_path, "own-2026-11-20.txt", ["+393471234568"]), 6)
    rows = await store.rows("SELECT id, state FROM register_snapshot ORDER BY id")
    assert [tuple(row) for row in rows] == [(1, "retired"), (2, "active")]
    assert [row[0] for row in await store.rows("SELECT DISTINCT snapshot FROM register_shard")] == [2]


def numbers_of(first: int, amount: int) -> list[str]:
    """Consecutive numbers, spread over shards."""
    return [f"+39{3_400_000_000 + (first + place) * 10_007}" for place in range(amount)]


async def test_two_snapshots_flip_at_one_instant(store: Store, campaign: Campaign, tmp_path: Path) -> None:
    """A reader that never stops asking sees a leaving and an entering number change together, or not at all."""
    leaving, entering = parse_e164("+393401234567"), parse_e164("+393409999999")
    await load(store, write(tmp_path, "own-2026-11-10.txt", [*numbers_of(0, 3000), str(leaving.e164)]))
    seen: set[tuple[RegisterState, RegisterState, str | None]] = set()
    stop = threading.Event()

    def ask() -> None:
        with Reader.open(store.path) as reader:
            while not stop.is_set():
                before = reader.facts(leaving, campaign, ("own",))
                after = reader.facts(entering, campaign, ("own",))
                if before.registers["own"].source == after.registers["own"].source:
                    one, two = before.registers["own"], after.registers["own"]
                    seen.add((one.state, two.state, one.source))

    asking = threading.Thread(target=ask)
    asking.start()
    for day in range(11, 19):
        gone = day % 2 == 1
        extra = str(entering.e164 if gone else leaving.e164)
        await load(store, write(tmp_path, f"own-2026-11-{day}.txt", [*numbers_of(0, 3000), extra]), day)
    stop.set()
    asking.join()
    opposed, clear = RegisterState.OPPOSED, RegisterState.CLEAR
    assert {(one, two) for one, two, _ in seen} <= {(opposed, clear), (clear, opposed)}
    assert len({source for _, _, source in seen}) > 1


PROGRAM = """
    import asyncio, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from vaglio.index.definitions import RegisterDefinition
    from vaglio.index.snapshots import import_list
    from vaglio.index.store import Store

    async def main(index, file, entry):
        async with await Store.open(Path(index)) as store:
            print("begun", flush=True)
            await import_list(store, RegisterDefinition(name="own"), Path(file), entry=int(entry), force="killed",
                              now=datetime(2026, 11, 23, tzinfo=UTC))

    asyncio.run(main(*sys.argv[1:]))
"""


def opposed_of(index: Path) -> set[int]:
    """Every number that the active snapshot holds."""
    connection = sqlite3.connect(f"file:{index}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT shard, numbers FROM register_shard JOIN register_snapshot ON id = snapshot "
            "WHERE state = 'active'"
        ).fetchall()
    finally:
        connection.close()
    return set(unpacked(rows).tolist())


@pytest.mark.slow
async def test_an_import_killed_at_any_instant_answers_as_before_or_after(
    index_file: Path, tmp_path: Path
) -> None:
    """Twenty times SIGKILL at a random point: the active list is the old or the new one, and a rerun completes."""
    database.create(index_file)
    lists = {}
    for day, first in ((10, 0), (11, 4000)):
        file = write(tmp_path, f"own-2026-11-{day}.txt", numbers_of(first, 20_000))
        lists[day] = (file, {int(number) for number in numbers_of(first, 20_000)})
    async with await Store.open(index_file) as store:
        await load(store, lists[10][0], 1, force="start")
    chance = random.Random(11)  # noqa: S311 - a repeatable test
    current = 10
    killed = 0
    for entry in range(2, 22):
        target = 21 - current
        file, wanted = lists[target]
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(index_file), str(file), str(entry)]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        await process.stdout.readline()
        await asyncio.sleep(chance.random() * 0.25)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        killed += await process.wait() == -signal.SIGKILL
        found = opposed_of(index_file)
        assert found in (lists[current][1], wanted)
        async with await Store.open(index_file) as store:
            await load(store, file, entry, force="rerun" if target < current else None)
            left = await store.rows("SELECT count(*) FROM register_snapshot WHERE state = 'building'")
            assert left[0][0] == 0
        assert opposed_of(index_file) == wanted
        current = target
    assert killed >= 5


@pytest.mark.parametrize("amount", [1, 479, 480, 481, 2000, 4096, 4097, 30_000])
async def test_a_shard_of_any_density_answers_for_each_of_its_numbers(
    store: Store, reader: Reader, campaign: Campaign, tmp_path: Path, amount: int
) -> None:
    """However many rows a shard has: every number on the list is opposed, gaps and both ends beyond are clear."""
    chance = random.Random(amount)  # noqa: S311 - test data
    start = 393_400_000_000 // 65_536 * 65_536
    chosen = sorted(chance.sample(range(start, start + 65_536), amount))
    await load(store, write(tmp_path, "own-2026-11-10.txt", [f"+{number}" for number in chosen]))
    status(reader, campaign, "own", "+393471234567")
    asked = [*chosen[:: max(1, amount // 700)], chosen[-1], *range(start - 2, start + 65_538, 97)]
    listed = set(chosen)
    for number in asked:
        opposed = reader._status("own", number, "", 2**62).state is RegisterState.OPPOSED
        assert opposed == (number in listed)
    rows = await store.rows("SELECT max(length(numbers)), count(*) FROM register_shard")
    assert rows[0][0] <= 990 or amount > 4096
