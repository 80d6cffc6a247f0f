"""`vaglio register …`: registers taken in, asked, and how fresh they are."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from vaglio.changes import Change
from vaglio.cli.main import app
from vaglio.cli.numbers import read_day
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json, progress_bar
from vaglio.index import snapshots
from vaglio.index.definitions import definition
from vaglio.index.rows import sha256_of
from vaglio.index.snapshots import RegisterSummary
from vaglio.site import Site

register = typer.Typer(help="Registers: lists handed over, and keepers that are asked.", no_args_is_help=True)
app.add_typer(register, name="register")


@register.command("import")
def import_(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="tps, ctps, us-dnc, ca-dncl, rpo, bloctel, or your own.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    *,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="ISO", help="The list's own date; left out: from its name.")
    ] = None,
    areas: Annotated[str, typer.Option("--areas", metavar="212,415", help="Area codes it was fetched for.")] = "",
    change: Annotated[bool, typer.Option("--change", help="The file holds changes, not the whole list.")] = False,
    base: Annotated[
        str | None, typer.Option("--base", metavar="ISO", help="Date of the list the changes apply to.")
    ] = None,
    force: Annotated[
        str | None, typer.Option("--force", metavar="REASON", help="Take a list that would be refused; logged.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Load a list register's file."""
    site = Site.at(config)
    definition(name, site.settings.registers)
    summary = asyncio.run(_import_list(site, name, file, as_of, areas, base, force, change=change))
    _print(summary, json=json)


async def _import_list(
    site: Site,
    name: str,
    file: Path,
    as_of: str | None,
    areas: str,
    base: str | None,
    force: str | None,
    *,
    change: bool,
) -> RegisterSummary:
    known = definition(name, site.settings.registers)
    with progress_bar(file.name) as on_progress:
        async with site.changes() as (changes, store):
            _, summary = await changes.make(
                Change.REGISTER_IMPORT,
                {"register": name, "file": file.name, "sha256": sha256_of(file), "forced": force},
                lambda entry: snapshots.import_list(
                    store,
                    known,
                    file,
                    entry=entry,
                    as_of=None if as_of is None else read_day("--as-of", as_of),
                    areas=[area.strip() for area in areas.split(",") if area.strip()],
                    change=change,
                    base=None if base is None else read_day("--base", base),
                    force=force,
                    on_progress=on_progress,
                ),
                result=_told,
            )
    return summary


def _told(summary: RegisterSummary) -> dict[str, Any]:
    return {
        **asdict(summary),
        "as_of": summary.as_of.isoformat(),
        "coverage": list(summary.coverage or ()) or None,
    }


def _print(summary: RegisterSummary, *, json: bool) -> None:
    if json:
        print_json(_told(summary))
        return
    typer.echo(
        f"{summary.register} as of {summary.as_of:%Y-%m-%d}: {summary.read} rows, {summary.new} numbers,"
        f" {summary.rejected} rejected, in {summary.seconds:.1f} s; {summary.entries} numbers are opposed now"
    )
    if summary.rejects_file:
        typer.echo(f"Rejected rows and why: {summary.rejects_file}")
