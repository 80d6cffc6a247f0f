"""An intact log verifies; every kind of tampering is found and named."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.audit.conftest import START, Site
from vaglio.audit import Keys, create_log, delivery_entry, outcome_entry
from vaglio.audit.checkpoint import Checkpoint, signed_checkpoint
from vaglio.audit.damage import DamageKind, Verification
from vaglio.audit.sealing import Sealer
from vaglio.audit.tree import kept_checkpoint
from vaglio.audit.verify import verify_log
from vaglio.errors import StoreError
from vaglio.model import CallOutcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


ENTRIES = 700


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of some 700 entries: decisions, deliveries, outcomes, several checkpoints, a key rotation."""
    directory = tmp_path_factory.mktemp("template")
    keys = Keys.create(directory / "keys", "example.org/log")
    create_log(directory / "audit.db", keys, START)
    made = Site(directory, keys)
    fill(made)
    (directory / "now").write_text(made.now.isoformat())
    return directory


@pytest.fixture
def sealed(template: Path, tmp_path: Path) -> Site:
    """A copy of it, to be damaged."""
    directory = tmp_path / "site"
    shutil.copytree(template, directory)
    return Site(directory, Keys.load(directory / "keys"), datetime.fromisoformat((directory / "now").read_text()))


def fill(site: Site) -> None:
    with site.log() as log, Sealer(site.path, site.keys, now=site.clock) as sealer:
        for part in range(4):
            for turn in range(28):
                verdict = Verdict.BLOCK if turn % 4 == 0 else Verdict.ALLOW
                batch = [site.decision(f"+3934012{part}{turn:02}{last:02}", verdict=verdict) for last in range(4)]
                log.append_many(batch)
                told = batch[turn % 3]
                log.append(delivery_entry(told.id, site.now, 900))
                log.append(outcome_entry(told.id, site.now, CallOutcome.ANSWERED, {"seconds": 30}))
            site.now += timedelta(minutes=1)
            sealer.step()
            if part == 1:
                site.keys = sealer.rotate()
        log.append(site.decision())


def verify(site: Site, *, since: tuple[Checkpoint, ...] = (), keys: bool = True) -> Verification:
    return verify_log(site.path, site.keys.verifier, keys=site.keys if keys else None, since=since)


def tamper(site: Site, *statements: str) -> None:
    """Change the file behind the triggers' back, and put the triggers in place again."""
    connection = sqlite3.connect(site.path)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers:
        connection.execute(sql)
    connection.commit()
    connection.close()


def first(site: Site) -> tuple[int, DamageKind]:
    found = verify(site)
    assert found.damages
    return found.damages[0].seq, found.damages[0].kind


def test_an_intact_log_verifies(sealed: Site) -> None:
    """Every entry, side row and checkpoint is accounted for; what came after the last checkpoint is told."""
    found = verify(sealed)
    assert found.damages == ()
    assert found.entries == found.sealed + 1 == found.covered + 1
    assert found.checkpoints == 5
    assert found.numbers == 4 * 28 * 4 + 1
    without = verify(sealed, keys=False)
    assert (without.intact, without.numbers) == (True, 0)


