"""What every command has in common: exit codes, one line for an error, no number in clear, no traceback."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vaglio.cli.campaigns
from vaglio import __version__

Shell = Any


def test_the_log_is_shown_oldest_first_and_entry_by_entry(house: Shell) -> None:
    """`tail` lists, `show` tells one entry whole by id or sequence number with what speaks of it."""
    entries = house("audit", "tail", "--json").json
    assert [entry["seq"] for entry in entries] == [1, 2, 3, 4, 5]
    assert entries[0]["kind"] == "log-created"
    assert house("audit", "tail", "--count", "2", "--json").json == entries[-2:]
    table = house("audit", "tail", "-n", "1").out.splitlines()
    assert table[0].split("\t")[:3] == ["seq", "at", "kind"]
    announced = house("audit", "show", entries[3]["id"]).json
    assert announced == {**entries[3], "followed_by": [entries[4]]}
    assert house("audit", "show", "4").json == announced
    assert house("audit", "show", entries[3]["id"].lower()).json == announced


def test_an_entry_that_does_not_exist_is_a_no(house: Shell) -> None:
    """Exit 1 and one line."""
    done = house("audit", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert (done.code, done.out) == (1, "")
    assert "audit tail" in done.line


@pytest.mark.parametrize(
    "command",
    [
        ("nosuch",),
        ("audit", "nosuch"),
        ("check", "+393331230101"),
        ("check", "+393331230101", "3331230101", "--campaign", "c"),
        ("check", "--campaign", "c", "--number", "+393331230101"),
        ("audit", "tail", "--count", "0"),
        ("audit", "tail", "--count", "+393331230101"),
        ("--colour",),
        ("campaign", "list", "--config", "missing.toml"),
        ("campaign", "import", "missing.toml"),
        ("opposition", "import", "missing.csv"),
        ("consent", "import", "."),
    ],
)
def test_wrong_use_is_one_line_without_a_number(house: Shell, command: tuple[str, ...]) -> None:
    """Exit 2, nothing on standard output, and what was typed is not repeated in clear."""
    done = house(*command)
    assert (done.code, done.out) == (2, "")
    assert done.line.startswith("vaglio: ")
    assert "3331230101" not in done.line


@pytest.mark.parametrize("group", [(), ("campaign",), ("audit",)])
def test_a_group_alone_shows_its_help(shell: Shell, group: tuple[str, ...]) -> None:
    """Exit 2, for nothing was done, with the commands there are."""
    done = shell(*group)
    assert done.code == 2
    assert "Usage: vaglio" in done.out + done.err


def test_version_and_help_exit_zero(shell: Shell) -> None:
    """Nothing needs to be installed for them."""
    assert shell("--version").out == f"vaglio {__version__}\n"
    assert "check" in shell("--help").out
    assert "--campaign" in shell("check", "--help").out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[fastagi]\nlisten = 4573\n", "fastagi.listen"),
        ('[fastagi]\nlisten = "localhost"\n', "fastagi.listen"),
        ("[fastagy]\n", "fastagy"),
        ("[audit]\ncheckpoint_minutes = 0\n", "audit.checkpoint_minutes"),
        ("[rules\n", "TOML"),
        ('[index]\nfile = "elsewhere.db"\n', "elsewhere.db"),
        ('[rules]\nsite_file = "none.toml"\n', "none.toml"),
        ('[rules]\nemergency_regions = ["XX"]\n', "emergency_regions"),
    ],
)
def test_a_wrong_configuration_names_its_key(house: Shell, home: Path, text: str, told: str) -> None:
    """Every command that needs it exits 2 with one line."""
    (home / "vaglio.toml").write_text(text)
    done = house("check", "112", "--campaign", "renewals")
    assert done.code == 2
    assert told in done.line


def test_without_any_configuration_the_next_step_is_told(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The line names the places looked at and the command that makes one."""
    monkeypatch.delenv("VAGLIO_CONFIG")
    monkeypatch.chdir(tmp_path)
    done = shell("campaign", "list")
    assert done.code == 2
    assert "vaglio init DIR" in done.line


@pytest.mark.parametrize("file", ["keys/search.key", "keys/sealing.key", "keys/signing.pem"])
@pytest.mark.parametrize("how", ["missing", "shared", "damaged"])
def test_a_key_that_cannot_be_used_is_named(house: Shell, home: Path, file: str, how: str) -> None:
    """Nothing is recorded with a key that is gone, open to others, or no key."""
    key = home / file
    if how == "missing":
        key.unlink()
    elif how == "shared":
        key.chmod(0o644)
    else:
        key.write_text("no key\n")
    done = house("opposition", "add", "+393331230101", "--controller", "aurora")
    assert done.code == 2
    assert key.name in done.line


def test_a_defect_is_one_line_too(house: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception nobody expected names its place, not its values; the traceback comes only when asked for."""

    def broken(*_: object) -> None:
        raise ValueError("+393331230101")

    monkeypatch.setattr(vaglio.cli.campaigns, "print_table", broken)
    done = house("campaign", "list")
    assert done.code == 2
    assert "internal error in test_command_line.py:" in done.line
    assert "3331230101" not in done.line
    monkeypatch.setenv("VAGLIO_TRACEBACK", "1")
    with pytest.raises(ValueError, match="3331230101"):
        house("campaign", "list")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("check", "112", "--campaign", "x"), 0), (("check", "+39333", "--campaign", "x"), 1), (("nosuch",), 2)],
)
def test_a_real_process_ends_with_the_same_codes(home: Path, arguments: tuple[str, ...], code: int) -> None:
    """`python -m vaglio` is the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "vaglio", *arguments],
        env={**os.environ, "VAGLIO_CONFIG": str(home / "vaglio.toml")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_error(home: Path) -> None:
    """`vaglio … | head -1` ends quietly."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m vaglio check +39333 --campaign x | true"],
        env={**os.environ, "VAGLIO_CONFIG": str(home / "vaglio.toml")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
