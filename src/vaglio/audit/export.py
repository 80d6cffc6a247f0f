"""`audit export`: a bundle that an auditor can check without Vaglio.

Records in three forms, the tree's tiles, the checkpoints, the public key, the rulebooks, and a README that says
how to check them. Everything stands under one checkpoint, the newest.
"""

import csv
import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

import orjson
import polars as pl

from vaglio.audit.canonical import leaf_hash, microseconds
from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.merkle import HASH
from vaglio.audit.store import explained, open_reading
from vaglio.audit.tiles import WIDTH, path, widths
from vaglio.audit.tree import last_checkpoint, signing_keys, tile_reader
from vaglio.errors import InputError, NotFoundError

COLUMNS = (
    "index",
    "id",
    "at",
    "kind",
    "campaign",
    "controller",
    "verdict",
    "reason",
    "ref",
    "country",
    "number_kind",
    "last3",
    "leaf_sha256",
    "entry",
)
"""Of records.csv and records.parquet; `entry` is the canonical JSON."""

_CHUNK = 20000
_RECORDS = """
    SELECT seq, body FROM entry
    WHERE seq <= :size AND at >= :since AND at < :until
      AND (:campaign IS NULL OR campaign = :campaign
           OR EXISTS (SELECT 1 FROM entry AS told WHERE told.id = entry.ref AND told.campaign = :campaign))
      AND (:controller IS NULL OR controller = :controller
           OR EXISTS (SELECT 1 FROM entry AS told WHERE told.id = entry.ref AND told.controller = :controller))
    ORDER BY seq"""

_SAMPLED = """
    SELECT seq, body FROM entry WHERE seq <= :size AND seq IN (SELECT value FROM json_each(:sample))
    UNION ALL
    SELECT told.seq, told.body FROM json_each(:sample) JOIN entry AS decision ON decision.seq = value
    JOIN entry AS told ON told.ref = decision.id WHERE told.seq <= :size
    ORDER BY seq"""


class ExportFormat(StrEnum):
    """How records are written."""

    JSON_LINES = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries to export; None is no bound.

    Attributes:
        since: of that time or later.
        until: before that time.
        campaign: of that campaign, deliveries and outcomes of its calls included.
        controller: of that controller, likewise.
        sample: of these decisions, by sequence number, whatever else is asked for; deliveries and outcomes
            included.
    """

    since: datetime | None = None
    until: datetime | None = None
    campaign: str | None = None
    controller: str | None = None
    sample: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was written."""

    directory: Path
    records: int
    checkpoint: Checkpoint


