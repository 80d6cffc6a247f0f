"""`vaglio sync …`, `vaglio index …`: files fetched by themselves, and the index checked."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vaglio.cli.main import app
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json, print_table, progress_bar
from vaglio.errors import VerificationError
from vaglio.index import verify as checking
from vaglio.index.definitions import definitions
from vaglio.service.priority import stand_back
from vaglio.site import Site
from vaglio.sync.run import Runner, RunReport
from vaglio.sync.sources import sources
from vaglio.sync.status import SourceStatus, status

sync = typer.Typer(
    help="Sources: where registers and files of facts come from by themselves.", no_args_is_help=True
)
index = typer.Typer(help="The index as a file: checked, and saved when damaged.", no_args_is_help=True)
app.add_typer(sync, name="sync")
app.add_typer(index, name="index")


@sync.command()
def run(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One source; left out: all.")] = None,
    *,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Look, fetch what is new, import it; exit 1 when a source failed."""
    stand_back()
    reports = asyncio.run(_run(Site.at(config), name))
    if json:
        print_json([asdict(one) for one in reports])
    else:
        for one in reports:
            typer.echo(
                f"{one.source}: {len(one.loaded)} files loaded, {one.known} known, {one.unfinished} not finished, "
                f"{sum(file.summary.rejected for file in one.loaded)} rows rejected"
                + (f"; {one.error}" if one.error else "")
            )
            for file in one.loaded:
                if file.summary.rejects_file is not None:
                    typer.echo(f"  {file.file}: {file.summary.rejected} rejected: {file.summary.rejects_file}")
    if any(one.error for one in reports):
        raise typer.Exit(1)


async def _run(site: Site, name: str | None) -> list[RunReport]:
    registers = definitions(site.settings.registers)
    known = sources(site.settings.sources, registers)
    with progress_bar("sync") as on_progress:
        async with site.changes() as (changes, store):
            spool = site.index_file.with_name("spool")
            runner = Runner(changes, store, registers, site.settings.file.parent, spool, on_progress=on_progress)
            return await runner.run(known, name)


@sync.command("status")
def status_(config: ConfigOption = None, *, json: JsonOption = False) -> None:
    """How every source fares and when it is due."""
    site = Site.at(config)

    async def ask() -> list[SourceStatus]:
        async with site.changes() as (_, store):
            return await status(store, site.sources())

    found = asyncio.run(ask())
    if json:
        print_json([asdict(one) for one in found])
        return
    columns = ("source", "kind", "every", "last success", "failures", "due", "last error")
    rows = (
        (one.source, one.kind, one.every, one.succeeded_at, one.failures, one.due_at, one.last_error)
        for one in found
    )
    print_table("Sources", columns, rows)


@index.command("verify")
def verify_index(config: ConfigOption = None, *, json: JsonOption = False) -> None:
    """Check every page, shard and count; stops nobody meanwhile."""
    file = Site.at(config).index_file
    found = checking.verify(file)
    if json:
        print_json(asdict(found))
    else:
        for problem in found.problems:
            typer.echo(problem)
        print_table("Rows", ("table", "rows"), sorted(found.counts.items()))
    if found.problems:
        raise VerificationError(
            f"{file}: damaged; restore its backup, or save what it holds: vaglio index rebuild"
        )


@index.command()
def rebuild(
    *,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="FILE", help="Left out: beside it, as index.db.rebuilt.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Save all that a damaged index still holds into a new one; the damaged file stays as it is."""
    file = Site.at(config).index_file
    made = checking.rebuild(file, into or file.with_name(f"{file.name}.rebuilt"))
    if json:
        print_json({**asdict(made), "file": str(made.file)})
        return
    typer.echo(f"{made.file}: {sum(made.rows.values())} rows saved; stop the service and move it into place")
    if made.damaged:
        typer.echo(f"Not read to the end, import again: {', '.join(made.damaged)}")
