"""A list loads while numbers are asked and others write."""

import asyncio
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vaglio.index.definitions import RegisterDefinition
from vaglio.index.reader import Reader
from vaglio.index.records import OppositionRecord
from vaglio.index.snapshots import import_list
from vaglio.index.store import Store
from vaglio.model import Campaign, RegisterState
from vaglio.numbers import parse_e164

NUMBER = parse_e164("+393471234567")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
OWN = RegisterDefinition(name="own")


@pytest.mark.slow
async def test_questions_and_other_writers_go_on_while_a_list_loads(
    store: Store, campaign: Campaign, tmp_path: Path
) -> None:
    """Every question finds the old list whole, an opposition added meanwhile binds at once, no writer starves."""
    first, second = tmp_path / "own-2026-11-10.txt", tmp_path / "own-2026-11-20.txt"
    first.write_text(f"{NUMBER.e164}\n")
    second.write_text("".join(f"+39{3_200_000_000 + place * 331}\n" for place in range(1_000_000)))
    await import_list(store, OWN, first, entry=5, now=NOW)
    done = threading.Event()
    answers: set[RegisterState] = set()
    opposed = 0
    waits: list[float] = []

    async def oppose() -> None:
        nonlocal opposed
        async with await Store.open(store.path) as other:
            with Reader.open(store.path) as reader:
                while not done.is_set():
                    record = OppositionRecord(NUMBER.key, "acme", f"p{opposed}", NOW)
                    started = time.perf_counter()
                    await other.add([record], entry=100 + opposed)
                    waits.append(time.perf_counter() - started)
                    opposed += 1
                    facts = reader.facts(NUMBER, campaign, ("own",))
                    answers.add(facts.registers["own"].state)
                    assert len(facts.oppositions) == opposed
                    await asyncio.sleep(0.005)

    beside = threading.Thread(target=lambda: asyncio.run(oppose()))
    beside.start()
    await import_list(store, OWN, second, entry=6, now=NOW, force="another list")
    done.set()
    await asyncio.to_thread(beside.join)
    assert answers <= {RegisterState.OPPOSED, RegisterState.CLEAR}
    assert RegisterState.OPPOSED in answers
    assert opposed == len(waits) > 10
    assert sorted(waits)[len(waits) // 2] < 0.1


async def test_a_big_import_keeps_its_turns_short(store: Store, tmp_path: Path) -> None:
    """An import lets go of its turn every few milliseconds, however large the file."""
    turns: list[float] = []
    change = store.change

    def noted(entry: int, *, done: bool = True) -> object:
        turns.append(store.turn_seconds)
        return change(entry, done=done)

    store.change = noted  # type: ignore[method-assign,assignment] # watches, changes nothing
    file = tmp_path / "own-2026-11-20.txt"
    file.write_text("".join(f"+39{3_200_000_000 + place * 6_553}\n" for place in range(100_000)))
    await import_list(store, OWN, file, entry=6, now=NOW)
    turns.sort()
    assert len(turns) > 5
    assert turns[len(turns) // 2] < 0.02
