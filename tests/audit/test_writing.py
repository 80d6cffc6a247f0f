"""Appending: durable or refused, in order, whole or not at all."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from vaglio.audit import (
    AttemptTaken,
    Claim,
    EntryKind,
    Reader,
    Writer,
    attempts,
    commit,
    continuity,
    delivery_entry,
    failopen_entry,
    make,
    outcome_entry,
    reader,
    removal,
    tree,
)
from vaglio.audit.canonical import time_of
from vaglio.audit.commit import clock, prepare
from vaglio.errors import StoreError
from vaglio.model import CallOutcome, Verdict

if TYPE_CHECKING:
    from tests.audit.conftest import Site

WINDOW = timedelta(days=30)


def counted(site: Site, dialled: str = "+393401234567", call: tuple[str, str] | None = None) -> list[str]:
    with Reader(site.path) as reader:
        found = reader.attempts(site.keys.token(dialled), "acme", site.now - WINDOW, now=site.now, call=call)
    return [attempt.decision for attempt in found]


async def test_sequence_numbers_follow_one_another(site: Site) -> None:
    """Entry 1 names the keys; each append gets the next number, in the order of asking."""
    async with Writer(site.path, site.keys) as writer:
        entries = [site.decision() for _ in range(200)]
        numbers = await asyncio.gather(*(writer.append(entry) for entry in entries))
    assert numbers == list(range(2, 202))
    assert writer.last_seq == 201
    with Reader(site.path) as reader:
        assert [record.id for record in reader.tail(200)] == [entry.id for entry in entries]
        assert [record.raw for record in reader.tail(200)] == [entry.body for entry in entries]


async def test_what_was_acknowledged_is_seen_by_others_at_once(site: Site) -> None:
    """When append returns, another connection reads the entry."""
    async with Writer(site.path, site.keys) as writer:
        entry = site.decision()
        seq = await writer.append(entry)
        with Reader(site.path) as reader:
            assert reader.show(entry.id).seq == seq
            assert reader.show(str(seq)).id == entry.id
            assert reader.by_token(site.keys.token("+393401234567"))[0].id == entry.id


async def test_patient_entries_share_a_commit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliveries wait a little for one another; a decision asked meanwhile does not wait for them."""
    sizes: list[int] = []
    true_commit = commit.Log.commit

    def counted_commit(log: commit.Log, batch: list[commit.Pending]) -> list[int | AttemptTaken]:
        sizes.append(len(batch))
        return true_commit(log, batch)

    monkeypatch.setattr(commit.Log, "commit", counted_commit)
    async with Writer(site.path, site.keys) as writer:
        deliveries = [delivery_entry("0" * 26, time_of(clock()), 900) for _ in range(5)]
        waiting = asyncio.gather(*(writer.append(entry, patient=True) for entry in deliveries))
        await asyncio.sleep(0)
        decided = await writer.append(site.decision())
        numbers = await waiting
    assert sizes == [1, 5]
    assert [decided, *numbers] == list(range(2, 8))


async def test_closing_writes_patient_entries_too(site: Site) -> None:
    """Who closes the writer does not lose the deliveries that still waited for company."""
    async with Writer(site.path, site.keys) as writer:
        waiting = asyncio.ensure_future(writer.append(site.decision(), patient=True))
        await asyncio.sleep(0)
    assert await waiting == 2


async def test_closing_writes_what_waits(site: Site) -> None:
    """An append asked before the close is durable after it; one asked later is refused."""
    writer = await Writer(site.path, site.keys).__aenter__()
    waiting = [asyncio.ensure_future(writer.append(site.decision())) for _ in range(100)]
    await asyncio.sleep(0)
    await writer.close()
    assert await asyncio.gather(*waiting) == list(range(2, 102))
    with pytest.raises(StoreError, match="closed"):
        await writer.append(site.decision())


def test_a_failed_batch_leaves_nothing(site: Site) -> None:
    """An id that is already there fails all that share its transaction; the next transaction is good."""
    twice = site.decision()
    with site.log() as log:
        log.append(twice)
        batch = [prepare(site.keys, entry) for entry in (site.decision(), twice, site.decision())]
        with pytest.raises(StoreError, match="never replaced"):
            log.commit(batch)
        with Reader(site.path) as reader:
            assert reader.size() == 2
        assert log.append(site.decision()) == 3


