"""`vaglio opposition …`: a person's refusal, recorded, shown, lifted only by an act of its own."""

import asyncio
from typing import Annotated

import typer

from vaglio import recording
from vaglio.cli.facts import add_import, add_show, option
from vaglio.cli.main import app
from vaglio.cli.numbers import NumberArgument, RegionOption, read_number
from vaglio.cli.terminal import ConfigOption, JsonOption, print_fields
from vaglio.clock import now
from vaglio.errors import NotFoundError
from vaglio.index.records import FactKind
from vaglio.model import ANY
from vaglio.site import Site

opposition = typer.Typer(help="Oppositions: who refused to be called, by whom, for what.", no_args_is_help=True)
app.add_typer(opposition, name="opposition")

ControllerOption = Annotated[
    str, typer.Option("--controller", metavar="C", help="The principal; * is every principal served here.")
]


add_import(opposition, FactKind.OPPOSITION)


@opposition.command()
def add(
    number: NumberArgument,
    controller: ControllerOption,
    *,
    purpose: Annotated[str, typer.Option("--purpose", metavar="P", help="One purpose; * is all.")] = ANY,
    channel: Annotated[
        str, typer.Option("--channel", metavar="TEXT", help="How it came in; `complaint` is counted on its own.")
    ] = "command-line",
    evidence: Annotated[str | None, typer.Option("--evidence", metavar="URI")] = None,
    region: RegionOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Record an opposition; it binds from the next call on."""
    site = Site.at(config)
    read = read_number(number, region)
    values = {
        "number": read.e164,
        "controller": controller,
        "purpose": purpose,
        "opposed_at": now().isoformat(),
        "channel": channel,
        "evidence_uri": evidence,
    }
    opposed = recording.record(FactKind.OPPOSITION, values, option)

    async def change() -> str:
        async with site.changes() as (changes, store):
            await recording.known_controller(store, controller, option("controller"))
            announced, _ = await recording.add(changes, store, opposed, read, {})
            return announced.id

    entry = asyncio.run(change())
    print_fields({"number": read.masked, "controller": controller, "purpose": purpose, "entry": entry}, json=json)


@opposition.command()
def lift(
    number: NumberArgument,
    controller: ControllerOption,
    evidence: Annotated[str, typer.Option("--evidence", metavar="URI", help="The person's own later act.")],
    *,
    purpose: Annotated[str | None, typer.Option("--purpose", metavar="P", help="Left out: all of them.")] = None,
    region: RegionOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """End a number's oppositions to a controller, by an act of its own; the record stays."""
    site = Site.at(config)
    read = read_number(number, region)
    at = now()

    async def change() -> tuple[str, int]:
        async with site.changes() as (changes, store):
            announced, lifted = await recording.lift(
                changes, store, read, controller, purpose=purpose, at=at, evidence_uri=evidence, origin={}
            )
            return announced.id, lifted

    entry, lifted = asyncio.run(change())
    if not lifted:
        raise NotFoundError(f"{read.masked} has no opposition to {controller} in force; nothing was lifted")
    print_fields({"number": read.masked, "controller": controller, "lifted": lifted, "entry": entry}, json=json)


add_show(
    opposition,
    FactKind.OPPOSITION,
    ("controller", "purpose", "opposed_at", "channel", "evidence_uri", "lifted_at", "entry"),
)
