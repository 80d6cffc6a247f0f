"""`vaglio scrub`: which leads of a calling list could be called, and why not the others."""

from pathlib import Path
from typing import Annotated

import typer

from vaglio.cli.main import app
from vaglio.cli.numbers import read_instant
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json, print_table, progress_bar
from vaglio.reports.scrub import Order, Summary, scrub
from vaglio.site import Site

_WIDTH = 40
"""Characters of the longest bar."""


@app.command("scrub")
def scrub_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A list: CSV of any kind, or .xlsx.")],
    campaign: Annotated[str, typer.Option("--campaign", metavar="C")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="For allowed.csv and blocked.csv.")],
    *,
    number_column: Annotated[
        str | None,
        typer.Option("--number-column", metavar="NAME", help="Name or place (from 1); left out: found."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region", metavar="XX", help="Country in whose form bare digits are written, if not the campaign's."
        ),
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="ISO", help="Another instant, with its zone.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Part a calling list into leads that could be called and leads that could not, with the reason for each."""
    instant = read_instant("--at", at) if at is not None else None
    order = Order(file, campaign, out, number_column, region=region, at=instant)
    with progress_bar(file.name) as on_progress:
        summary = scrub(Site.at(config), order, on_progress)
    if json:
        print_json(summary.document())
    else:
        _show(summary)


def _show(summary: Summary) -> None:
    most = max((amount for reasons in summary.reasons.values() for amount in reasons.values()), default=1)
    rows = [
        (verdict, reason, amount, f"{amount / summary.leads:.1%}", _bar(amount, most))
        for verdict, reasons in summary.reasons.items()
        for reason, amount in reasons.items()
    ]
    print_table("Leads", ("verdict", "reason", "leads", "share", ""), rows)
    typer.echo(
        f"{summary.leads} leads (number in column {summary.column!r}): {summary.allowed} allowed,"
        f" {summary.blocked} blocked, {summary.later} of these only until later"
    )
    typer.echo(f"{summary.allowed_file}\n{summary.blocked_file}")
    typer.echo(summary.advice)


def _bar(amount: int, most: int) -> str:
    return "█" * max(1, round(amount / most * _WIDTH))
