"""`vaglio audit tail`, `show`, `search`: reading the decision log."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from vaglio.audit import EntryKind, Log, Reader, Record, make
from vaglio.cli.main import app
from vaglio.cli.numbers import NumberArgument, RegionOption, read_number
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json, print_table
from vaglio.clock import now
from vaglio.errors import NotFoundError
from vaglio.site import Site

audit = typer.Typer(help="The decision log: read it, check it, hand it over.", no_args_is_help=True)
app.add_typer(audit, name="audit")


@audit.command()
def tail(
    *,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000, help="How many entries.")] = 20,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """The last entries, oldest first."""
    with Reader(Site.at(config).log_file) as log:
        records = log.tail(count)
    _print(records, "Entries", json=json)


@audit.command()
def show(
    entry: Annotated[str, typer.Argument(metavar="ID", help="A decision id, an entry id or a sequence number.")],
    config: ConfigOption = None,
) -> None:
    """One entry whole, and the entries that speak of it, as JSON."""
    with Reader(Site.at(config).log_file) as log:
        record = log.show(entry)
        print_json({**_document(record), "followed_by": [_document(one) for one in log.about(record.id)]})


@audit.command()
def search(
    number: NumberArgument, *, region: RegionOption = None, config: ConfigOption = None, json: JsonOption = False
) -> None:
    """Every entry that concerns a number; the search itself becomes an entry."""
    site = Site.at(config)
    read = read_number(number, region)
    keys = site.keys()
    with Log(site.log_file, keys) as log:
        log.append(make(EntryKind.ACCESS, now(), {"access": "search"}, number=read))
    with Reader(site.log_file) as log_reader:
        records = log_reader.by_token(keys.token(str(read.e164)))[:-1]
    _print(records, f"Entries about {read.masked}", json=json)
    if not records:
        raise NotFoundError(f"the log holds nothing about {read.masked}")


def _print(records: Sequence[Record], title: str, *, json: bool) -> None:
    if json:
        print_json([_document(record) for record in records])
        return
    columns = ("seq", "at", "kind", "number", "campaign", "verdict", "reason", "id")
    print_table(title, columns, map(_row, records))


def _document(record: Record) -> dict[str, Any]:
    return {"seq": record.seq, **record.body}


def _row(record: Record) -> tuple[object, ...]:
    body = record.body
    last3 = body.get("number", {}).get("last3")
    subject = f"…{last3}" if last3 else None
    told = body.get("reason") or body.get("change") or body.get("ref")
    at = f"{record.at:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    return (record.seq, at, record.kind, subject, body.get("campaign"), body.get("verdict"), told, record.id)
