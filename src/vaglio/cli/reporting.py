"""`vaglio report …`: figures and documents for principals, data-protection officers and monitoring bodies."""

import os
import pwd
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer

from vaglio.audit import Reader, redacted
from vaglio.cli.main import app
from vaglio.cli.numbers import RegionOption, read_day
from vaglio.cli.settling import WindowOption
from vaglio.cli.terminal import ConfigOption, JsonOption, print_fields, print_json, print_table, progress_bar
from vaglio.clock import now
from vaglio.errors import ConfigError, InputError
from vaglio.index.reader import Reader as IndexReader
from vaglio.index.rows import Rejects, sha256_of
from vaglio.reports.contracts import read_contracts
from vaglio.reports.dpia import DpiaReport, dpia_report
from vaglio.reports.handing_over import about, file_name, hand_over, make_directory, rendered
from vaglio.reports.ledger import Period
from vaglio.reports.pack import MOST_SAMPLED, Sample, monitoring_pack
from vaglio.reports.principal import ContractsGiven, PrincipalReport, principal_report
from vaglio.reports.settlement import WINDOW_DAYS
from vaglio.reports.silent_calls import SilentCalls, silent_calls
from vaglio.site import Site

report = typer.Typer(
    help="Reports for principals, data-protection officers and monitoring bodies.", no_args_is_help=True
)
app.add_typer(report, name="report")


class Language(StrEnum):
    """Of a report."""

    ENGLISH = "en"
    ITALIAN = "it"
    FRENCH = "fr"


FromOption = Annotated[str, typer.Option("--from", metavar="ISO", help="A day (UTC), or a time with its zone.")]
ToOption = Annotated[str, typer.Option("--to", metavar="ISO", help="Not included.")]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="For the files; made if missing.")]
LanguageOption = Annotated[Language, typer.Option("--language", help="Of the documents.")]


@report.command("principal")
def principal(
    controller: Annotated[str, typer.Option("--controller", metavar="C", help="Whose calls.")],
    since: FromOption,
    until: ToOption,
    out: OutOption,
    *,
    language: LanguageOption = Language.ENGLISH,
    contracts: Annotated[
        Path | None,
        typer.Option("--contracts", metavar="FILE", help="CONTRACTS.csv, to tell which come from no lawful call."),
    ] = None,
    window: WindowOption = WINDOW_DAYS,
    region: RegionOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """What was called in a principal's name, on which basis, and how limits were kept: HTML, PDF and CSV."""
    site, period = Site.at(config), _period(since, until)
    told = about("principal", controller, period, language)
    with ExitStack() as stack:
        on_progress = stack.enter_context(progress_bar("report", of_bytes=False))
        given, rejects = None, None
        if contracts is not None:
            told["contracts"] = {"file": redacted(contracts.name), "sha256": sha256_of(contracts)}
            rejects = stack.enter_context(Rejects(contracts))
            given = ContractsGiven(read_contracts(contracts, rejects, region), timedelta(days=window))
        made = principal_report(site, controller, period, contracts=given, on_progress=on_progress)
    rejected = {} if rejects is None else {"rejected": rejects.count}
    _hand_over(site, made, out, told, language, json=json, more=rejected)


@report.command("dpia")
def dpia(
    since: FromOption,
    until: ToOption,
    out: OutOption,
    *,
    language: LanguageOption = Language.ENGLISH,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """The facts of a data-protection impact assessment, from configuration, databases and log."""
    site, period = Site.at(config), _period(since, until)
    with progress_bar("report", of_bytes=False) as on_progress:
        made = dpia_report(site, period, on_progress=on_progress)
    _hand_over(site, made, out, about("dpia", None, period, language), language, json=json, more={})


@report.command("monitoring-body")
def monitoring_body(
    since: FromOption,
    until: ToOption,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New or empty; DIR.zip is made beside it.")],
    *,
    controller: Annotated[
        str | None, typer.Option("--controller", metavar="C", help="Only this principal's; left out: all.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", metavar="N", min=1, max=MOST_SAMPLED, help="So many decisions by lot, not all."),
    ] = None,
    seed: Annotated[
        str | None, typer.Option("--seed", metavar="TEXT", help="Of the lot; the monitoring body's own choice.")
    ] = None,
    language: LanguageOption = Language.ENGLISH,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """A pack to check without Vaglio: the log of a period, rulebooks, principals' reports, checksums, a README."""
    site, period = Site.at(config), _period(since, until)
    if (sample is None) != (seed is None):
        raise InputError("--sample and --seed: give both or neither; the seed is what the monitoring body names")
    with progress_bar("pack", of_bytes=False) as on_progress:
        pack = monitoring_pack(
            site,
            out,
            period,
            by=_who(),
            controller=controller,
            sample=None if sample is None or seed is None else Sample(sample, seed),
            language=language,
            on_progress=on_progress,
        )
    told = {
        "directory": str(pack.directory),
        "archive": str(pack.archive),
        "controllers": list(pack.controllers),
        "decisions": pack.decisions,
        "sampled": pack.sampled,
        "records": pack.records,
        "checksums_sha256": pack.checksums_sha256,
        "entry": pack.entry,
    }
    print_fields({key: value for key, value in told.items() if json or value is not None}, json=json)
    _refuse(pack.failure)


def _period(since: str, until: str) -> Period:
    return Period(read_day("--from", since), read_day("--to", until))


def _who() -> str:
    """The login of who runs the command, for the log."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _hand_over(
    site: Site,
    made: PrincipalReport | DpiaReport,
    out: Path,
    told: Mapping[str, object],
    language: str,
    *,
    json: bool,
    more: Mapping[str, object],
) -> None:
    make_directory(out)
    documents = rendered(made, file_name(made), language)
    entry = hand_over(site.log_file, site.keys(), out, documents.files, told=told, by=_who(), at=made.made_at)
    files = [str(out / name) for name in documents.files]
    if json:
        print_json({"entry": entry, "files": files, **more, "report": orjson.Fragment(orjson.dumps(made))})
    else:
        for file in files:
            typer.echo(file)
        for name, value in more.items():
            typer.echo(f"{name}  {value}")
        typer.echo(f"entry  {entry}")
    _refuse(documents.failure)


def _refuse(failure: ConfigError | None) -> None:
    """Tell at last that everything but the PDF is there."""
    if failure is not None:
        raise ConfigError(f"HTML and CSV are written, PDF is not: {failure}")


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
