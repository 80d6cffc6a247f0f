"""`vaglio audit …`: the decision log."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from vaglio.audit import Reader, Record
from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.note import Verifier
from vaglio.audit.sealing import Sealer
from vaglio.audit.verify import verify_log
from vaglio.cli.main import app
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json, print_table, progress_bar
from vaglio.errors import InputError, VerificationError
from vaglio.index.rows import Progress
from vaglio.site import Site

_MOST_BYTES: Final = 1 << 20

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
    if json:
        print_json([_document(record) for record in records])
        return
    columns = ("seq", "at", "kind", "number", "campaign", "verdict", "reason", "id")
    print_table("Entries", columns, map(_row, records))


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
def verify(
    *,
    since_checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--since-checkpoint", metavar="FILE", help="An earlier checkpoint that the log must continue."
        ),
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="FILE", help="Left out: the one beside the keys.")
    ] = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Also check the file's own structure; slow.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Rebuild everything from the rows; name the first bad entry and what is wrong."""
    site = Site.at(config)
    keys = site.keys()
    trusted = keys.verifier if public_key is None else Verifier.parse(_text(public_key))
    since = [Checkpoint.parse(_read(file)) for file in since_checkpoint or ()]
    with progress_bar("audit.db") as bar:
        on_progress = None if bar is None else lambda done, total: bar(Progress(done, total, done))
        found = verify_log(site.log_file, trusted, keys=keys, since=since, progress=on_progress, thorough=thorough)
    if json:
        print_json({**asdict(found), "intact": found.intact})
    elif found.intact:
        typer.echo(
            f"Intact: {found.entries} entries, {found.covered} of them under a signed checkpoint,"
            f" {found.checkpoints} checkpoints, {found.numbers} numbers compared, {found.removed} removed."
        )
    else:
        for damage in found.damages:
            typer.echo(f"entry {damage.seq}: {damage.kind}: {damage.detail}")
    if not found.intact:
        raise VerificationError(
            f"{site.log_file}: not intact; keep the file as it is and a copy, and find out who wrote it"
        )


@audit.command()
def checkpoint(config: ConfigOption = None) -> None:
    """Seal what is there and sign a checkpoint now; print it, to be kept elsewhere."""
    site = Site.at(config)
    with Sealer(site.log_file, site.keys()) as sealer:
        done = sealer.step(now=True)
    if done.checkpoint is not None:
        typer.echo(done.checkpoint.raw.decode(), nl=False)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()[:_MOST_BYTES]
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); name a file that can") from error


def _text(file: Path) -> str:
    return _read(file).decode("ascii", "replace")


def _document(record: Record) -> dict[str, Any]:
    return {"seq": record.seq, **record.body}


def _row(record: Record) -> tuple[object, ...]:
    body = record.body
    last3 = body.get("number", {}).get("last3")
    subject = f"…{last3}" if last3 else None
    told = body.get("reason") or body.get("change") or body.get("ref")
    at = f"{record.at:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    return (record.seq, at, record.kind, subject, body.get("campaign"), body.get("verdict"), told, record.id)
