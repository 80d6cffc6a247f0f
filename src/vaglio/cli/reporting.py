"""`vaglio report …`: figures for principals and monitoring bodies."""

from datetime import timedelta
from typing import Annotated

import typer

from vaglio.audit import Reader
from vaglio.cli.main import app
from vaglio.cli.numbers import read_day
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json, print_table
from vaglio.clock import now
from vaglio.index.reader import Reader as IndexReader
from vaglio.reports.silent_calls import SilentCalls, silent_calls
from vaglio.site import Site

report = typer.Typer(help="Figures for principals and monitoring bodies.", no_args_is_help=True)
app.add_typer(report, name="report")


@report.callback()
def _group() -> None:
    """Keeps `silent-calls` a command of its own while it is the only one."""


@report.command("silent-calls")
def silent(
    *,
    since: Annotated[str | None, typer.Option("--since", metavar="ISO", help="Left out: 30 days ago.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="ISO", help="Not included.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Silent calls per campaign against the cap; exit 1 when a campaign is above it."""
    site = Site.at(config)
    begin = now() - timedelta(days=30) if since is None else read_day("--since", since)
    end = None if until is None else read_day("--until", until)
    with IndexReader.open(site.index_file) as index, Reader(site.log_file) as log:
        found = silent_calls(log, {one.id: one for one in index.campaigns()}, begin, end)
    if json:
        print_json([_document(one) for one in found])
    else:
        columns = ("campaign", "delivered", "answered", "silent", "percent", "cap", "no outcome", "above")
        print_table("Silent calls", columns, map(_row, found))
    if any(one.above for one in found):
        raise typer.Exit(1)


def _row(one: SilentCalls) -> tuple[object, ...]:
    percent = None if one.percent is None else f"{one.percent:.2f}"
    cap = None if one.cap is None else f"{one.cap.percent:g} ({one.cap.confidence})"
    above = "ABOVE" if one.above else ""
    return (one.campaign, one.delivered, one.answered, one.silent, percent, cap, one.unknown, above)


def _document(one: SilentCalls) -> dict[str, object]:
    return {
        "campaign": one.campaign,
        "delivered": one.delivered,
        "answered": one.answered,
        "silent": one.silent,
        "percent": one.percent,
        "no_outcome": one.unknown,
        "cap_percent": one.cap.percent if one.cap else None,
        "citation": one.cap.citation if one.cap else None,
        "confidence": one.cap.confidence if one.cap else None,
        "above": one.above,
    }
