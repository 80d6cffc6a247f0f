"""`vaglio register …`: registers taken in, asked, and how fresh they are."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from vaglio.changes import Change
from vaglio.cli.main import app
from vaglio.cli.numbers import read_day
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json, print_table, progress_bar
from vaglio.clock import now
from vaglio.errors import InputError
from vaglio.index import batches, overview, snapshots, verdicts
from vaglio.index.definitions import AnswerLayout, RegisterKind, definition, definitions
from vaglio.index.overview import RegisterInfo
from vaglio.index.rows import sha256_of
from vaglio.site import Site

register = typer.Typer(help="Registers: lists handed over, and keepers that are asked.", no_args_is_help=True)
app.add_typer(register, name="register")

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="tps, ctps, us-dnc, ca-dncl, rpo, bloctel, or one of your own.")
]


@register.command("import")
def import_(
    name: NameArgument,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Several only as one answer in parts.")],
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
    controller: Annotated[
        str | None, typer.Option("--controller", metavar="C", help="Of an answer: who asked.")
    ] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="ID", help="Of an answer: which request.")
    ] = None,
    layout: Annotated[AnswerLayout | None, typer.Option("--layout", help="Of an answer: how it tells.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Load a register's list, or the answer to a request."""
    site = Site.at(config)
    known = definition(name, site.settings.registers)
    if known.kind is RegisterKind.QUERY:
        if controller is None or batch is None:
            raise InputError(
                f"register {name}: an answer needs --controller and --batch; the request printed the batch"
            )
        told = asyncio.run(_import_answer(site, name, files, controller, batch, layout))
    elif len(files) > 1:
        raise InputError(f"register {name}: one file is one list; import the others by commands of their own")
    else:
        options = {
            "as_of": None if as_of is None else read_day("--as-of", as_of),
            "areas": [area.strip() for area in areas.split(",") if area.strip()],
            "change": change,
            "base": None if base is None else read_day("--base", base),
            "force": force,
        }
        told = asyncio.run(_import_list(site, name, files[0], options))
    _print(told, json=json)


async def _import_list(site: Site, name: str, file: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    known = definition(name, site.settings.registers)
    announced = {"register": name, "file": file.name, "sha256": sha256_of(file), "forced": options["force"]}
    with progress_bar(file.name) as on_progress:
        async with site.changes() as (changes, store):
            _, summary = await changes.make(
                Change.REGISTER_IMPORT,
                announced,
                lambda entry: snapshots.import_list(
                    store, known, file, entry=entry, on_progress=on_progress, **options
                ),
                result=lambda done: _plain(asdict(done)),
            )
    told: dict[str, Any] = _plain(asdict(summary))
    return told


async def _import_answer(
    site: Site, name: str, files: list[Path], controller: str, batch: str, layout: AnswerLayout | None
) -> dict[str, Any]:
    known = definition(name, site.settings.registers)
    announced = {
        "register": name,
        "controller": controller,
        "batch": batch,
        "files": [{"file": file.name, "sha256": sha256_of(file)} for file in files],
    }
    with progress_bar(files[0].name) as on_progress:
        async with site.changes() as (changes, store):
            _, summary = await changes.make(
                Change.REGISTER_IMPORT,
                announced,
                lambda entry: verdicts.import_verdicts(
                    store,
                    known,
                    files,
                    controller=controller,
                    batch=batch,
                    entry=entry,
                    layout=layout,
                    on_progress=on_progress,
                ),
                result=lambda done: _plain(asdict(done)),
            )
    told: dict[str, Any] = _plain(asdict(summary))
    return told


def _print(told: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(told)
        return
    typer.echo(
        f"{told['register']}: {told['read']} read, {told['new']} new, {told['unchanged']} unchanged,"
        f" {told['rejected']} rejected, in {told['seconds']:.1f} s"
    )
    if "entries" in told:
        typer.echo(f"As of {told['as_of'][:10]}, {told['entries']} numbers are on the list.")
    else:
        typer.echo(f"As of {told['requested_at']}, {told['opposed']} are opposed and {told['clear']} are clear.")
    if told.get("rejects_file"):
        typer.echo(f"Rejected rows and why: {told['rejects_file']}")


@register.command()
def request(
    name: NameArgument,
    controller: Annotated[str, typer.Option("--controller", metavar="C", help="Who asks.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the numbers are written.")],
    *,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write the numbers that are due for a check; the batch id is the last line printed."""
    site = Site.at(config)
    known = definition(name, site.settings.registers)

    async def change() -> batches.RequestSummary:
        async with site.changes() as (changes, store):
            _, made = await changes.make(
                Change.REGISTER_REQUEST,
                {"register": name, "controller": controller, "file": out.name},
                lambda entry: batches.request(store, known, controller, out, entry=entry),
                result=lambda done: _plain(asdict(done)),
            )
        return made

    summary = asyncio.run(change())
    if json:
        print_json(_plain(asdict(summary)))
        return
    if summary.batch is None:
        typer.echo("No number is due for a check.")
        return
    for file in summary.files:
        typer.echo(f"{file.file}: {file.numbers} numbers")
    typer.echo(summary.batch)


@register.command("list")
def list_(config: ConfigOption = None, *, json: JsonOption = False) -> None:
    """Every register: entries, age, days left, and the campaigns it matters to."""
    site = Site.at(config)
    found = overview.registers(site.index_file, definitions(site.settings.registers))
    asking = site.campaigns_asking(now())
    if json:
        print_json([{**_plain(asdict(one)), "campaigns": asking.get(one.name, [])} for one in found])
        return
    columns = (
        "register",
        "controller",
        "entries",
        "opposed",
        "as of",
        "age (days)",
        "days left",
        "state",
        "campaigns",
    )
    print_table("Registers", columns, ((*_row(one), " ".join(asking.get(one.name, ()))) for one in found))


def _row(one: RegisterInfo) -> tuple[object, ...]:
    if one.as_of is None:
        state = "never loaded"
    elif one.days_left is not None and one.days_left <= 0:
        state = "STALE"
    else:
        state = "expires soon" if one.warning else "fresh"
    age = None if one.age_days is None else f"{one.age_days:.1f}"
    left = None if one.days_left is None else f"{one.days_left:.1f}"
    as_of = None if one.as_of is None else f"{one.as_of:%Y-%m-%d %H:%M}"
    return (one.name, one.controller, one.entries, one.opposed, as_of, age, left, state)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any dataclass as a document
    """Values that JSON and the log both take: times as ISO 8601, tuples as lists."""
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case str() | int() | float() | None:
            return value
        case _:
            return value.isoformat() if hasattr(value, "isoformat") else str(value)
