from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from vaglio.audit import Reader


def test_a_key_is_shown_once_and_never_again(house: Shell, home: Path) -> None:
    """The list tells role and dates, the log that it was made, and neither holds the key."""
    made = house(
        "api-key", "add", "crm", "--role", "data-entry", "--expires", "2030-01-01T00:00:00Z", "--json"
    ).json
    assert made["key"].startswith("vgl_crm.")
    listed = house("api-key", "list", "--json")
    assert listed.json[0] | {"created": None} == {
        "name": "crm",
        "role": "data-entry",
        "controller": None,
        "created": None,
        "expires": "2030-01-01T00:00:00+00:00",
        "revoked": None,
    }
    assert made["key"] not in listed.out
    with Reader(home / "audit.db") as log:
        (entry,) = [one for one in log.tail(5) if one.kind == "account"]
    assert (entry.body["done"], entry.body["account"]) == ("added", "crm")
    assert made["key"] not in entry.raw.decode()


def test_an_account_is_made_changed_and_revoked(house: Shell) -> None:
    """Each step is told; a revoked one has no new password."""
    made = house("account", "add", "anna", "--role", "auditor", "--json").json
    assert len(made["password"]) >= 20
    changed = house("account", "password", "anna", "--json").json
    assert changed["password"] != made["password"]
    assert house("account", "revoke", "anna").code == 0
    assert house("account", "revoke", "anna").code == 1
    assert house("account", "list", "--json").json[0]["revoked"] is not None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("account", "add", "p", "--role", "principal-auditor"), "needs --controller"),
        (("account", "add", "p", "--role", "auditor", "--controller", "nobody"), "not known here"),
        (("account", "password", "nobody"), "vaglio account list"),
        (("api-key", "revoke", "nobody"), "vaglio api-key list"),
        (("account", "add", "a b", "--role", "auditor"), "expected letters"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(house: Shell, words: tuple[str, ...], says: str) -> None:
    """With what to do instead."""
    done = house(*words)
    assert done.code == 2
    assert says in done.line
