import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_commands_page_is_what_help_tells() -> None:
    """After a change of a command: scripts/commands-page > docs/commands.md."""
    script = ROOT / "scripts" / "commands-page"
    made = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    assert made == (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
