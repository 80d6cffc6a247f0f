import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vaglio.errors import InputError, StoreError
from vaglio.index import database
from vaglio.index.batches import request
from vaglio.index.definitions import RegisterDefinition, definition
from vaglio.index.reader import Reader
from vaglio.index.records import ContactRecord, OppositionRecord
from vaglio.index.snapshots import import_list
from vaglio.index.store import Store
from vaglio.index.verify import rebuild, verify
from vaglio.model import Campaign, RegisterState
from vaglio.numbers import parse_e164

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
async def filled(store: Store, tmp_path: Path) -> Store:
    """An index with a list, a batch and oppositions."""
    file = tmp_path / "own-2026-11-20.txt"
    file.write_text("".join(f"+39{3_400_000_000 + place * 30_011}\n" for place in range(5000)))
    await import_list(store, RegisterDefinition(name="own"), file, entry=5, now=NOW)
    await store.add([ContactRecord(393471234567, "acme")], entry=6)
    await request(store, definition("rpo"), "acme", tmp_path / "rpo.txt", entry=7, now=NOW)
    await store.add([OppositionRecord(393470000000 + place, "acme", "*", NOW) for place in range(3000)], entry=8)
    return store


def tamper(store: Store, statement: str) -> None:
    """Change the file behind the store's back."""
    connection = sqlite3.connect(store.path)
    connection.execute(statement)
    connection.commit()
    connection.close()


async def test_a_whole_index_has_no_problems(filled: Store) -> None:
    """Everything is counted, and nothing is wrong."""
    found = verify(filled.path)
    assert found.problems == ()
    assert (found.counts["register own"], found.counts["opposition"], found.counts["campaign"]) == (5000, 3000, 1)
    assert found.generation == await filled.generation()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "UPDATE register_shard SET numbers = x'00' WHERE shard % 2",
            "register own: a shard of snapshot 1 is damaged",
        ),
        ("DELETE FROM register_shard WHERE shard % 2", "register own: .* 5000 in .* were loaded"),
        ("UPDATE register_snapshot SET checksum = 'x'", "register own: the checksum of snapshot 1 is wrong"),
        ("UPDATE batch SET numbers = 7", "batch .*: its numbers are damaged"),
        ("UPDATE campaign SET definition = '{}'", "campaign spring: its definition cannot be read"),
        ("DELETE FROM controller", "campaign: a row refers to a controller that is not there"),
    ],
)
async def test_what_was_changed_behind_its_back_is_named(filled: Store, statement: str, problem: str) -> None:
    """A shard, a count, a checksum, a batch, a campaign: each has its line that says what to do."""
    tamper(filled, statement)
    found = verify(filled.path).problems
    assert len(found) == 1
    assert re.search(problem, found[0])


def damage(index: Path) -> None:
    """Overwrite pages in the middle of the file."""
    with index.open("r+b") as stream:
        size = index.stat().st_size
        stream.seek(size * 2 // 3 // 4096 * 4096)
        stream.write(b"\xa5" * 4096 * 3)


async def test_damaged_pages_are_found_and_the_rest_is_saved(
    filled: Store, campaign: Campaign, tmp_path: Path
) -> None:
    """A bad sector is reported, and a rebuild keeps every fact that can still be read."""
    broken = tmp_path / "broken.db"
    tamper(filled, f"VACUUM INTO '{broken}'")
    damage(broken)
    assert any(problem.startswith("pages:") for problem in verify(broken).problems)
    new = tmp_path / "new.db"
    saved = rebuild(broken, new)
    assert saved.damaged
    assert sum(saved.rows.values()) > 1000
    with Reader.open(new) as reader:
        assert reader.campaign("spring") == campaign


async def test_a_rebuild_of_a_whole_index_keeps_everything(
    filled: Store, campaign: Campaign, tmp_path: Path
) -> None:
    """Nothing damaged: the new index answers as the old one and verifies."""
    new = tmp_path / "new.db"
    saved = rebuild(filled.path, new)
    assert saved.damaged == ()
    assert verify(new).problems == ()
    with Reader.open(new) as reader:
        facts = reader.facts(parse_e164("+393470000007"), campaign, ("own",))
        assert len(facts.oppositions) == 1
        assert facts.registers["own"].state is RegisterState.CLEAR
        assert reader.generation() > await filled.generation()


async def test_a_rebuild_overwrites_nothing(filled: Store, tmp_path: Path) -> None:
    """Neither the damaged file nor any other."""
    with pytest.raises(InputError, match="is the damaged index itself"):
        rebuild(filled.path, filled.path)
    database.create(tmp_path / "there.db")
    with pytest.raises(StoreError, match="exists already"):
        rebuild(filled.path, tmp_path / "there.db")
