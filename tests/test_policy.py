from pathlib import Path

import pytest

from vaglio.errors import StoreError
from vaglio.model import Campaign, DialMode, OnFailure, Purpose
from vaglio.policy import write_policies


def campaign(name: str, policy: OnFailure) -> Campaign:
    return Campaign(
        name, "acme", "call-centre", Purpose.SERVICE, "telecom", DialMode.MANUAL, "IT", on_failure=policy
    )


def contents(directory: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in directory.iterdir()}


def test_each_campaign_has_its_policy_in_a_file_of_its_name(tmp_path: Path) -> None:
    """The dialplan reads one word, without a line end."""
    directory = tmp_path / "policy"
    write_policies(directory, [campaign("a", OnFailure.ALLOW), campaign("b", OnFailure.BLOCK)])
    assert contents(directory) == {"a": "allow", "b": "block"}


def test_changed_and_vanished_campaigns_are_followed(tmp_path: Path) -> None:
    """A campaign that is gone leaves no permission behind."""
    write_policies(tmp_path, [campaign("a", OnFailure.ALLOW), campaign("b", OnFailure.ALLOW)])
    assert write_policies(tmp_path, [campaign("a", OnFailure.BLOCK)]) == 2
    assert contents(tmp_path) == {"a": "block"}
    assert write_policies(tmp_path, [campaign("a", OnFailure.BLOCK)]) == 0


def test_an_unwritable_directory_is_a_clear_error(tmp_path: Path) -> None:
    """The error names the directory and the setting."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"failure_policy\.directory"):
        write_policies(tmp_path / "file" / "policy", [])
