from datetime import timedelta
from pathlib import Path

import pytest

from vaglio.errors import ConfigError
from vaglio.index.definitions import definitions
from vaglio.sync.sources import Source, secrets, sources

PLAIN = {"name": "lists", "kind": "oppositions", "url": "inbox/*.csv"}


def test_a_source_needs_a_name_a_kind_and_a_url() -> None:
    """The rest has defaults: once a day, settled for half a minute."""
    (source,) = sources([PLAIN], definitions()).values()
    assert (source.interval, source.settle_seconds, source.register_name) == (timedelta(days=1), 30, None)


@pytest.mark.parametrize(("kind", "mapping", "register"), [("tps", None, "tps"), ("register", "ctps", "ctps")])
def test_a_source_may_bring_a_register(kind: str, mapping: str | None, register: str) -> None:
    """By the register's name, or by `register` and a mapping."""
    (source,) = sources([{**PLAIN, "kind": kind, "mapping": mapping}], definitions()).values()
    assert source.register_name == register


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "opposition"}, "kind: expected oppositions, consents, .* or a register: ca-dncl"),
        ({"kind": "rpo"}, "rpo is asked, not handed over"),
        ({"kind": "register"}, "needs mapping"),
        ({"url": "sftp://me:secret@host/a"}, "url: holds credentials"),
        ({"every": "often"}, "every: expected a number and s, m, h or d"),
        ({"evry": "1d"}, "evry: unknown key"),
        ({"name": "A B"}, "name"),
    ],
)
def test_a_wrong_source_names_the_key(change: dict[str, str], message: str) -> None:
    """One line: which source, which key, what was expected; never a secret."""
    with pytest.raises(ConfigError, match=message) as caught:
        sources([{**PLAIN, **change}], definitions())
    assert "secret@" not in str(caught.value)


def test_a_name_stands_once() -> None:
    """What was loaded is remembered by the source's name."""
    with pytest.raises(ConfigError, match="twice"):
        sources([PLAIN, PLAIN], definitions())


def test_credentials_come_from_files_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration names where they are; one that is missing is an error without its value."""
    (tmp_path / "password").write_text("hunter2\n")
    monkeypatch.setenv("STORE_KEY", "abc")
    source = Source.model_validate(
        {**PLAIN, "secret_files": {"password": "password"}, "secret_env": {"key": "STORE_KEY"}}
    )
    assert secrets(source, tmp_path) == {"password": "hunter2", "key": "abc"}
    monkeypatch.delenv("STORE_KEY")
    with pytest.raises(ConfigError, match="STORE_KEY is not set"):
        secrets(source, tmp_path)
    (tmp_path / "password").unlink()
    with pytest.raises(ConfigError, match="password cannot be read"):
        secrets(source, tmp_path)


def test_every_key_is_documented() -> None:
    """A key of `[[source]]` that the page does not tell of cannot be found by who needs it."""
    page = (Path(__file__).parents[2] / "docs" / "registers.md").read_text(encoding="utf-8")
    assert [key for key in Source.model_fields if f"`{key}`" not in page] == []
