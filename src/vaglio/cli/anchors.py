"""`vaglio audit anchors`: how the places outside stand to which checkpoints go."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from vaglio.audit.anchors import Anchor, AnchorError, AnchorState, deliver, read_state
from vaglio.audit.anchors.state import write_state
from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.sealing import Sealer
from vaglio.cli.auditing import audit
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json, print_table
from vaglio.errors import InputError, VaglioError
from vaglio.site import Site


@audit.command("anchors")
def anchors(
    *,
    send: Annotated[
        bool, typer.Option("--send", help="Sign a checkpoint and send it to each now, to try the configuration.")
    ] = False,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Only this one.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Where checkpoints go, when the last one arrived, and what fails; exit 1 when something does."""
    site = Site.at(config)
    chosen = [anchor for anchor in site.anchors() if name in {None, anchor.name}]
    if not chosen:
        raise InputError("no such anchor is configured; docs/operating.md describes [[anchor]]")
    directory = site.anchors_directory
    if send:
        with Sealer(site.log_file, site.keys()) as sealer:
            signed = sealer.step(now=True).checkpoint
        if signed is not None:
            for anchor in chosen:
                _send(anchor, signed, site.log_file, directory)
    found = [(anchor, read_state(directory, anchor.name)) for anchor in chosen]
    if json:
        print_json([{"name": anchor.name, **_document(anchor, state)} for anchor, state in found])
    else:
        columns = ("name", "kind", "url", "entries", "arrived", "failures", "error")
        print_table("Anchors", columns, (_row(anchor, state) for anchor, state in found))
    if any(state.error for _, state in found):
        raise typer.Exit(1)


def _send(anchor: Anchor, checkpoint: Checkpoint, log: Path, directory: Path) -> None:
    before, at = read_state(directory, anchor.name), datetime.now(UTC)
    try:
        deliver(anchor, checkpoint, log, directory, at, before.size)
    except VaglioError as error:
        refused = isinstance(error, AnchorError) and error.conflict
        write_state(directory, anchor.name, before.failed(str(error), at, refused=refused))
    else:
        write_state(directory, anchor.name, before.succeeded(checkpoint.size, at))


def _document(anchor: Anchor, state: AnchorState) -> dict[str, Any]:
    return {"kind": anchor.kind.value, "url": anchor.url, **asdict(state)}


def _row(anchor: Anchor, state: AnchorState) -> Sequence[object]:
    arrived = f"{state.at:%Y-%m-%d %H:%M:%S}" if state.at else None
    return (anchor.name, anchor.kind.value, anchor.url, state.size, arrived, state.failures, state.error)