def test_progress_is_told(sealed: Site) -> None:
    """Done and total, up to the end."""
    told: list[tuple[int, int]] = []
    found = verify_log(sealed.path, sealed.keys.verifier, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (found.entries, found.entries)


def test_several_processes_find_the_same(sealed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches on their own, put together."""
    monkeypatch.setattr("vaglio.audit.verify.STRETCH", 256)
    tamper(sealed, "UPDATE entry SET body = CAST(replace(body, 'allow', 'block') AS BLOB) WHERE seq = 300")
    found = verify_log(sealed.path, sealed.keys.verifier, keys=sealed.keys, processes=2)
    assert found.damages[0].seq == 300
    assert found.numbers == 4 * 28 * 4 + 1


def attempt_of(site: Site, decision: str) -> int:
    with sqlite3.connect(site.path) as connection:
        (seq,) = connection.execute("SELECT seq FROM attempt WHERE decision = ?", (decision,)).fetchone()
    connection.close()
    return int(seq)


@pytest.mark.parametrize(
    ("change", "intact"),
    [
        ("outcome = outcome", True),
        ("outcome = 'busy'", False),
        ("outcome = NULL", False),
        ("delivered = 1", False),
    ],
)
def test_what_is_told_of_a_call_much_later_counts(
    sealed: Site, monkeypatch: pytest.MonkeyPatch, change: str, *, intact: bool
) -> None:
    """Delivery, an outcome, and a second outcome that supersedes it, each read in another stretch."""
    monkeypatch.setattr("vaglio.audit.verify.STRETCH", 256)
    called = sealed.decision("+393409990000")
    with sealed.log() as log:
        log.append(called)
        log.append_many([sealed.decision(f"+3934099910{last:03}") for last in range(300)])
        log.append(delivery_entry(called.id, sealed.now, 900))
        log.append(outcome_entry(called.id, sealed.now, CallOutcome.BUSY, {"seconds": 0}))
        log.append_many([sealed.decision(f"+3934099920{last:03}") for last in range(300)])
        log.append(outcome_entry(called.id, sealed.now, CallOutcome.ANSWERED, {"seconds": 30}))
    seq = attempt_of(sealed, called.id)
    tamper(sealed, f"UPDATE attempt SET {change} WHERE seq = {seq}")  # noqa: S608 - as written above
    found = verify_log(sealed.path, sealed.keys.verifier, keys=sealed.keys, processes=1)
    expected = [] if intact else [(seq, DamageKind.ATTEMPT)]
    assert [(damage.seq, damage.kind) for damage in found.damages] == expected


def test_a_missing_and_an_invented_attempt_are_named(sealed: Site) -> None:
    """By the entry whose row is gone, and by the one that is no call let out."""
    with sqlite3.connect(sealed.path) as connection:
        (gone,) = connection.execute("SELECT seq FROM attempt WHERE seq > 300 ORDER BY seq").fetchone()
        (blocked,) = connection.execute("SELECT seq FROM entry WHERE verdict = 'block' AND seq > 300").fetchone()
    connection.close()
    tamper(
        sealed,
        f"DELETE FROM attempt WHERE seq = {gone}",  # noqa: S608 - a number
        "INSERT INTO attempt SELECT token, entry.at, entry.seq, controller, 'pbx', 'x', entry.id, NULL, NULL"  # noqa: S608
        f" FROM entry JOIN subject USING (seq) WHERE seq = {blocked}",
        "INSERT INTO attempt SELECT token, at + 1, seq, controller, pbx, uniqueid, decision, delivered, outcome"
        " FROM attempt ORDER BY seq LIMIT 1",
    )
    found = {(damage.seq, damage.kind) for damage in verify(sealed).damages}
    assert {(gone, DamageKind.ATTEMPT), (blocked, DamageKind.ATTEMPT)} <= found


def columns() -> Iterator[tuple[str, str]]:
    from importlib.resources import files  # noqa: PLC0415

    connection = sqlite3.connect(":memory:")
    connection.executescript(files("vaglio.audit").joinpath("schema.sql").read_text(encoding="utf-8"))
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in connection.execute(f"PRAGMA table_info({table})").fetchall():
            yield table, row[1]
    connection.close()


PLACES = {
    "entry": "rowid = 301",
    "subject": "seq = (SELECT seq FROM subject WHERE seq > 300 LIMIT 1)",
    "attempt": "seq = (SELECT seq FROM attempt WHERE outcome IS NOT NULL AND seq > 300 ORDER BY seq LIMIT 1)",
    "tile": "level = 0 AND number = 1",
    "checkpoint": "size = (SELECT size FROM checkpoint ORDER BY size LIMIT 1 OFFSET 2)",
}


@pytest.mark.parametrize(("table", "column"), list(columns()))
def test_a_change_of_any_column_of_any_table_is_found(sealed: Site, table: str, column: str) -> None:
    """Text, number or bytes, in every table, the side table included."""
    changed = (
        f"CASE typeof({column}) WHEN 'integer' THEN {column} + 100000 WHEN 'text' THEN {column} || 'x'"
        f" WHEN 'null' THEN 'x' ELSE CAST(substr({column}, 1, length({column}) - 1) || x'00' AS BLOB) END"
    )
    tamper(sealed, f"UPDATE {table} SET {column} = {changed} WHERE {PLACES[table]}")  # noqa: S608 - names of the schema
    found = verify(sealed)
    assert not found.intact
    if table in {"entry", "subject", "attempt"} and column != "seq":
        assert 300 <= found.damages[0].seq <= 310


@pytest.mark.parametrize("table", list(PLACES))
def test_a_row_removed_from_any_table_is_found(sealed: Site, table: str) -> None:
    """An entry, a side row, an attempt, a tile, a checkpoint."""
    tamper(sealed, f"DELETE FROM {table} WHERE {PLACES[table]}")  # noqa: S608 - names of the schema
    assert not verify(sealed).intact


def test_an_edited_entry_is_named(sealed: Site) -> None:
    """The first that is not what was sealed."""
    tamper(sealed, "UPDATE entry SET body = CAST(replace(body, '900', '100') AS BLOB) WHERE kind = 'delivery'")
    connection = sqlite3.connect(sealed.path)
    expected = connection.execute("SELECT min(seq) FROM entry WHERE kind = 'delivery'").fetchone()[0]
    connection.close()
    assert first(sealed) == (expected, DamageKind.EDITED)


def test_a_missing_entry_is_named(sealed: Site) -> None:
    """A hole, and a hole that was closed by renumbering what follows."""
    tamper(sealed, "DELETE FROM entry WHERE seq = 300")
    assert first(sealed) == (300, DamageKind.MISSING)
    tamper(
        sealed,
        "UPDATE subject SET seq = -seq + 1 WHERE seq > 300",
        "UPDATE subject SET seq = -seq WHERE seq < 0",
        "UPDATE attempt SET seq = seq - 1 WHERE seq > 300",
        "UPDATE entry SET seq = -seq + 1 WHERE seq > 300",
        "UPDATE entry SET seq = -seq WHERE seq < 0",
    )
    found = [damage for damage in verify(sealed).damages if damage.kind is DamageKind.MISSING]
    assert found[0].seq == 300


def test_an_inserted_entry_is_named(sealed: Site) -> None:
    """Room made in the middle, and an entry put there."""
    tamper(
        sealed,
        "DELETE FROM subject",
        "DELETE FROM attempt",
        "UPDATE entry SET seq = -seq - 1 WHERE seq >= 300",
        "UPDATE entry SET seq = -seq WHERE seq < 0",
        "INSERT INTO entry SELECT 300, CAST(body || ' ' AS BLOB), id || 'x', kind, at, campaign,"
        " controller, verdict, reason, ref FROM entry WHERE seq = 299",
    )
    found = verify(sealed).damages
    assert any((damage.seq, damage.kind) == (300, DamageKind.INSERTED) for damage in found)


def test_swapped_entries_are_named(sealed: Site) -> None:
    """Two entries that changed places."""
    tamper(
        sealed,
        "UPDATE entry SET seq = -1 WHERE seq = 300",
        "UPDATE entry SET seq = 300 WHERE seq = 310",
        "UPDATE entry SET seq = 310 WHERE seq = -1",
    )
    assert any((damage.seq, damage.kind) == (300, DamageKind.REORDERED) for damage in verify(sealed).damages)


def test_a_tail_cut_off_with_its_checkpoints_is_found(sealed: Site) -> None:
    """Entries, side rows, attempts, tiles and checkpoints cut as if they had never been: the kept one tells."""
    backup = sealed.directory / "backup.db"
    old = restore_point(sealed, backup)
    sealed.path.unlink()
    shutil.copy(backup, sealed.path)
    found = verify(sealed)
    assert [damage.kind for damage in found.damages] == [DamageKind.ROLLED_BACK]
    assert found.damages[0].seq == old + 1
    assert verify(sealed, keys=False).intact


def restore_point(site: Site, backup: Path) -> int:
    """Copy the file, go on, and say how many entries the copy has."""
    connection = sqlite3.connect(site.path)
    connection.execute("VACUUM INTO ?", (str(backup),))
    size = int(connection.execute("SELECT max(seq) FROM entry").fetchone()[0])
    connection.close()
    with site.log() as log, Sealer(site.path, site.keys, now=site.clock) as sealer:
        log.append(site.decision())
        sealer.step(now=True)
    for leftover in site.directory.glob("audit.db-*"):
        leftover.unlink()
    return size


def test_yesterdays_file_is_found_by_a_checkpoint_in_an_auditors_hands(sealed: Site) -> None:
    """Whoever kept a later checkpoint needs no key of ours but the public one."""
    backup = sealed.directory / "backup.db"
    restore_point(sealed, backup)
    held = kept_checkpoint(sealed.keys)
    assert held is not None
    sealed.path.unlink()
    shutil.copy(backup, sealed.path)
    assert verify(sealed, keys=False).intact
    found = verify(sealed, since=(held,), keys=False)
    assert [damage.kind for damage in found.damages] == [DamageKind.ROLLED_BACK]


def test_the_log_continues_a_checkpoint_in_an_auditors_hands(sealed: Site) -> None:
    """An old checkpoint, signed by the key of that time, is still good."""
    connection = sqlite3.connect(sealed.path)
    notes = [row[0] for row in connection.execute("SELECT note FROM checkpoint ORDER BY size")]
    connection.close()
    assert verify(sealed, since=tuple(Checkpoint.parse(note) for note in notes)).intact


def test_rows_and_tiles_changed_together_are_found_by_the_checkpoints(sealed: Site) -> None:
    """Who rewrites the tree as well cannot rewrite what was signed; the stretch is named."""
    tamper(
        sealed,
        "UPDATE entry SET body = CAST(replace(body, '900', '100') AS BLOB) WHERE seq = (SELECT max(seq) FROM entry"
        " WHERE kind = 'delivery')",
        "DELETE FROM tile",
    )
    connection = sqlite3.connect(sealed.path)
    last, before = (row[0] for row in connection.execute("SELECT size FROM checkpoint ORDER BY size DESC LIMIT 2"))
    retile(connection)
    connection.close()
    assert first(sealed) == (before + 1, DamageKind.EDITED)
    assert verify(sealed).covered == before < last


def retile(connection: sqlite3.Connection) -> None:
    from vaglio.audit.canonical import leaf_hash  # noqa: PLC0415
    from vaglio.audit.tiles import grow  # noqa: PLC0415

    bodies = [row[0] for row in connection.execute("SELECT body FROM entry ORDER BY seq")][:-1]
    for (level, number), hashes in grow(lambda *_: b"", 0, [leaf_hash(body) for body in bodies]).items():
        connection.execute("INSERT INTO tile VALUES (?, ?, ?)", (level, number, hashes))
    connection.commit()


def resign(site: Site, key: Keys) -> Callable[[Checkpoint], bytes]:
    return lambda checkpoint: (
        signed_checkpoint(site.keys.origin, checkpoint.size, checkpoint.root, key.signing).raw
    )


def test_checkpoints_signed_again_by_another_key_are_found(sealed: Site) -> None:
    """Under the log's own name, by somebody else."""
    other = Keys.create(sealed.directory / "other", sealed.keys.origin)
    remake = resign(sealed, other)
    connection = sqlite3.connect(sealed.path)
    connection.execute("DROP TRIGGER checkpoint_is_never_changed")
    for size, note in connection.execute("SELECT size, note FROM checkpoint").fetchall():
        again = remake(Checkpoint.parse(note))
        connection.execute("UPDATE checkpoint SET note = ? WHERE size = ?", (again, size))
    connection.commit()
    connection.close()
    assert DamageKind.WRONG_KEY in {damage.kind for damage in verify(sealed).damages}


def test_a_checkpoint_signed_by_a_retired_key_is_found(site: Site) -> None:
    """After a rotation the old key signs nothing."""
    old = site.keys
    fill(site)
    connection = sqlite3.connect(site.path)
    connection.execute("DROP TRIGGER checkpoint_is_never_changed")
    size, note = connection.execute("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    again = resign(site, old)(Checkpoint.parse(note))
    connection.execute("UPDATE checkpoint SET note = ? WHERE size = ?", (again, size))
    connection.commit()
    connection.close()
    assert (size, DamageKind.WRONG_KEY) in {(damage.seq, damage.kind) for damage in verify(site).damages}


def test_a_log_under_another_key_is_not_taken_for_this_one(sealed: Site) -> None:
    """An auditor who holds another public key is told so at once."""
    other = Keys.create(sealed.directory / "other", sealed.keys.origin)
    found = verify_log(sealed.path, other.verifier)
    assert (found.damages[0].seq, found.damages[0].kind, found.covered) == (1, DamageKind.WRONG_KEY, 0)


def test_the_first_key_verifies_a_log_whose_key_was_changed(site: Site) -> None:
    """The chain of rotations leads from the key an auditor was once given to the one in force."""
    old = site.keys.verifier
    fill(site)
    assert verify_log(site.path, old).intact


def test_a_dropped_trigger_or_an_added_one_is_found(sealed: Site) -> None:
    """The tables guard themselves, and verify guards the guards."""
    connection = sqlite3.connect(sealed.path)
    connection.execute("DROP TRIGGER entry_is_never_changed")
    connection.execute("CREATE TRIGGER quiet AFTER INSERT ON entry BEGIN SELECT 1; END")
    connection.commit()
    connection.close()
    details = [damage.detail for damage in verify(sealed).damages]
    assert details == ["trigger entry_is_never_changed is missing", "trigger quiet was added"]


def test_an_entry_missing_from_an_index_is_found_when_asked_thoroughly(sealed: Site) -> None:
    """SQLite's own check sees what no row shows."""
    connection = sqlite3.connect(sealed.path)
    hidden = connection.execute("SELECT * FROM sqlite_master WHERE name = 'entry_at'").fetchone()
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("DELETE FROM sqlite_master WHERE name = 'entry_at'")
    connection.commit()
    connection.close()
    with sealed.log() as log:
        log.append(sealed.decision())
    connection = sqlite3.connect(sealed.path)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", hidden)
    connection.commit()
    connection.close()
    assert verify(sealed).intact
    found = verify_log(sealed.path, sealed.keys.verifier, thorough=True)
    assert DamageKind.UNREADABLE in {damage.kind for damage in found.damages}


def test_a_side_row_moved_to_another_entry_is_found(sealed: Site) -> None:
    """A number cannot be attributed to another call."""
    tamper(
        sealed,
        "UPDATE subject SET (salt, token, sealed) = (SELECT salt, token, sealed FROM subject WHERE seq = 3)"
        " WHERE seq = 4",
    )
    assert (4, DamageKind.SIDE_TABLE) in {(damage.seq, damage.kind) for damage in verify(sealed).damages}


def test_a_body_that_is_no_entry_is_named(sealed: Site) -> None:
    """Also after the last checkpoint, where the tree does not reach yet."""
    tamper(sealed, "UPDATE entry SET body = x'00' WHERE seq = (SELECT max(seq) FROM entry)")
    found = verify(sealed)
    assert (found.entries, DamageKind.EDITED) in {(damage.seq, damage.kind) for damage in found.damages}


@pytest.mark.parametrize("part", range(1, 10))
def test_a_damaged_part_of_the_file_is_named(sealed: Site, part: int) -> None:
    """Bytes overwritten anywhere: what cannot be read is told, or the file is refused as damaged."""
    connection = sqlite3.connect(sealed.path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    size = sealed.path.stat().st_size
    with sealed.path.open("r+b") as file:
        file.seek(size * part // 10)
        file.write(b"\xff" * 9000)
    try:
        found = verify_log(sealed.path, sealed.keys.verifier, keys=sealed.keys, thorough=True)
    except StoreError as error:
        assert "damaged" in str(error)  # noqa: PT017 - either answer is good
    else:
        assert not found.intact
