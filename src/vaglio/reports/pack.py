"""The pack for a monitoring body: the log of a period or a sample of it, rulebooks, reports and checksums.

Everything in it can be checked without Vaglio; the README in it says how.
"""

import hashlib
import heapq
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

from vaglio.audit import EntryKind, Log, make, redacted
from vaglio.audit.canonical import timestamp
from vaglio.audit.export import Bundle, Selection, export
from vaglio.clock import now
from vaglio.errors import ConfigError, InputError, NotFoundError
from vaglio.index.reader import Reader as IndexReader
from vaglio.index.rows import Progress, sha256_of
from vaglio.redaction import redact
from vaglio.reports.cells import visible
from vaglio.reports.handing_over import about, file_name, rendered
from vaglio.reports.ledger import Ledger, OnProgress, Period, opened
from vaglio.reports.principal import principal_report
from vaglio.reports.wording import Wording
from vaglio.site import Site

MOST_SAMPLED: Final = 1_000_000
"""Decisions that a sample may have."""
CHECKSUMS: Final = "SHA256SUMS"

_DECISIONS: Final = """
SELECT seq, id FROM entry NOT INDEXED
WHERE seq BETWEEN :first AND :last AND at >= :since AND at < :until AND kind = 'decision'
  AND (:controller IS NULL OR controller = :controller)"""


@dataclass(frozen=True, slots=True)
class Sample:
    """Decisions chosen by lot, the same for the same seed."""

    size: int
    seed: str
    """Any text; best one that the monitoring body names."""


@dataclass(frozen=True, slots=True)
class Pack:
    """What was made."""

    directory: Path
    archive: Path
    """The same as one .zip file."""
    controllers: tuple[str, ...]
    decisions: int
    """Of the period."""
    sampled: int | None
    """How many of them are in the pack; None: all."""
    records: int
    """Entries in the pack, deliveries and outcomes included."""
    checksums_sha256: str
    """Of the file of checksums; it stands in the log's entry too."""
    entry: str
    failure: ConfigError | None
    """Why there are no PDFs in it."""


def monitoring_pack(
    site: Site,
    directory: Path,
    period: Period,
    *,
    by: str,
    via: str | None = None,
    controller: str | None = None,
    sample: Sample | None = None,
    language: str = "en",
    at: datetime | None = None,
    on_progress: OnProgress | None = None,
) -> Pack:
    """Make the pack; blocking, to be called off the event loop. It is there whole at the end, or not at all.

    Args:
        site: the installation.
        directory: a new or empty one; the archive stands beside it, with .zip behind its name.
        period: by the entries' instants.
        by: who asked for it: a login, an account's name.
        via: by which door of the web, for the entry; None at the shell.
        controller: only this one's entries and report; None for every controller.
        sample: so many decisions instead of all entries.
        language: of README and reports.
        at: when it is made; now if left out.
        on_progress: told how far each step is.

    Raises:
        InputError: when the directory is not empty or cannot be written.
        NotFoundError: when the controller is unknown, or no checkpoint was signed yet.
        StoreError: when a database cannot be read or written.
    """
    archive = directory.with_name(f"{directory.name}.zip")
    if archive.exists() or (directory.exists() and (not directory.is_dir() or any(directory.iterdir()))):
        raise InputError(f"{directory}: it or its .zip is there already; name a new directory with --out")
    draft = directory.with_name(f".{directory.name}.{os.getpid()}.part")
    zipped = archive.with_name(f".{archive.name}.{os.getpid()}.part")
    order = _Order(site, period, controller, sample, Wording(language).language, at or now(), on_progress)
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o750, parents=True)
        made = _filled(order, draft)
        _zip(draft, zipped, directory.name, order.at)
        entry = _logged(order, made, by, via)
        draft.rename(directory)
        zipped.rename(archive)
    except OSError as error:
        raise InputError(f"{directory}: cannot be written ({error.strerror}); name another with --out") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        zipped.unlink(missing_ok=True)
    return Pack(directory, archive, entry=entry, **made)


@dataclass(frozen=True, slots=True)
class _Order:
    """What is asked for."""

    site: Site
    period: Period
    controller: str | None
    sample: Sample | None
    language: str
    at: datetime
    on_progress: OnProgress | None


