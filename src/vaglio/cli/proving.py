"""`vaglio audit verify`, `prove`, `checkpoint`, `export`, `purge`, `rotate`: the proof, and handing it over."""

import getpass
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from vaglio.audit import EntryKind, Log, make
from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.erasing import purge as purge_log
from vaglio.audit.export import ExportFormat, Selection
from vaglio.audit.export import export as export_log
from vaglio.audit.note import Verifier
from vaglio.audit.proof import prove as prove_entry
from vaglio.audit.proof import verify_proof
from vaglio.audit.sealing import Sealer
from vaglio.audit.verify import verify_log
from vaglio.cli.auditing import audit
from vaglio.cli.numbers import read_day
from vaglio.cli.terminal import ConfigOption, JsonOption, print_fields, print_json, progress_bar
from vaglio.clock import now
from vaglio.errors import InputError, StoreError, VerificationError
from vaglio.index.rows import Progress
from vaglio.reports.verification import LastVerification, keep
from vaglio.site import Site

_MOST_BYTES: Final = 1 << 20

PublicKeyOption = Annotated[
    Path | None, typer.Option("--public-key", metavar="FILE", help="Left out: the one beside the keys.")
]


@audit.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A .tlog-proof; left out: the log.")
    ] = None,
    *,
    since_checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--since-checkpoint", metavar="FILE", help="An earlier checkpoint that the log must continue."
        ),
    ] = None,
    public_key: PublicKeyOption = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Also check the file's own structure; slow.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Check the whole log, or one proof with nothing but the public key."""
    if file is not None:
        trusted = Verifier.parse(_text(public_key)) if public_key else Site.at(config).keys().verifier
        _verify_proof(file, trusted, json=json)
        return
    site = Site.at(config)
    keys = site.keys()
    trusted = Verifier.parse(_text(public_key)) if public_key else keys.verifier
    since = [Checkpoint.parse(_read(one)) for one in since_checkpoint or ()]
    with progress_bar(site.log_file.name) as bar:
        on_progress = None if bar is None else lambda done, total: bar(Progress(done, total, done))
        began = now()
        found = verify_log(site.log_file, trusted, keys=keys, since=since, progress=on_progress, thorough=thorough)
    with suppress(StoreError):  # whoever may only read the log may verify it all the same
        by = getpass.getuser()
        keep(site, LastVerification(began, now(), by, "shell", trusted.vkey, found, len(found.damages)))
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
        raise VerificationError(f"{site.log_file}: not intact; keep it as it is, and find out who wrote to it")


def _verify_proof(file: Path, trusted: Verifier, *, json: bool) -> None:
    proof = verify_proof(_read(file), trusted)
    if json:
        print_json({"entry": proof.index + 1, "size": proof.checkpoint.size, "record": proof.record})
        return
    record = proof.record
    typer.echo(f"Proven: entry {proof.index + 1} of {proof.checkpoint.size}, {record['kind']} of {record['at']}.")


@audit.command()
def prove(
    entry: Annotated[str, typer.Argument(metavar="ID", help="A decision id or an entry id.")],
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Left out: ID.tlog-proof.")] = None,
    config: ConfigOption = None,
) -> None:
    """Write one .tlog-proof: the entry, its place in the tree, the signed checkpoint."""
    proof = prove_entry(Site.at(config).log_file, entry)
    target = out or Path(f"{proof.record['id']}.tlog-proof")
    try:
        target.write_bytes(proof.raw)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); name another with --out") from error
    typer.echo(str(target))


@audit.command()
def checkpoint(config: ConfigOption = None) -> None:
    """Seal what is there and sign a checkpoint now; print it, to be kept elsewhere."""
    site = Site.at(config)
    with Sealer(site.log_file, site.keys()) as sealer:
        done = sealer.step(now=True)
    if done.checkpoint is not None:
        typer.echo(done.checkpoint.raw.decode(), nl=False)


@audit.command()
def export(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new or empty directory.")],
    *,
    since: Annotated[str | None, typer.Option("--from", metavar="ISO")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="ISO", help="Not included.")] = None,
    campaign: Annotated[str | None, typer.Option("--campaign", metavar="C")] = None,
    controller: Annotated[str | None, typer.Option("--controller", metavar="C")] = None,
    formats: Annotated[list[ExportFormat] | None, typer.Option("--format", help="Left out: all.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write a bundle that an auditor can check without Vaglio; the export itself becomes an entry."""
    site = Site.at(config)
    selection = Selection(
        None if since is None else read_day("--from", since),
        None if until is None else read_day("--to", until),
        campaign,
        controller,
    )
    asked = {"access": "export", "campaign": campaign, "controller": controller, "from": since, "to": until}
    with Log(site.log_file, site.keys()) as log:
        log.append(make(EntryKind.ACCESS, now(), asked))
    bundle = export_log(
        site.log_file,
        out,
        selection,
        formats=frozenset(formats or ExportFormat),
        rulebooks=site.rulebook_files(),
    )
    told = {
        "directory": str(bundle.directory),
        "records": bundle.records,
        "checkpoint_size": bundle.checkpoint.size,
    }
    print_fields(told, json=json)


@audit.command()
def purge(config: ConfigOption = None, *, json: JsonOption = False) -> None:
    """Delete the numbers whose retention has expired (audit.retention_days); every proof still holds."""
    site = Site.at(config)
    gone = purge_log(site.log_file, site.keys(), site.settings.audit.retention_days, now())
    print_fields({"purged": gone}, json=json)


@audit.command()
def rotate(config: ConfigOption = None) -> None:
    """Put a new signing key in the old one's place, which vouches for it; print the new public key."""
    site = Site.at(config)
    with Sealer(site.log_file, site.keys()) as sealer:
        keys = sealer.rotate()
    typer.echo(keys.verifier.vkey)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(_MOST_BYTES)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); name a file that can") from error


def _text(file: Path) -> str:
    return _read(file).decode("ascii", "replace")
