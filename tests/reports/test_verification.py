"""The last verification is kept with who asked; a proof is told step by step."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lab.vaglio import Vaglio
from vaglio.audit import EntryKind, Keys, Log, Sealer, make
from vaglio.audit.proof import prove
from vaglio.audit.signed import checkpoint_of, checkpoints, public_keys
from vaglio.clock import now
from vaglio.errors import NotFoundError
from vaglio.reports.examined import examined
from vaglio.reports.verification import last_verification, main, verified
from vaglio.site import Site, init


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with three entries beside its first, and a checkpoint after each."""
    site = init(tmp_path / "site")
    for _ in range(3):
        with Log(site.log_file, site.keys()) as log:
            log.append(make(EntryKind.STOP, now(), {"version": "1"}))
        with Sealer(site.log_file, site.keys()) as sealer:
            sealer.step(now=True)
    return site


def test_a_verification_is_kept_with_who_asked(site: Site) -> None:
    """For everybody who asks later; before the first there is none."""
    assert last_verification(site) is None
    told: list[tuple[int, int]] = []
    made = verified(site, "anna", "console", lambda done, total: told.append((done, total)))
    assert made.found.intact
    assert last_verification(site) == made
    assert told[-1][0] == told[-1][1] == made.found.entries


def test_damage_is_kept_too(site: Site) -> None:
    """With the entry it concerns."""
    with closing(sqlite3.connect(site.log_file, isolation_level=None)) as database:
        database.execute("DROP TRIGGER entry_is_never_changed")
        database.execute("UPDATE entry SET body = CAST(replace(body, 'stop', 'STOP') AS BLOB) WHERE seq = 2")
    verified(site, "anna", "console")
    last = last_verification(site)
    assert last is not None
    assert not last.found.intact
    assert last.damages == len(last.found.damages) > 0
    assert any(one.seq == 2 for one in last.found.damages)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"v": 2}', b'{"v": 1, "found": {}}', b"\xff"])
def test_a_file_that_is_no_result_is_none(site: Site, content: bytes) -> None:
    """Whoever wrote it."""
    site.accounts_file.with_name("verification.json").write_bytes(content)
    assert last_verification(site) is None


def test_as_a_program_it_tells_its_progress(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """And what keeps it from a result, in one line."""
    assert main([str(site.settings.file), "anna", "console"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "7 7"
    site.log_file.unlink()
    assert main([str(site.settings.file), "anna", "console"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_shells_verification_is_kept_as_well(tmp_path: Path) -> None:
    """By the name of the shell's user."""
    house = Vaglio(tmp_path / "site")
    house.run("audit", "verify")
    last = last_verification(Site.at(house.configuration))
    assert last is not None
    assert last.via == "shell"
    assert last.found.intact


def test_checkpoints_come_newest_first_with_their_time(site: Site) -> None:
    """Page by page; one by its size; the log's key as it tells it."""
    found = checkpoints(site.log_file, 10)
    sizes = [one.checkpoint.size for one in found]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 3
    times = [one.at for one in found if one.at is not None]
    assert times == sorted(times, reverse=True)
    assert [one.checkpoint.size for one in checkpoints(site.log_file, 1, sizes[0] - 1)] == sizes[1:2]
    assert checkpoint_of(site.log_file, sizes[2]) == found[2]
    with pytest.raises(NotFoundError):
        checkpoint_of(site.log_file, sizes[2] + 1)
    assert public_keys(site.log_file)[-1].verifier == site.keys().verifier


def test_a_proof_is_told_step_by_step(site: Site, tmp_path: Path) -> None:
    """Every step holds for the true file and key; each failing step is named for others."""
    with closing(sqlite3.connect(site.log_file)) as database:
        entry = database.execute("SELECT id FROM entry WHERE seq = 2").fetchone()[0]
    raw = prove(site.log_file, entry, newest=True).raw
    true = examined(raw, site.keys().verifier)
    assert true.proven
    assert true.same_root
    assert (true.entry, true.index, true.signed_by) == (entry, 1, true.key)
    assert len(true.path) == 3
    other = examined(raw, Keys.create(tmp_path / "other").verifier)
    assert (other.proven, other.signed_by, other.same_root) == (False, None, True)
    moved = examined(raw.replace(b"\nindex 1\n", b"\nindex 2\n"), site.keys().verifier)
    assert (moved.proven, moved.same_root) == (False, False)
    beyond = examined(raw.replace(b"\nindex 1\n", b"\nindex 99\n"), site.keys().verifier)
    assert (beyond.proven, beyond.reached) == (False, None)
