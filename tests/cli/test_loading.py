import subprocess
import sys

from typer.main import get_command

from vaglio.cli import main

_OF_MANY = "vaglio.cli.facts"
"""Makes commands for other modules, which import it."""


def test_each_command_is_added_by_the_modules_that_are_loaded_for_it() -> None:
    """No command misses a part because its module was thought to be another's."""
    main.load()
    app = get_command(main.app)
    found: dict[str, set[str]] = {}
    for name, command in app.commands.items():  # type: ignore[attr-defined]
        parts = getattr(command, "commands", {"": command}).values()
        modules = {part.callback.__module__ for part in parts} - {_OF_MANY}
        found[name] = {module.removeprefix("vaglio.cli.") for module in modules}
    told: dict[str, set[str]] = {}
    for module, commands in main.GROUPS.items():
        for command in commands:
            told.setdefault(command, set()).add(module)
    assert found.keys() == told.keys()
    assert all(found[name] <= told[name] for name in found)


def test_a_command_loads_nothing_that_only_others_need() -> None:
    """Calls wait for the start of `serve`, people for `check`: neither loads what imports and reports need."""
    asked = "from vaglio.cli import main; import sys; main.load(sys.argv[1]); print(*sys.modules)"
    for command, spared in (("serve", {"fastapi", "pygal"}), ("check", {"polars", "uvloop", "fastapi"})):
        done = subprocess.run([sys.executable, "-c", asked, command], capture_output=True, text=True, check=True)
        assert not spared & set(done.stdout.split())
