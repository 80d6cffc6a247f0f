"""Entries become leaves, leaves a signed checkpoint; and what is never signed."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sqlite3
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from vaglio.audit import Keys, Reader, Writer, sealing
from vaglio.audit.canonical import leaf_hash
from vaglio.audit.merkle import root
from vaglio.audit.seal_task import keep_sealed
from vaglio.audit.sealing import InconsistentLog, Sealed, Sealer
from vaglio.audit.store import open_reading
from vaglio.audit.tiles import fetcher
from vaglio.audit.tree import kept_checkpoint, last_checkpoint, signing_keys, tile_reader
from vaglio.errors import ConfigError, StoreError, VaglioError

if TYPE_CHECKING:
    from tests.audit.conftest import Site
    from vaglio.audit.checkpoint import Checkpoint


def kept(site: Site) -> Checkpoint:
    found = kept_checkpoint(site.keys)
    assert found is not None
    return found


def test_a_checkpoint_covers_every_entry_before_it(site: Site) -> None:
    """Size and root are those of the entries, and the log's key signed them."""
    with site.log() as log, Sealer(site.path, site.keys, now=site.clock) as sealer:
        log.append_many([site.decision() for _ in range(600)])
        sealed = sealer.step(now=True)
    assert (sealed.size, sealed.added) == (602, 602)
    assert sealed.checkpoint is not None
    sealed.checkpoint.verified_by(site.keys.verifier)
    connection = open_reading(site.path)
    assert root(fetcher(tile_reader(connection)), 602) == sealed.checkpoint.root
    first = connection.execute("SELECT body FROM entry WHERE seq = 1").fetchone()[0]
    assert tile_reader(connection)(0, 0)[:32] == leaf_hash(first)
    assert last_checkpoint(connection) == kept(site) == sealed.checkpoint
    connection.close()


def test_checkpoints_come_at_their_interval(site: Site) -> None:
    """The first at once, the next a minute later; entries are sealed in between."""
    with site.log() as log, Sealer(site.path, site.keys, now=site.clock) as sealer:
        assert sealer.step().checkpoint is not None
        log.append(site.decision())
        site.now += timedelta(seconds=59)
        sealed = sealer.step()
        assert (sealed.size, sealed.added, sealed.checkpoint) == (3, 1, None)
        site.now += timedelta(seconds=1)
        signed = sealer.step().checkpoint
        assert signed is not None
        assert signed.size == 4


def test_every_checkpoint_comes_with_a_heartbeat(site: Site) -> None:
    """A checkpoint holds no time, so an entry does, also in an idle minute: a gap in time is visible."""
    with Sealer(site.path, site.keys, now=site.clock) as sealer:
        before = sealer.step().checkpoint
        site.now += timedelta(minutes=1)
        signed = sealer.step().checkpoint
    assert before is not None
    assert signed is not None
    assert (before.size, signed.size) == (2, 3)
    with Reader(site.path) as reader:
        (heartbeat,) = reader.tail(1)
        assert (heartbeat.kind, heartbeat.at) == ("heartbeat", site.now)
        named = {"size": 2, "sha256": hashlib.sha256(before.raw).hexdigest()}
        assert heartbeat.body["checkpoint"] == named


