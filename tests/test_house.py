"""What the tree promises about itself."""

import ast
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vaglio.index.definitions import definitions
from vaglio.rules import load

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "vaglio"

BASE = {"clock", "errors", "model", "numbers", "redaction", "turn"}
LAYERS: dict[str, set[str]] = {
    "errors": set(),
    "redaction": set(),
    "turn": {"errors"},
    "clock": set(),
    "__main__": {"cli"},
    "numbers": {"errors", "redaction"},
    "model": {"numbers"},
    "config": {"errors"},
    "logging": {"config", "redaction"},
    "metrics": set(),
    "rules": BASE,
    "index": BASE,
    "audit": BASE,
    "screening": {*BASE, "rules", "index", "audit"},
    "changes": {*BASE, "index", "audit"},
    "recording": {*BASE, "index", "audit", "changes"},
    "policy": BASE,
    "campaigning": {*BASE, "index", "audit", "changes", "recording", "policy"},
    "site": {*BASE, "rules", "index", "audit", "screening", "changes", "config", "sync"},
    "sync": {*BASE, "index", "audit", "rules", "screening", "changes", "config"},
    "reports": {*BASE, "index", "audit", "rules", "screening", "changes", "config", "site"},
    "pbx": {*BASE, "index", "audit", "rules", "screening", "changes", "config", "metrics"},
    "service": {*BASE, "index", "audit", "rules", "screening", "changes", "config", "site", "sync"}
    | {"pbx", "policy", "reports", "web", "logging", "metrics"},
    "web": {*BASE, "index", "audit", "rules", "screening", "changes", "config", "site", "sync", "reports"}
    | {"recording", "policy", "campaigning", "logging", "metrics"},
    "cli": {*BASE, "index", "audit", "rules", "screening", "changes", "config", "site", "sync", "reports"}
    | {"recording", "policy", "campaigning", "pbx", "web", "service", "logging", "metrics"},
}
"""Which rooms each room may import: the whole house in one table, from the cellar up."""


def room(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(file: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names]
                if node.module == "vaglio"
                else [node.module]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("vaglio.")}
    return rooms - {room(file), "__version__"}


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_run_one_way(file: Path) -> None:
    """A room imports only rooms below it."""
    if file == SOURCE / "__init__.py":
        return
    assert imported_rooms(file) <= LAYERS[room(file)]


def test_rules_read_no_clock_and_do_no_io() -> None:
    """A decision is a function of its inputs: the same question and facts give the same answer at any time."""
    forbidden = re.compile(r"datetime\.now|time\.time|date\.today|utcnow|import (sqlite3|socket|random)\b")
    found = [
        f"{file.name}:{number}"
        for file in (SOURCE / "rules").rglob("*.py")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert not found


def test_every_test_states_its_behaviour() -> None:
    """Each test has one sentence that says what is promised."""
    mute = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert not mute


def test_no_download_host_is_named_in_the_tree() -> None:
    """Mirrors and registries come from the machine's own configuration."""
    hosts = re.compile(
        r"deb\.debian" r"\.org|archive\.ubuntu" r"\.com|pypi" r"\.org|pythonhosted" r"\.org|npmjs" r"\.org"
    )
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    found = [
        name
        for name in tracked.split("\0")
        if name and (ROOT / name).is_file() and hosts.search((ROOT / name).read_text("utf-8", errors="replace"))
    ]
    assert not found


def test_every_register_a_rulebook_asks_is_one_the_index_knows() -> None:
    """The law and the lists call a register by the same name."""
    known = definitions()
    asked = {
        register
        for book in load().books.values()
        for year in range(2020, 2028)
        for register in book.period(datetime(year, 9, 1, tzinfo=UTC)).registers
    }
    assert asked
    assert asked <= known.keys()