def _filled(order: _Order, folder: Path) -> dict[str, Any]:
    """Put everything into the folder; what came of it, as `Pack` names it."""
    controllers = _controllers(order)
    with opened(order.site.log_file, order.period, lambda _: None) as ledger:
        decisions, chosen = _chosen(ledger, order)
    bundle = _bundle(order, folder / "log", chosen)
    failure = None
    for one in controllers:
        report = principal_report(order.site, one, order.period, at=order.at, on_progress=order.on_progress)
        made = rendered(report, file_name(report), order.language)
        failure = failure or made.failure
        (folder / "reports").mkdir(exist_ok=True)
        for name, content in made.files.items():
            (folder / "reports" / name).write_bytes(content)
    sampled = None if chosen is None else len(chosen)
    (folder / "README.md").write_text(_readme(order, bundle, decisions, sampled), encoding="utf-8")
    return {
        "controllers": controllers,
        "decisions": decisions,
        "sampled": sampled,
        "records": bundle.records,
        "checksums_sha256": _checksums(folder),
        "failure": failure,
    }


def _controllers(order: _Order) -> tuple[str, ...]:
    with IndexReader.open(order.site.index_file) as index:
        known = tuple(one.id for one in index.controllers())
    if order.controller is None:
        return known
    if order.controller not in known:
        raise NotFoundError(f"no controller {redact(order.controller[:64])!r}; `vaglio controller list` shows all")
    return (order.controller,)


def _chosen(ledger: Ledger, order: _Order) -> tuple[int, frozenset[int] | None]:
    """How many decisions there are, and the sequence numbers of the sample: the smallest SHA-256(seed, id)."""
    count = 0

    def drawn(seed: str) -> Iterator[tuple[bytes, int]]:
        nonlocal count
        for seq, name in ledger.scan(_DECISIONS, {"controller": order.controller}, order.on_progress):
            count += 1
            yield hashlib.sha256(f"{seed}:{name}".encode()).digest(), int(str(seq))

    if order.sample is None:
        return sum(1 for _ in drawn("")), None
    lots = heapq.nsmallest(order.sample.size, drawn(order.sample.seed))
    return count, frozenset(seq for _, seq in lots)


def _bundle(order: _Order, folder: Path, chosen: frozenset[int] | None) -> Bundle:
    told = order.on_progress
    period = order.period
    return export(
        order.site.log_file,
        folder,
        Selection(period.since, period.until, controller=order.controller, sample=chosen),
        rulebooks=order.site.rulebook_files(),
        progress=None if told is None else lambda done: told(Progress(done, 0, done)),
    )


def _readme(order: _Order, bundle: Bundle, decisions: int, sampled: int | None) -> str:
    words = Wording(order.language)
    folder = resources.files("vaglio.reports") / "texts"
    text = (folder / f"pack-{order.language}.md").read_text(encoding="utf-8")
    chosen = words("pack.all", count=decisions)
    if sampled is not None and order.sample is not None:
        chosen = words("pack.sample", count=decisions, sampled=sampled, seed=visible(order.sample.seed))
    values = {
        "origin": bundle.checkpoint.origin,
        "since": timestamp(order.period.since),
        "until": timestamp(order.period.until),
        "made": timestamp(order.at),
        "controllers": order.controller or words("pack.everyone"),
        "chosen": chosen,
        "records": str(bundle.records),
        "size": str(bundle.checkpoint.size),
    }
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _checksums(folder: Path) -> str:
    """Write the checksums of all files, in the form of sha256sum; the digest of that file."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    lines = [f"{sha256_of(file)}  {file.relative_to(folder).as_posix()}\n" for file in files]
    text = "".join(lines).encode()
    (folder / CHECKSUMS).write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def _zip(folder: Path, target: Path, name: str, at: datetime) -> None:
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            within = zipfile.ZipInfo(f"{name}/{file.relative_to(folder).as_posix()}", at.timetuple()[:6])
            within.compress_type = zipfile.ZIP_DEFLATED
            within.external_attr = 0o640 << 16
            with file.open("rb") as source, archive.open(within, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def _logged(order: _Order, made: dict[str, Any], by: str, via: str | None) -> str:
    sample = order.sample
    door = {} if via is None else {"via": via}
    told = about("monitoring-body", order.controller, order.period, order.language) | {
        "access": "report",
        "by": redacted(by),
        **door,
        "sample": None if sample is None else sample.size,
        "seed": None if sample is None else redacted(sample.seed),
        "decisions": made["decisions"],
        "records": made["records"],
        "files": [{"file": CHECKSUMS, "sha256": made["checksums_sha256"]}],
    }
    entry = make(EntryKind.ACCESS, order.at, told)
    with Log(order.site.log_file, order.site.keys()) as writer:
        writer.append(entry)
    return entry.id
