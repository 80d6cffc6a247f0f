"""`vaglio audit anchors` as a shell sees it."""

from pathlib import Path
from typing import Any

Shell = Any


def configure(home: Path, text: str) -> None:
    with (home / "vaglio.toml").open("a") as file:
        file.write(text)


def test_without_an_anchor_the_next_step_is_told(house: Shell) -> None:
    """Exit 2, naming the page that describes them."""
    done = house("audit", "anchors")
    assert done.code == 2
    assert "[[anchor]]" in done.line


def test_a_checkpoint_is_sent_on_demand_and_shown(house: Shell, home: Path) -> None:
    """The way to try a configuration: what arrived is told, and is the log's own last checkpoint."""
    configure(home, '\n[[anchor]]\nname = "share"\nkind = "file"\nurl = "outside"\n')
    (before,) = house("audit", "anchors", "--json").json
    assert (before["size"], before["at"]) == (0, None)
    done = house("audit", "anchors", "--send", "--json")
    assert done.code == 0
    (shown,) = done.json
    assert (shown["name"], shown["kind"], shown["error"]) == ("share", "file", None)
    (file,) = [path for path in (home / "outside").rglob("*") if path.is_file()]
    assert file.name == f"{shown['size']:020d}.checkpoint"
    assert file.read_bytes() == (home / "keys/checkpoint").read_bytes()
    assert house("audit", "verify", "--since-checkpoint", file).code == 0


def test_one_that_fails_is_a_no_and_the_others_go_on(house: Shell, home: Path) -> None:
    """Exit 1, with what it failed of; `--name` looks at one alone."""
    (home / "file").write_text("no directory")
    configure(home, '\n[[anchor]]\nname = "bad"\nkind = "file"\nurl = "file"\n')
    configure(home, '\n[[anchor]]\nname = "good"\nkind = "file"\nurl = "outside"\n')
    done = house("audit", "anchors", "--send", "--json")
    assert done.code == 1
    bad, good = done.json
    assert (bad["failures"], good["failures"]) == (1, 0)
    assert "cannot be written" in bad["error"]
    assert house("audit", "anchors", "--name", "good").code == 0
    assert house("audit", "anchors").code == 1


def test_a_wrong_anchor_is_named_with_its_key(house: Shell, home: Path) -> None:
    """Exit 2 and one line."""
    configure(home, '\n[[anchor]]\nname = "share"\nkind = "file"\n')
    done = house("audit", "anchors")
    assert (done.code, done.out) == (2, "")
    assert "anchor.share.url" in done.line
