from pathlib import Path

import pytest
from pydantic import BaseModel

from vaglio import config
from vaglio.errors import ConfigError

DOCS = Path(__file__).parents[1] / "docs" / "operating.md"


def write(folder: Path, text: str) -> Path:
    file = folder / "vaglio.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_an_empty_file_is_the_default_configuration(tmp_path: Path) -> None:
    """Nothing need be configured to serve one PBX on the same host."""
    settings = config.load(write(tmp_path, ""))
    assert settings.fastagi.listen == ("127.0.0.1", 4573)
    assert settings.path(settings.index.file) == tmp_path / "index.db"


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key can be overridden and its neighbours keep what the file says."""
    monkeypatch.setenv("VAGLIO_FASTAGI__SESSIONS", "7")
    settings = config.load(write(tmp_path, '[fastagi]\nlisten = "127.0.0.1:1"\nsessions = 9\n'))
    assert settings.fastagi.sessions == 7
    assert settings.fastagi.listen == ("127.0.0.1", 1)


def test_an_address_in_the_environment_is_written_as_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody need know that other kinds of value are JSON there."""
    monkeypatch.setenv("VAGLIO_FASTAGI__LISTEN", "127.0.0.1:4999")
    assert config.load(write(tmp_path, "")).fastagi.listen == ("127.0.0.1", 4999)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[fastagi]\nlisen = 1\n", "fastagi.lisen: unknown key"),
        ('[fastagi]\nlisten = "localhost"\n', "fastagi.listen: expected ADDRESS:PORT"),
        ('[fastagi]\nlisten = "127.0.0.1:99999"\n', "fastagi.listen: expected ADDRESS:PORT"),
        ("[fastagi]\ndeadline_ms = 900\n", "fastagi.deadline_ms: "),
        ("[fastagi\n", "not valid TOML"),
        ('[[pbx]]\nname = "a b"\n', "pbx.0.name: "),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_file(tmp_path: Path, text: str, says: str) -> None:
    """The one line names the file, the key and what was expected."""
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        config.load(file)
    assert str(file) in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A configuration that was named and is not there is never replaced by another."""
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read"):
        config.load(tmp_path / "gone.toml")


def test_without_any_file_the_error_tells_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who has just installed the package learns the next command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VAGLIO_CONFIG", raising=False)
    monkeypatch.setattr(config, "SEARCHED", (Path("vaglio.toml"),))
    with pytest.raises(ConfigError, match="vaglio init DIR"):
        config.load()


@pytest.mark.parametrize("content", ["", "two words, and a comma\n", "\x01\n"])
def test_a_secret_file_without_a_usable_secret_is_refused(tmp_path: Path, content: str) -> None:
    """A secret travels as an AGI argument: one line, printable, without the comma that parts arguments."""
    settings = config.load(write(tmp_path, ""))
    (tmp_path / "secret").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="secret"):
        config.read_secret(settings, Path("secret"))


def test_a_secret_loses_only_its_line_end(tmp_path: Path) -> None:
    """`echo secret > file` is what people do."""
    settings = config.load(write(tmp_path, ""))
    (tmp_path / "secret").write_text("s3cret\n", encoding="ascii")
    assert config.read_secret(settings, Path("secret")) == "s3cret"


def keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += keys(inner, f"{prefix}{field.alias or name}.")
        elif name != "file" or prefix:
            found.append(f"{prefix}{field.alias or name}")
    return found


def test_every_setting_is_documented() -> None:
    """An operator finds each key in docs/operating.md."""
    text = DOCS.read_text(encoding="utf-8")
    missing = [key for key in keys(config.Settings) if f"`{key}`" not in text]
    assert not missing
