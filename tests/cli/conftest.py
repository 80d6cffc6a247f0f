"""The command line in process: what a shell sees of each command, on an installation of its own."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from vaglio.cli import main
from vaglio.site import init

SAMPLE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, read as one JSON document."""
        return orjson.loads(self.out)

    @property
    def line(self) -> str:
        """The one line on standard error."""
        (line,) = self.err.splitlines()
        return line


Shell = Callable[..., Done]
"""`shell("campaign", "list")` → what came of it."""


@pytest.fixture(scope="session")
def empty_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation as `init` makes it, to be copied."""
    home = tmp_path_factory.mktemp("template") / "site"
    init(home)
    return home


@pytest.fixture
def home(empty_site: Path, tmp_path: Path) -> Path:
    """The directory of this test's own installation."""
    return Path(shutil.copytree(empty_site, tmp_path / "site"))


@pytest.fixture
def shell(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs commands as `vaglio` does, on this test's installation."""
    monkeypatch.setenv("VAGLIO_CONFIG", str(home / "vaglio.toml"))

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["vaglio", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main.run()
        told = capsys.readouterr()
        return Done(int(ended.value.code or 0), told.out, told.err)

    return run


@pytest.fixture
def house(shell: Shell) -> Shell:
    """The same with the sample campaigns and oppositions loaded."""
    assert shell("campaign", "import", SAMPLE / "campaigns.toml").code == 0
    assert shell("opposition", "import", SAMPLE / "oppositions.csv").code == 0
    return shell
