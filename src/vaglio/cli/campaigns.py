"""`vaglio campaign …`, `vaglio controller …`."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from vaglio.campaigning import take_over
from vaglio.cli.main import app
from vaglio.cli.terminal import ConfigOption, JsonOption, print_fields, print_json, print_summary, print_table
from vaglio.errors import NotFoundError
from vaglio.index.reader import Reader
from vaglio.index.rows import ImportSummary
from vaglio.recording import plain
from vaglio.redaction import redact
from vaglio.site import Site

campaign = typer.Typer(
    help="Campaigns: what is called for whom, when, and showing which number.", no_args_is_help=True
)
controller = typer.Typer(help="Controllers: the principals in whose name calls are made.", no_args_is_help=True)
app.add_typer(campaign, name="campaign")
app.add_typer(controller, name="controller")


@campaign.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml")],
    config: ConfigOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Add or replace the controllers and campaigns of a file; all of them or none."""
    print_summary(asyncio.run(_import(Site.at(config), file)), json=json)


async def _import(site: Site, file: Path) -> ImportSummary:
    async with site.changes() as (changes, store):
        _, summary = await take_over(changes, store, site.policy_directory, file)
    return summary


@campaign.command("list")
def list_(config: ConfigOption = None, *, json: JsonOption = False) -> None:
    """All campaigns."""
    with Reader.open(Site.at(config).index_file) as index:
        known = index.campaigns()
    if json:
        print_json([plain(one) for one in known])
        return
    columns = ("id", "controller", "purpose", "dial mode", "region", "starts", "ends", "mode", "on failure")
    rows = (
        (
            one.id,
            one.controller,
            one.purpose,
            one.dial_mode,
            one.region,
            one.starts,
            one.ends,
            one.mode,
            one.on_failure,
        )
        for one in known
    )
    print_table("Campaigns", columns, rows)


@campaign.command()
def show(
    campaign_id: Annotated[str, typer.Argument(metavar="ID")],
    config: ConfigOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """One campaign, whole."""
    with Reader.open(Site.at(config).index_file) as index:
        found = index.campaign(campaign_id)
    if found is None:
        raise NotFoundError(f"no campaign {redact(campaign_id)!r}; vaglio campaign list shows the known ones")
    print_fields(plain(found), json=json)


@controller.command("list")
def list_controllers(config: ConfigOption = None, *, json: JsonOption = False) -> None:
    """All controllers."""
    with Reader.open(Site.at(config).index_file) as index:
        known = index.controllers()
    if json:
        print_json([asdict(one) for one in known])
        return
    print_table("Controllers", ("id", "name"), ((one.id, one.name) for one in known))


@controller.command("show")
def show_controller(
    controller_id: Annotated[str, typer.Argument(metavar="ID")],
    config: ConfigOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """One controller and its campaigns."""
    with Reader.open(Site.at(config).index_file) as index:
        found = index.controller(controller_id)
        own = [one.id for one in index.campaigns() if one.controller == controller_id]
    if found is None:
        raise NotFoundError(
            f"no controller {redact(controller_id)!r}; vaglio controller list shows the known ones"
        )
    print_fields({**asdict(found), "campaigns": own}, json=json)
