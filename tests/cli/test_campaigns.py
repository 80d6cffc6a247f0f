"""`vaglio init`, `vaglio campaign …` and `vaglio controller …`."""

import stat
from pathlib import Path
from typing import Any

import pytest

Shell = Any
SAMPLE = Path(__file__).parent


def test_init_makes_a_whole_installation(shell: Shell, tmp_path: Path) -> None:
    """Configuration, index, log and keys that nobody else can read; it says what to do next."""
    made = tmp_path / "new" / "place"
    done = shell("init", made)
    assert (done.code, done.err) == (0, "")
    assert "campaign import" in done.out
    assert {file.name for file in made.iterdir()} >= {"vaglio.toml", "index.db", "audit.db", "keys"}
    private = [made / "audit.db", *(made / "keys").glob("*.key"), *(made / "keys").glob("*.pem")]
    assert len(private) == 4
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}


def test_init_takes_an_empty_directory_and_no_other(shell: Shell, tmp_path: Path) -> None:
    """Exit 2 with one line, and nothing of what is there is touched."""
    (tmp_path / "empty").mkdir()
    assert shell("init", tmp_path / "empty").code == 0
    before = {file: file.read_bytes() for file in (tmp_path / "empty").rglob("*") if file.is_file()}
    done = shell("init", tmp_path / "empty")
    assert done.code == 2
    assert "not empty" in done.line
    assert before == {file: file.read_bytes() for file in (tmp_path / "empty").rglob("*") if file.is_file()}


def test_init_says_when_it_cannot_make_the_directory(shell: Shell, tmp_path: Path) -> None:
    """A file in the way is one line."""
    (tmp_path / "file").write_text("x")
    done = shell("init", tmp_path / "file")
    assert done.code == 2
    assert str(tmp_path / "file") in done.line


def test_imported_campaigns_are_listed_and_shown(house: Shell) -> None:
    """What the file says is what the commands say, as a table and as JSON."""
    listed = house("campaign", "list", "--json").json
    assert [(one["id"], one["on_failure"]) for one in listed] == [
        ("outage-notice", "allow"),
        ("renewals", "block"),
    ]
    table = house("campaign", "list").out.splitlines()
    assert table[0].split("\t")[:2] == ["id", "controller"]
    assert len(table) == 3
    shown = house("campaign", "show", "renewals", "--json").json
    assert shown == listed[1]
    assert (shown["caller_ids"], shown["mode"]) == (["+390612345678"], "enforce")
    assert "dial_mode" in house("campaign", "show", "renewals").out


def test_controllers_are_listed_and_shown_with_their_campaigns(house: Shell) -> None:
    """A principal's page names what is called for it."""
    assert house("controller", "list", "--json").json == [{"id": "aurora", "name": "Aurora Telecom"}]
    shown = house("controller", "show", "aurora", "--json").json
    assert shown == {"id": "aurora", "name": "Aurora Telecom", "campaigns": ["outage-notice", "renewals"]}


@pytest.mark.parametrize("command", [("campaign", "show", "none"), ("controller", "show", "none")])
def test_an_unknown_id_is_a_no_with_a_next_step(house: Shell, command: tuple[str, ...]) -> None:
    """Exit 1, and the line names the command that lists the known ones."""
    done = house(*command)
    assert (done.code, done.out) == (1, "")
    assert f"vaglio {command[0]} list" in done.line


def test_the_same_file_again_changes_nothing(house: Shell) -> None:
    """The summary says so, and the log's announcement names no campaign."""
    summary = house("campaign", "import", SAMPLE / "campaigns.toml", "--json").json
    assert (summary["new"], summary["corrected"], summary["unchanged"]) == (0, 0, 3)
    assert house("audit", "tail", "--json").json[-2]["campaigns"] == []


def test_a_changed_campaign_is_logged_before_and_after(house: Shell, tmp_path: Path) -> None:
    """The log tells which key was changed from what to what, and the policy file follows."""
    changed = tmp_path / "changed.toml"
    text = (SAMPLE / "campaigns.toml").read_text()
    changed.write_text(text.replace('on_failure = "block"', 'on_failure = "allow"'))
    assert house("campaign", "import", changed).code == 0
    announced = house("audit", "tail", "--json").json[-2]
    assert announced["kind"] == "change-announced"
    assert announced["campaigns"] == [
        {"id": "renewals", "before": {"on_failure": "block"}, "after": {"on_failure": "allow"}}
    ]


def test_failure_policies_are_written_where_the_dialplan_reads_them(house: Shell, home: Path) -> None:
    """No service runs: the import itself leaves one file a campaign."""
    assert house("campaign", "list").code == 0
    policies = home / "failure-policy"
    assert {file.name: file.read_text() for file in policies.iterdir()} == {
        "renewals": "block",
        "outage-notice": "allow",
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('purpose = "service"', 'purpose = "charity"', "purpose"),
        ('region = "IT"', 'region = "XX"', "region"),
        ('caller_ids = ["+390612345678"]', 'caller_ids = ["agent"]', "caller_ids"),
        ('on_failure = "block"', 'on_failure = "perhaps"', "on_failure"),
        ('sector = "telecom"', 'sector = "telecom"\ncolour = "red"', "colour"),
        ('controller = "aurora"', 'controller = "nobody"', "controller"),
        ('name = "Aurora Telecom"', "name = 3", "name"),
        ("[[campaign]]", "[[campaign]", "TOML"),
        ('purpose = "service"', 'purpose = "marketing"', "accepted_risk"),
    ],
)
def test_a_bad_campaigns_file_loads_nothing(shell: Shell, tmp_path: Path, old: str, new: str, told: str) -> None:
    """One line names file and key; not even the good campaigns of the file are taken."""
    text = (SAMPLE / "campaigns.toml").read_text()
    assert old in text
    bad = tmp_path / "bad.toml"
    bad.write_text(text.replace(old, new))
    done = shell("campaign", "import", bad)
    assert done.code == 2
    assert "bad.toml" in done.line
    assert told in done.line
    assert shell("campaign", "list", "--json").json == []
    assert shell("controller", "list", "--json").json == []
