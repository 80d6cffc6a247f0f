"""What every kind of fact has in common at the shell: a file is imported, a number's facts are shown."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from vaglio.cli.numbers import NumberArgument, RegionOption, read_number
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json, print_summary, print_table, progress_bar
from vaglio.errors import NotFoundError
from vaglio.index import imports
from vaglio.index.history import history
from vaglio.index.records import FactKind
from vaglio.index.rows import ImportSummary, sha256_of
from vaglio.recording import IMPORTS
from vaglio.site import Site

_OPTIONS: Final = {"evidence_uri": "--evidence", "notice_id": "--notice"}
"""Options that are not named after their column."""


def add_import(group: typer.Typer, kind: FactKind) -> None:
    """Give a command group its `import FILE`."""

    def command(
        file: Annotated[Path, typer.Argument(metavar="FILE")],
        *,
        region: RegionOption = None,
        config: ConfigOption = None,
        json: JsonOption = False,
    ) -> None:
        print_summary(asyncio.run(_import(Site.at(config), kind, file, region)), json=json)

    command.__doc__ = f"Load a file of {kind}s (docs/registers.md); bad rows go to FILE.rejects.csv."
    group.command("import")(command)


async def _import(site: Site, kind: FactKind, file: Path, region: str | None) -> ImportSummary:
    sha256 = sha256_of(file)
    with progress_bar(file.name) as on_progress:
        async with site.changes() as (changes, store):
            _, summary = await changes.make(
                IMPORTS[kind],
                {"file": file.name, "sha256": sha256},
                lambda entry: imports.import_facts(
                    store, kind, file, entry=entry, region=region, on_progress=on_progress
                ),
                result=asdict,
            )
    return summary


def add_show(group: typer.Typer, kind: FactKind, columns: Sequence[str]) -> None:
    """Give a command group its `show NUMBER`."""

    def command(
        number: NumberArgument,
        *,
        region: RegionOption = None,
        config: ConfigOption = None,
        json: JsonOption = False,
    ) -> None:
        read = read_number(number, region)
        found = history(Site.at(config).index_file, read.key, (kind,))[kind]
        if json:
            print_json(found)
        elif found:
            print_table(
                f"{kind.capitalize()}s of {read.masked}",
                columns,
                ([fact.get(name) for name in columns] for fact in found),
            )
        if not found:
            raise NotFoundError(f"{read.masked} has no {kind}")

    command.__doc__ = f"Every {kind} of a number, ended and corrected ones too."
    group.command("show")(command)


def option(column: str) -> str:
    """The option that gives a column its value."""
    return _OPTIONS.get(column, f"--{column.replace('_', '-')}")