async def test_a_failed_batch_fails_its_callers_and_no_others(site: Site) -> None:
    """The caller hears of it, the writer says that it is failing, and the next append is good."""
    async with Writer(site.path, site.keys) as writer:
        twice = site.decision()
        await writer.append(twice)
        with pytest.raises(StoreError, match="never replaced"):
            await writer.append(twice)
        assert writer.failing
        assert await writer.append(site.decision()) == 3
        assert not writer.failing


def test_entries_are_append_only(site: Site) -> None:
    """The file itself refuses to change, delete or replace an entry, and to change a side row."""
    with site.log() as log:
        log.append(site.decision())
    connection = sqlite3.connect(site.path)
    for statement in (
        "UPDATE entry SET verdict = 'block' WHERE seq = 2",
        "DELETE FROM entry WHERE seq = 2",
        "INSERT OR REPLACE INTO entry (seq, body, id, kind, at) VALUES (2, x'00', 'A', 'decision', 0)",
        "INSERT OR REPLACE INTO entry (body, id, kind, at) SELECT body, id, kind, at FROM entry WHERE seq = 2",
        "UPDATE subject SET token = x'00'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
    connection.close()


def test_a_delivered_allow_counts_as_an_attempt(site: Site) -> None:
    """Claimed at once, for two seconds; for good once delivered; with its outcome once known."""
    with site.log() as log:
        undelivered, delivered = site.decision(), site.decision()
        log.append(undelivered)
        log.append(delivered)
        assert counted(site) == [delivered.id, undelivered.id]
        log.append(delivery_entry(delivered.id, site.now, 900))
        log.append(outcome_entry(delivered.id, site.now, CallOutcome.REFUSED, {}))
        site.now += timedelta(seconds=3)
        assert counted(site) == [delivered.id]
        with Reader(site.path) as reader:
            (attempt,) = reader.attempts(site.keys.token("+393401234567"), "acme", site.now - WINDOW, now=site.now)
        assert attempt.outcome is CallOutcome.REFUSED


def test_only_the_controllers_own_calls_to_the_number_in_the_window_count(site: Site) -> None:
    """Another number, another controller, a block and an old call are no attempts."""
    with site.log() as log:
        log.append(site.decision(at=site.now - timedelta(days=31)))
        log.append(site.decision("+393401234568"))
        log.append(site.decision(verdict=Verdict.BLOCK))
        assert counted(site) == []
        with Reader(site.path) as reader:
            token = site.keys.token("+393401234568")
            assert not reader.attempts(token, "other", site.now - WINDOW, now=site.now)


def test_a_second_decision_on_the_same_call_supersedes_the_first(site: Site) -> None:
    """One call is one attempt however often it asked, and does not count against itself."""
    with site.log() as log:
        first, second = site.decision(call="1772442000.9"), site.decision(call="1772442000.9")
        for entry in (first, second):
            log.append(entry)
            log.append(delivery_entry(entry.id, site.now, 900))
        assert counted(site) == [second.id]
        assert counted(site, call=("pbx", "1772442000.9")) == []


def test_a_call_let_out_by_the_failure_policy_counts(site: Site) -> None:
    """It rang at the person's, whoever decided; without a controller there is nothing to count for."""
    with site.log() as log:
        out = failopen_entry(
            site.number("+393401234567"), site.campaign, "spring", "pbx", "1772442000.5", site.now
        )
        log.append(out)
        log.append(failopen_entry(site.number("+393401234567"), None, "x", "pbx", "1772442000.6", site.now))
        site.now += timedelta(seconds=3)
        assert counted(site) == [out.id]


def test_a_claim_is_refused_when_another_call_took_the_attempt(site: Site) -> None:
    """Nothing of the refused decision is written; with what is there now seen, it is taken."""
    with site.log() as log:
        claim = Claim(site.now - WINDOW, frozenset(counted(site)))
        first, second = site.decision(), site.decision()
        log.append(first, claim)
        with pytest.raises(AttemptTaken):
            log.append(second, claim)
        with Reader(site.path) as reader:
            assert reader.size() == 2
        log.append(second, Claim(site.now - WINDOW, {first.id}))


def test_a_lapsed_claim_frees_the_attempt(site: Site) -> None:
    """Two seconds after an allow that was not delivered the attempt can be taken again."""
    with site.log() as log:
        claim = Claim(site.now - WINDOW, ())
        log.append(site.decision(), claim)
        site.now += timedelta(seconds=2, microseconds=1)
        assert log.append(site.decision(), claim) == 3


async def test_two_calls_in_one_batch_cannot_both_take_the_last_attempt(site: Site) -> None:
    """Of a hundred calls at the same instant with the same view exactly one is let through."""
    async with Writer(site.path, site.keys, site.clock) as writer:
        claim = Claim(site.now - WINDOW, ())
        results = await asyncio.gather(
            *(writer.append(site.decision(), claim=claim) for _ in range(100)), return_exceptions=True
        )
    assert sum(isinstance(result, int) for result in results) == 1
    assert sum(isinstance(result, AttemptTaken) for result in results) == 99


async def test_a_cancelled_caller_does_not_disturb_the_others(site: Site) -> None:
    """Who gave up waiting is skipped; the batch goes on."""
    async with Writer(site.path, site.keys) as writer:
        first = asyncio.ensure_future(writer.append(site.decision()))
        second = asyncio.ensure_future(writer.append(site.decision()))
        await asyncio.sleep(0)
        first.cancel()
        assert await second in {2, 3}


def test_bulk_appends_let_others_in_between(site: Site) -> None:
    """A second writer gets its turn while thousands of entries are appended, and nothing is lost."""
    entries = [make(EntryKind.CHANGE_ANNOUNCED, site.now, {"row": row}) for row in range(2000)]
    own: list[int] = []

    def beside() -> None:
        with site.log() as log:
            own.extend(log.append(site.decision()) for _ in range(20))

    thread = threading.Thread(target=beside)
    steps: list[int] = []
    with site.log() as log:
        thread.start()
        numbers = log.append_many(entries, steps.append)
        thread.join()
    assert sum(steps) == 2000
    assert own[0] < numbers[-1]
    with Reader(site.path) as reader:
        assert reader.size() == 2021


def test_a_missing_or_foreign_file_is_refused(site: Site) -> None:
    """The message names the file and the next step."""
    missing = site.directory / "none.db"
    with pytest.raises(StoreError, match="no log here"):
        Reader(missing)
    text = site.directory / "text.db"
    text.write_text("not a database, and long enough to be read as one " * 100)
    with pytest.raises(StoreError, match="not an SQLite database"):
        Reader(text)
    foreign = site.directory / "foreign.db"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(StoreError, match="not a log of Vaglio"):
        Reader(foreign)


def test_a_newer_schema_is_refused(site: Site) -> None:
    """An older program never writes a newer log."""
    connection = sqlite3.connect(site.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for opener in (lambda: Reader(site.path), site.log):
        with pytest.raises(StoreError, match="schema version 99"):
            opener()


def test_a_damaged_page_is_reported_as_damage(site: Site) -> None:
    """Reading a broken log says so in one line instead of failing strangely."""
    with site.log() as log:
        log.append_many([site.decision() for _ in range(500)])
    connection = sqlite3.connect(site.path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with site.path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 20)
    with pytest.raises(StoreError, match=r"damaged|malformed"), Reader(site.path) as reader:
        list(reader.between(None, None))


def plan(site: Site, statement: str) -> list[str]:
    connection = sqlite3.connect(site.path)
    named = dict.fromkeys(("first", "last", "since", "until", "entries"), 0)
    values = (None,) * statement.count("?") if "?" in statement else named
    try:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    finally:
        connection.close()


@pytest.mark.parametrize(
    "statement", [tree._KEYS, removal._REMOVALS, continuity._NAMED, reader._UNCONFIRMED], ids=range(4)
)
def test_no_rare_question_reads_the_whole_log(site: Site, statement: str) -> None:
    """Keys, removals, checkpoints' names and open changes are found by an index, however long the log."""
    steps = plan(site, statement)
    assert any("USING INDEX entry_rare" in step for step in steps)
    assert not any(step.startswith("SCAN") for step in steps)


@pytest.mark.parametrize(
    "statement",
    [
        commit._with_rows(commit._MARK_DELIVERED, 2, 3),
        commit._with_rows(commit._MARK_OUTCOME, 2, 1),
        attempts._NEWEST,
        reader._BY_ID,
        reader._BY_REF,
        reader._OF_NUMBER,
        reader._BETWEEN,
    ],
    ids=range(7),
)
def test_no_frequent_statement_reads_a_whole_table(site: Site, statement: str) -> None:
    """Marking, counting and looking up take as long in a log of millions as in a new one."""
    steps = plan(site, statement)
    assert not any(step.startswith(f"SCAN {table}") for step in steps for table in ("entry", "attempt", "subject"))
    assert not any("TEMP B-TREE" in step for step in steps)
