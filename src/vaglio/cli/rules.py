"""`vaglio rules …` and `vaglio replay`: the law in force, what changed in it, and what a change would change."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from vaglio.cli.main import app
from vaglio.cli.numbers import read_day
from vaglio.cli.terminal import ConfigOption, JsonOption, print_fields, print_json, print_table
from vaglio.clock import now
from vaglio.errors import InputError, NotFoundError
from vaglio.reports.replay import Replayed, replay
from vaglio.rules import Listed, Rulebooks, differences, listed, shown
from vaglio.site import Site

rules = typer.Typer(help="The law as dated data: what is in force, and how it differs.", no_args_is_help=True)
app.add_typer(rules, name="rules")

AtOption = Annotated[str | None, typer.Option("--at", metavar="ISO", help="A day or an instant; left out: now.")]
RulebookOption = Annotated[
    Path | None,
    typer.Option("--rulebook", metavar="FILE", help="A rulebook or site file to try in place of yours."),
]


def _instant(at: str | None, option: str = "--at") -> datetime:
    return now() if at is None else read_day(option, at)


@rules.command("list")
def list_(
    jurisdiction: Annotated[str | None, typer.Argument(metavar="[JURISDICTION]", help="it, fr, gb …")] = None,
    *,
    at: AtOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also rules that are off, over or yet to come.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """The rules in force, each with its citation and how sure we are of it."""
    rulebooks = Site.at(config).rulebooks()
    _known(rulebooks, jurisdiction)
    found = listed(rulebooks, _instant(at), jurisdiction, everything=everything)
    if json:
        print_json([_document(one) for one in found])
        return
    columns = ("rule", "rulebook", "summary", "confidence", "from", "to", "citation")
    rows = (
        (
            one.rule.id,
            one.version,
            one.rule.summary,
            one.rule.confidence,
            one.rule.valid_from,
            one.rule.valid_to,
            one.rule.citation,
        )
        for one in found
    )
    print_table("Rules", columns, rows)


@rules.command()
def show(
    rule: Annotated[str, typer.Argument(metavar="ID", help="Such as IT-COC-02.")],
    *,
    at: AtOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """One rule, whole."""
    found = shown(Site.at(config).rulebooks(), rule, _instant(at))
    if found is None:
        raise NotFoundError(f"no rule {rule[:40]!r}; vaglio rules list --all shows the known ones")
    print_fields(_document(found), json=json)


@rules.command()
def diff(
    jurisdiction: Annotated[str, typer.Argument(metavar="JURISDICTION")],
    *,
    since: Annotated[str | None, typer.Option("--since", metavar="ISO", help="The earlier day.")] = None,
    at: AtOption = None,
    rulebook: RulebookOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """What changed in law between two days, or what a file would change today."""
    site = Site.at(config)
    ours, then = site.rulebooks(), _instant(at)
    _known(ours, jurisdiction)
    if (since is None) == (rulebook is None):
        raise InputError("rules diff: give --since ISO for two days, or --rulebook FILE for two versions")
    other = site.rulebooks(rulebook) if rulebook is not None else ours
    before = _instant(since, "--since")
    found = differences(ours.books[jurisdiction], before, other.books[jurisdiction], then)
    if json:
        documents = [
            {"rule": one.rule, "change": one.sort, "summary": one.summary, "keys": [list(key) for key in one.keys]}
            for one in found
        ]
        print_json(documents)
        return
    for one in found:
        typer.echo(f"{one.sort:<8} {one.rule}  {one.summary}")
        for key, old, new in one.keys:
            typer.echo(f"         {key}: {old} -> {new}")
    if not found:
        typer.echo("No difference.")


@app.command("replay")
def replay_(
    since: Annotated[str, typer.Option("--since", metavar="ISO", help="From this day or instant on.")],
    *,
    until: Annotated[str | None, typer.Option("--until", metavar="ISO")] = None,
    rulebook: RulebookOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Decide recorded calls again and list what would change; writes nothing."""
    site = Site.at(config)
    rulebooks = site.rulebooks(rulebook)
    end = None if until is None else read_day("--until", until)
    with site.screener() as screener:
        decided = list(replay(screener, rulebooks, read_day("--since", since), end))
    changed = [one for one in decided if one.changed]
    gone = sum(one.again is None for one in decided)
    if json:
        print_json({"calls": len(decided), "changed": [_change(one) for one in changed], "number_gone": gone})
        return
    columns = ("at", "decision", "number", "campaign", "was", "would be")
    rows = ([*_change(one).values()] for one in changed)
    if changed:
        print_table("Calls that would be decided otherwise", columns, rows)
    typer.echo(f"{len(decided)} calls decided again, {len(changed)} otherwise, {gone} whose number is gone.")


def _change(one: Replayed) -> dict[str, str]:
    again = one.again
    return {
        "at": one.at.isoformat(),
        "decision": one.decision,
        "number": f"…{one.last3}",
        "campaign": one.campaign,
        "was": f"{one.verdict} {one.reason}",
        "would_be": f"{again.verdict} {again.reason}" if again else "",
    }


def _known(rulebooks: Rulebooks, jurisdiction: str | None) -> None:
    if jurisdiction is not None and jurisdiction not in rulebooks.books:
        raise InputError(
            f"jurisdiction {jurisdiction[:20]!r}: no rulebook; there are {', '.join(rulebooks.books)}"
        )


def _document(one: Listed) -> dict[str, Any]:
    return {
        "rulebook": one.version,
        "in_force": one.in_force,
        **one.rule.model_dump(mode="json", exclude_defaults=False),
    }
