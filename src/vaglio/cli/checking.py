"""`vaglio check`: what would be decided, and why. Writes nothing; the same code path as a call."""

from typing import Annotated

import typer

from vaglio.cli.main import app
from vaglio.cli.numbers import read_instant
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json, print_table
from vaglio.model import Verdict
from vaglio.reports.explanation import explained
from vaglio.rules import reason_text
from vaglio.screening import Judgement
from vaglio.site import Site


@app.command()
def check(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="As the dialplan would pass it.")],
    campaign: Annotated[str, typer.Option("--campaign", metavar="C")],
    *,
    caller_id: Annotated[
        str | None,
        typer.Option("--caller-id", metavar="N", help="Left out: the campaign's first declared number."),
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="ISO", help="Another instant, with its zone.")] = None,
    language: Annotated[
        str,
        typer.Option(
            "--language", metavar="XX", envvar="LANG", help="Of the reason: en, it, fr.", show_envvar=True
        ),
    ] = "en",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """What would be decided for a call, and why: every rule asked, the fact it used, its citation."""
    instant = read_instant("--at", at) if at is not None else None
    with Site.at(config).screener() as screener:
        if caller_id is None:
            known = screener.index.campaign(campaign)
            caller_id = known.caller_ids[0] if known and known.caller_ids else ""
        judgement = screener.judge(number, campaign, caller_id, at=instant)
    if json:
        print_json(explained(judgement))
    else:
        _show(judgement, language)
    if judgement.decision.verdict is Verdict.BLOCK:
        raise typer.Exit(1)


def _show(judgement: Judgement, language: str) -> None:
    decision = judgement.decision
    typer.echo(
        f"{decision.verdict.upper()}  {decision.reason}"
        + (f" (would be {decision.would_be})" if decision.would_be else "")
    )
    typer.echo(reason_text(decision.reason, language))
    typer.echo(
        f"number      {judgement.call.number.e164 or judgement.call.number.digits} ({judgement.call.number.kind})"
    )
    typer.echo(f"rulebook    {decision.rulebook or 'none'}")
    for zone, time in decision.local_times.items():
        typer.echo(f"local time  {time} ({zone})")
    print_table(
        "Findings",
        ("rule", "outcome", "reason", "detail", "evidence", "citation"),
        ((one.rule, one.outcome, one.reason, one.detail, one.evidence, one.citation) for one in decision.findings),
    )
