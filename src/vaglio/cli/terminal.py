"""How commands take their common options and speak: tables for people, JSON for programs, one line for errors."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from vaglio.index.rows import ImportSummary, Progress

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Configuration file.", envvar="VAGLIO_CONFIG", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for a program.")]


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table at a terminal, tab-separated lines elsewhere; texts are shown as they are, never as markup."""
    console = Console()
    if not console.is_terminal:
        typer.echo("\t".join(columns))
        for row in rows:
            typer.echo("\t".join(_cell(cell) for cell in row))
        return
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(_cell(cell)) for cell in row))
    console.print(table)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def print_fields(fields: Mapping[str, object], *, json: bool) -> None:
    """One thing, a line a field; or as it is for a program."""
    if json:
        print_json(fields)
        return
    width = max(map(len, fields), default=0)
    for key, value in fields.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        typer.echo(f"{key:<{width}}  {_cell(shown)}")


def print_summary(summary: ImportSummary, *, json: bool) -> None:
    """What an import did: one line, then what deserves a second look."""
    if json:
        print_json(asdict(summary))
        return
    typer.echo(
        f"{summary.file}: {summary.read} read, {summary.new} new, {summary.corrected} corrected,"
        f" {summary.unchanged} unchanged, {summary.rejected} rejected, in {summary.seconds:.1f} s"
    )
    if summary.rejects_file:
        typer.echo(f"Rejected rows and why: {summary.rejects_file}")
    if summary.unknown_controllers:
        typer.echo(f"Not a controller here (yet): {', '.join(map(_cell, summary.unknown_controllers))}")
    for note in summary.notes:
        typer.echo(note)


@contextmanager
def progress_bar(what: str, *, of_bytes: bool = True) -> Iterator[Callable[[Progress], None] | None]:
    """A bar with remaining time at a terminal, and the rate where a file is read; nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        *((TransferSpeedColumn(),) if of_bytes else ()),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, rows=0)
        yield lambda seen: bar.update(task, total=seen.total or None, completed=seen.done, rows=seen.rows)