def export(
    log: Path,
    directory: Path,
    selection: Selection,
    *,
    formats: frozenset[ExportFormat] = frozenset(ExportFormat),
    rulebooks: Mapping[str, bytes] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Bundle:
    """Write the bundle into a new or empty directory.

    Args:
        log: audit.db; it may be in use.
        directory: made when it does not exist.
        selection: which entries.
        formats: in which forms.
        rulebooks: file name → content of each rulebook that decisions name.
        progress: called with the number of records written, every now and then.

    Raises:
        InputError: when the directory is not empty or cannot be written.
        NotFoundError: when no checkpoint was signed yet.
        StoreError: when the log cannot be read.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise InputError(f"{directory}: not empty; export into a new directory")
        with closing(open_reading(log)) as connection, explained(log):
            connection.execute("BEGIN")
            checkpoint = last_checkpoint(connection)
            if checkpoint is None:
                raise NotFoundError(f"{log}: no checkpoint yet; run `vaglio audit checkpoint`")
            _write_tree(connection, directory, checkpoint)
            count, needed = _write_records(connection, directory, selection, formats, checkpoint.size, progress)
            _write_tiles(connection, directory, checkpoint.size, needed)
        for name, content in (rulebooks or {}).items():
            target = directory / "rulebooks" / Path(name).name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)
        (directory / "README.md").write_text(_readme(checkpoint, count), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{directory}: cannot be written ({error.strerror})") from error
    return Bundle(directory, count, checkpoint)


def _write_tree(connection: sqlite3.Connection, directory: Path, checkpoint: Checkpoint) -> None:
    """The newest checkpoint, all checkpoints, and the keys that signed them."""
    (directory / "checkpoint").write_bytes(checkpoint.raw)
    with (directory / "checkpoints.jsonl").open("wb") as file:
        for size, note in connection.execute("SELECT size, note FROM checkpoint ORDER BY size"):
            file.write(orjson.dumps({"size": size, "note": note.decode()}) + b"\n")
    lines = [key.verifier.vkey for key in signing_keys(connection)]
    (directory / "log.vkey").write_text("\n".join(lines) + "\n", encoding="ascii")


def _write_records(
    connection: sqlite3.Connection,
    directory: Path,
    selection: Selection,
    formats: frozenset[ExportFormat],
    size: int,
    progress: Callable[[int], None] | None,
) -> tuple[int, set[int]]:
    """The records; how many, and the level-0 tiles they stand in."""
    needed: set[int] = set()
    count = 0
    csv_file, jsonl_file = directory / "records.csv", directory / "records.jsonl"
    with csv_file.open("w", encoding="utf-8", newline="") as table, jsonl_file.open("wb") as lines:
        writer = csv.writer(table)
        writer.writerow(COLUMNS)
        for seq, raw in _selected(connection, selection, size):
            lines.write(b'{"index":%d,"entry":%s}\n' % (seq - 1, raw))
            writer.writerow(_flat(seq, raw))
            needed.add((seq - 1) // WIDTH)
            count += 1
            if progress is not None and count % _CHUNK == 0:
                progress(count)
    if ExportFormat.PARQUET in formats:
        texts = dict.fromkeys(COLUMNS, pl.String) | {"index": pl.Int64}
        pl.scan_csv(csv_file, schema=texts).sink_parquet(directory / "records.parquet")
    if ExportFormat.CSV not in formats:
        csv_file.unlink()
    if ExportFormat.JSON_LINES not in formats:
        jsonl_file.unlink()
    return count, needed


def _selected(connection: sqlite3.Connection, selection: Selection, size: int) -> Iterator[tuple[int, bytes]]:
    values = {
        "size": size,
        "since": microseconds(selection.since) if selection.since else -(1 << 62),
        "until": microseconds(selection.until) if selection.until else 1 << 62,
        "campaign": selection.campaign,
        "controller": selection.controller,
    }
    if selection.sample is not None:
        sample = orjson.dumps(sorted(selection.sample)).decode()
        yield from connection.execute(_SAMPLED, {"size": size, "sample": sample})
        return
    yield from connection.execute(_RECORDS, values)


def _flat(seq: int, raw: bytes) -> tuple[object, ...]:
    body = orjson.loads(raw)
    number = body.get("number") or {}
    fields = [body.get(name) for name in COLUMNS[1:9]]
    told = number.get("country"), number.get("kind"), number.get("last3")
    return (seq - 1, *fields, *told, leaf_hash(raw).hex(), raw.decode())


def _write_tiles(connection: sqlite3.Connection, directory: Path, size: int, needed: set[int]) -> None:
    """All tiles above level 0, of level 0 those that hold a record and the last: enough for every proof."""
    tile = tile_reader(connection)
    for level, number, width in widths(size):
        if level or number in needed or width < WIDTH:
            target = directory / path(level, number, width)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(tile(level, number)[: width * HASH])


def _readme(checkpoint: Checkpoint, count: int) -> str:
    text = files("vaglio.audit").joinpath("bundle-readme.md").read_text(encoding="utf-8")
    values = {
        "origin": checkpoint.origin,
        "size": str(checkpoint.size),
        "root": b64encode(checkpoint.root).decode("ascii"),
        "records": str(count),
        "columns": ", ".join(f"`{name}`" for name in COLUMNS),
    }
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
