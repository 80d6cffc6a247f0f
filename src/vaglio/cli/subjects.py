"""`vaglio subject …`: a person's own rights: what is held about a number, and its erasure."""

import asyncio
from typing import Annotated

import typer

from vaglio.audit import EntryKind, Log, Reader, make
from vaglio.cli.main import app
from vaglio.cli.numbers import NumberArgument, RegionOption, read_number
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json
from vaglio.clock import now
from vaglio.errors import InputError, NotFoundError
from vaglio.index.reader import Reader as IndexReader
from vaglio.redaction import redact
from vaglio.reports.erasure import erase_subject
from vaglio.reports.subject import subject_report
from vaglio.reports.subject_text import subject_text
from vaglio.site import Site

subject = typer.Typer(
    help="A person's rights: what is held about a number, and its erasure.", no_args_is_help=True
)
app.add_typer(subject, name="subject")

ControllerOption = Annotated[
    str | None,
    typer.Option("--controller", metavar="C", help="Only this principal's data; left out: all."),
]


@subject.command("report")
def report_(
    number: NumberArgument,
    *,
    controller: ControllerOption = None,
    region: RegionOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """All that is held about a number (GDPR art. 15); the number is in clear: check first who asks."""
    site, read, at = Site.at(config), read_number(number, region), now()
    keys = site.keys()
    with IndexReader.open(site.index_file) as index, Reader(site.log_file) as log:
        _known(index, controller)
        days = site.settings.audit.retention_days
        report = subject_report(index, log, keys, read, days, at, controller)
    with Log(site.log_file, keys) as writer:  # told before the answer can be read
        fields = {"access": "subject-report", "controller": controller}
        writer.append(make(EntryKind.ACCESS, at, fields, number=read if report["held"] else None))
    if json:
        print_json(report)
    else:
        typer.echo(subject_text(report), nl=False)
    if not report["held"]:
        raise NotFoundError(f"nothing is held about {read.masked}")


@subject.command("erase")
def erase_(
    number: NumberArgument,
    *,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="The request, such as a ticket; kept in the log."),
    ] = None,
    controller: ControllerOption = None,
    region: RegionOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Erase what may be erased about a number; keep what must be kept, and say which and why (GDPR art. 17)."""
    site, read = Site.at(config), read_number(number, region)
    if reason is not None and not reason.strip():
        raise InputError(
            "--reason: empty; say how the erasure was asked for, such as a ticket's number, or leave it out"
        )
    with IndexReader.open(site.index_file) as index:
        _known(index, controller)
    document = asyncio.run(erase_subject(site, read, reason, now(), controller)).document
    if json:
        print_json({"number": read.masked, **document})
        return
    for what, count in document["erased"].items():
        typer.echo(f"erased  {count}  {what}")
    for one in document["kept"]:
        typer.echo(f"kept    {one['count']}  {one['what']}: {one['why']}")
    if not document["erased"]:
        typer.echo(f"Nothing about {read.masked} was there that may be erased.")
    if not document["wiped"]:
        typer.echo(
            "A reader is in the way: old pages stay in the index's write-ahead log until its next checkpoint."
        )
    if not any(one["what"] == "opposition" for one in document["kept"]):
        typer.echo("No opposition is on record: a later file may bring the number back (vaglio opposition add).")
    typer.echo(f"entry   {document['entry']}")


def _known(index: IndexReader, controller: str | None) -> None:
    if controller is not None and index.controller(controller) is None:
        raise InputError(
            f"--controller {redact(controller)!r}: not known here; vaglio controller list shows the known ones"
        )