def test_the_write_ahead_log_is_written_over_amid_calls(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long calls go on, the file beside the log does not grow with what they write."""
    monkeypatch.setattr(sealing, "_MOVE_AFTER", 16)
    ahead = site.path.with_name("audit.db-wal")
    lengths: list[int] = []

    def write() -> None:
        with site.log() as log:
            for _ in range(1500):
                log.append(site.decision())
                time.sleep(0.002)  # some hundreds of calls a second leave the sealer its turns
            lengths.append(ahead.stat().st_size)

    with site.log(), Sealer(site.path, site.keys, now=site.clock) as sealer:
        writing = threading.Thread(target=write)
        writing.start()
        while writing.is_alive():
            sealer.step()
            time.sleep(0.01)  # a sealer that reads all the time would keep the old state alive itself
        writing.join()
    pages = lengths[0] / 4096
    assert pages < 2 * 1500  # never begun anew there were four a commit at least


def test_a_reader_in_the_way_only_puts_the_move_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody reads an old state, nothing waits for him; once he is gone, the next commit begins anew."""
    monkeypatch.setattr(sealing, "_MOVE_AFTER", 1)
    ahead = site.path.with_name("audit.db-wal")
    with site.log() as log, Sealer(site.path, site.keys, now=site.clock) as sealer:
        old = open_reading(site.path)
        old.execute("BEGIN")
        old.execute("SELECT count(*) FROM entry").fetchall()
        for _ in range(20):
            log.append(site.decision())
            sealer.step()
        length = ahead.stat().st_size
        old.close()
        for _ in range(20):
            log.append(site.decision())
            sealer.step()
        assert ahead.stat().st_size < 1.5 * length


def test_a_clock_set_back_does_not_stop_the_checkpoints(site: Site) -> None:
    """An hour back is a reason to sign, not to wait an hour."""
    with Sealer(site.path, site.keys, now=site.clock) as sealer:
        sealer.step()
        site.now -= timedelta(hours=1)
        assert sealer.step().checkpoint is not None


def test_yesterdays_file_put_back_is_never_signed(site: Site) -> None:
    """The checkpoint kept with the keys knows better, also after new entries."""
    yesterday = site.directory / "yesterday.db"
    with site.log() as log, Sealer(site.path, site.keys, now=site.clock) as sealer:
        log.append(site.decision())
        sealer.step(now=True)
        connection = sqlite3.connect(site.path)
        connection.execute("VACUUM INTO ?", (str(yesterday),))
        connection.close()
        log.append(site.decision())
        sealer.step(now=True)
    for leftover in site.directory.glob("audit.db*"):
        leftover.unlink()
    shutil.copy(yesterday, site.path)
    with site.log() as log, Sealer(site.path, site.keys, now=site.clock) as sealer:
        with pytest.raises(InconsistentLog, match="older file was put back"):
            sealer.step(now=True)
        log.append_many([site.decision() for _ in range(9)])
        with pytest.raises(InconsistentLog, match="not those that were signed"):
            sealer.step(now=True)
        assert kept(site).size == 5


def test_a_log_with_a_hole_is_never_sealed(site: Site) -> None:
    """A missing entry stops the sealer before it signs."""
    with site.log() as log:
        log.append_many([site.decision() for _ in range(5)])
        connection = sqlite3.connect(site.path)
        connection.executescript("DROP TRIGGER entry_is_never_deleted; DELETE FROM entry WHERE seq = 3")
        connection.close()
    with Sealer(site.path, site.keys, now=site.clock) as sealer, pytest.raises(InconsistentLog, match="missing"):
        sealer.step(now=True)


def test_a_checkpoint_that_cannot_be_kept_outside_is_not_signed_into_the_log(site: Site) -> None:
    """Without the copy beside the keys there is no checkpoint; the next step tries again."""
    with Sealer(site.path, site.keys, now=site.clock) as sealer:
        blocker = site.keys.directory / "checkpoint"
        blocker.mkdir()
        with pytest.raises(StoreError, match="cannot be"):
            sealer.step(now=True)
        blocker.rmdir()
        assert sealer.step(now=True).checkpoint is not None


def test_a_new_signing_key_is_vouched_for_by_the_old_one(site: Site) -> None:
    """The log holds the chain, both sign the first checkpoint, only the new one the next."""
    with Sealer(site.path, site.keys, now=site.clock) as sealer:
        sealer.step()
        renewed = sealer.rotate()
        both = kept(site)
        site.now += timedelta(minutes=1)
        after = sealer.step().checkpoint
    assert len(both.verified_by(site.keys.verifier, renewed.verifier)) == 2
    assert after is not None
    assert after.verified_by(renewed.verifier)
    connection = open_reading(site.path)
    assert [key.verifier for key in signing_keys(connection)] == [site.keys.verifier, renewed.verifier]
    connection.close()
    assert Keys.load(site.keys.directory).verifier == renewed.verifier


def test_a_running_sealer_follows_a_new_key(site: Site) -> None:
    """A rotation by another process is taken up at the next step."""
    with (
        Sealer(site.path, site.keys, now=site.clock) as running,
        Sealer(site.path, site.keys, now=site.clock) as command,
    ):
        renewed = command.rotate()
        signed = running.step(now=True).checkpoint
    assert signed is not None
    assert signed.verified_by(renewed.verifier)


def test_an_interrupted_rotation_is_finished(site: Site) -> None:
    """The log names the new key, the old file is still in place: the next sealer puts the new one there."""
    old = (site.keys.directory / "signing.pem").read_bytes()
    with Sealer(site.path, site.keys, now=site.clock) as sealer:
        renewed = sealer.rotate()
    new = site.keys.directory / "signing.pem"
    new.rename(site.keys.directory / "signing.pem.next")
    new.write_bytes(old)
    new.chmod(0o600)
    with Sealer(site.path, Keys.load(site.keys.directory), now=site.clock) as sealer:
        assert sealer.step(now=True).checkpoint is not None
    assert Keys.load(site.keys.directory).verifier == renewed.verifier


def test_a_signing_key_that_is_not_in_force_is_refused(site: Site) -> None:
    """Somebody else's key in the place of the log's own signs nothing."""
    other = Keys.create(site.directory / "other", "example.org/log")
    shutil.copy(other.directory / "signing.pem", site.keys.directory / "signing.pem")
    with pytest.raises(ConfigError, match="not the one in force"):
        Sealer(site.path, Keys.load(site.keys.directory), now=site.clock)


async def test_the_task_seals_within_a_second_and_signs_when_it_ends(site: Site) -> None:
    """What is appended is a leaf within a second; cancelling leaves everything signed."""
    steps: list[Sealed] = []
    failures: list[VaglioError] = []
    task = asyncio.create_task(keep_sealed(site.path, site.keys, 60, steps.append, failures.append, 0.05))
    async with Writer(site.path, site.keys) as writer:
        await asyncio.sleep(0.3)
        seq = await writer.append(site.decision())
        await asyncio.sleep(0.9)
        assert steps[-1].size == seq
        await writer.append(site.decision())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert kept(site).size == seq + 2


async def test_the_task_raises_the_alarm_once_and_stops(site: Site) -> None:
    """An inconsistent log is reported, not sealed on."""
    with Sealer(site.path, site.keys, now=site.clock) as sealer:
        sealer.step(now=True)
    connection = sqlite3.connect(site.path)
    connection.execute("INSERT OR REPLACE INTO tile VALUES (0, 0, zeroblob(32))")
    connection.commit()
    connection.close()
    failures: list[VaglioError] = []
    async with asyncio.timeout(5):
        await keep_sealed(site.path, site.keys, 0.01, print, failures.append, 0.01)
    assert [type(failure) for failure in failures] == [InconsistentLog]
