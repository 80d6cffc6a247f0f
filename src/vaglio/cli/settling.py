"""`vaglio settle`: for which contracts a commission is due, by the calls in the log."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from vaglio.audit import EntryKind, Log, Reader, make, redacted
from vaglio.cli.main import app
from vaglio.cli.numbers import RegionOption
from vaglio.cli.terminal import ConfigOption, JsonOption, print_json, print_table, progress_bar
from vaglio.clock import now
from vaglio.errors import InputError
from vaglio.index.rows import Rejects, sha256_of
from vaglio.reports.contracts import read_contracts
from vaglio.reports.settlement import COLUMNS, WINDOW_DAYS, CampaignTotal, Gone, count, settle
from vaglio.site import Site

WindowOption = Annotated[
    int,
    typer.Option("--window", metavar="DAYS", min=1, max=3660, help="How long before the signature a call may be."),
]


@app.command("settle")
def settle_(
    contracts: Annotated[
        Path, typer.Argument(metavar="CONTRACTS.csv", help="contract_id, number, controller, signed_at.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Left out: CONTRACTS.csv.settled.csv.")
    ] = None,
    window: WindowOption = WINDOW_DAYS,
    region: RegionOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Tell for each contract whether a lawful call preceded it, which decision proves it, or why none does."""
    site = Site.at(config)
    keys = site.keys()
    sha256 = sha256_of(contracts)
    target = out or contracts.with_name(f"{contracts.name}.settled.csv")
    if target.resolve() == contracts.resolve():
        raise InputError(f"{target}: is the file of contracts itself; name another with --out")
    settled: list[dict[str, Any]] = []
    campaigns: dict[tuple[str, str], CampaignTotal] = {}
    gone = Gone.of(site.log_file)
    with (
        Reader(site.log_file) as log,
        Rejects(contracts) as rejects,
        progress_bar(contracts.name) as on_progress,
        _whole(target) as stream,
    ):
        rows = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        rows.writeheader()
        read = read_contracts(contracts, rejects, region, on_progress)
        for one in settle(read, log, keys, gone, timedelta(days=window)):
            count(campaigns, one)
            rows.writerow(one.row)
            if json:
                settled.append(one.row)
        counts = {
            "contracts": sum(total.contracts for total in campaigns.values()),
            "due": sum(total.due for total in campaigns.values()),
            "rejected": rejects.count,
        }
        fields = {
            "access": "settlement",
            "file": redacted(contracts.name),
            "sha256": sha256,
            "window_days": window,
        }
        with Log(site.log_file, keys) as writer:  # told before the answer can be read
            writer.append(make(EntryKind.ACCESS, now(), {**fields, **counts}))
    summary = [_document(total) for _, total in sorted(campaigns.items())]
    rejects_file = str(rejects.path) if rejects.count else None
    if json:
        print_json(
            {**counts, "window_days": window, "file": str(target), "rejects_file": rejects_file}
            | {"campaigns": summary, "settled": settled}
        )
        return
    columns = ("controller", "campaign", "contracts", "due", "none", "why none")
    print_table("Contracts", columns, (_row(total) for total in summary))
    typer.echo(
        f"{counts['contracts']} contracts, {counts['due']} with a lawful call before them,"
        f" {counts['rejected']} rows rejected: {target}"
    )
    if rejects_file:
        typer.echo(f"Rejected rows and why: {rejects_file}")


@contextmanager
def _whole(target: Path) -> Iterator[IO[str]]:
    """A file that is there whole at the end, or not at all."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
                yield stream
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); name another with --out") from error


def _document(total: CampaignTotal) -> dict[str, Any]:
    return {
        "controller": total.controller,
        "campaign": total.campaign or None,
        "contracts": total.contracts,
        "due": total.due,
        "none": dict(sorted(total.none.items())),
    }


def _row(total: dict[str, Any]) -> tuple[object, ...]:
    why = ", ".join(f"{reason} {count}" for reason, count in total["none"].items())
    none = sum(total["none"].values())
    return (total["controller"], total["campaign"], total["contracts"], total["due"], none, why)
