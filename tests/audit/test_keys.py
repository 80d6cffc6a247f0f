"""Key files: made once, refused with a reason when they are not what they must be."""

from __future__ import annotations

import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest

from vaglio.audit import Keys, Log, create_log
from vaglio.audit.entry import Subject
from vaglio.errors import ConfigError, StoreError, VerificationError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.audit.conftest import Site

FILES = ["signing.pem", "search.key", "sealing.key", "origin"]


def test_new_keys_are_private_and_load_again(tmp_path: Path) -> None:
    """Every file has mode 0600, and what is loaded is what was made."""
    made = Keys.create(tmp_path / "keys", "example.org/log")
    for file in (tmp_path / "keys").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = Keys.load(tmp_path / "keys")
    assert again.verifier == made.verifier
    assert again.token("+39061") == made.token("+39061")


def test_keys_are_never_made_over_others(site: Site) -> None:
    """A directory that holds something is refused."""
    with pytest.raises(ConfigError, match="not empty"):
        Keys.create(site.keys.directory)


@pytest.mark.parametrize("file", FILES)
def test_a_missing_key_is_named(site: Site, file: str) -> None:
    """The message says which file and what to do."""
    (site.keys.directory / file).unlink()
    with pytest.raises(ConfigError, match=rf"{file}: missing; restore"):
        Keys.load(site.keys.directory)


@pytest.mark.parametrize("file", FILES)
def test_a_key_that_others_may_read_is_refused(site: Site, file: str) -> None:
    """Mode 0640 is already too open."""
    (site.keys.directory / file).chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        Keys.load(site.keys.directory)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_no_key_is_refused(site: Site, file: str) -> None:
    """Rubbish is not taken for a key."""
    (site.keys.directory / file).write_bytes(b"\xff\x00!")
    with pytest.raises(ConfigError, match="restore"):
        Keys.load(site.keys.directory)


def test_another_logs_keys_are_refused(site: Site, tmp_path: Path) -> None:
    """A log opens only with the keys its first entry names."""
    other = Keys.create(tmp_path / "other", "example.org/log")
    with pytest.raises(ConfigError, match="not those of"):
        Log(site.path, other)


def test_a_sealed_number_opens_only_for_its_entry_and_key(site: Site, tmp_path: Path) -> None:
    """Moved to another entry, changed, or under another key, it is refused."""
    subject = Subject("+393401234567", b"s" * 32)
    sealed = site.keys.seal(subject, "A")
    assert site.keys.unseal(sealed, "A") == "+393401234567"
    other = Keys.create(tmp_path / "other")
    for keys, raw, entry in (
        (site.keys, sealed, "B"),
        (site.keys, sealed[:-1] + bytes([sealed[-1] ^ 1]), "A"),
        (other, sealed, "A"),
        (site.keys, b"", "A"),
    ):
        with pytest.raises(VerificationError, match="does not open"):
            keys.unseal(raw, entry)


def test_a_log_is_never_made_over_another(site: Site) -> None:
    """An existing file is refused."""
    with pytest.raises(StoreError, match="never overwritten"):
        create_log(site.path, site.keys, site.now)


def test_a_log_that_lost_its_first_entry_is_refused(site: Site) -> None:
    """Without it nobody knows whose keys are right."""
    connection = sqlite3.connect(site.path)
    connection.execute("DROP TRIGGER entry_is_never_deleted")
    connection.execute("DELETE FROM entry")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="does not begin"):
        site.log()


def test_a_file_left_by_an_interrupted_creation_is_no_log(tmp_path: Path, site: Site) -> None:
    """Nothing is ever appended to it."""
    (tmp_path / "half.db").touch()
    with pytest.raises(StoreError, match="not a log of Vaglio"):
        Log(tmp_path / "half.db", site.keys)


def test_the_secret_keys_may_come_as_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd hands over stands in for a file that is not in the directory, and goes before one that is."""
    made = Keys.create(tmp_path / "keys", "test.example")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name in ("search.key", "sealing.key"):
        (tmp_path / "keys" / name).rename(credentials / name)
    with pytest.raises(ConfigError, match=r"search\.key: missing"):
        Keys.load(tmp_path / "keys")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert Keys.load(tmp_path / "keys").fingerprints == made.fingerprints
