"""Reports leave the house: the files of one, and the entry in the log that says who took what, before it is there.

The entry holds the SHA-256 of every file, so that whoever was handed one can later find it in the log.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vaglio.audit import EntryKind, Keys, Log, make, redacted
from vaglio.audit.canonical import timestamp
from vaglio.errors import ConfigError, InputError
from vaglio.reports.documents import figures_csv, render_html, render_pdf
from vaglio.reports.dpia import DpiaReport
from vaglio.reports.figures import table_csv
from vaglio.reports.ledger import Period
from vaglio.reports.principal import PrincipalReport
from vaglio.reports.settlement import COLUMNS


@dataclass(frozen=True, slots=True)
class Rendered:
    """The files of a report."""

    files: Mapping[str, bytes]
    """Name → content."""
    failure: ConfigError | None = None
    """Why there is no PDF among them."""


def rendered(report: PrincipalReport | DpiaReport, name: str, language: str = "en") -> Rendered:
    """The report as NAME.html, NAME.csv, NAME.pdf if one can be made, and NAME-contracts.csv if it has some."""
    html = render_html(report, language)
    files = {f"{name}.html": html.encode(), f"{name}.csv": figures_csv(report)}
    if isinstance(report, PrincipalReport) and report.contracts is not None:
        rows = ([row[column] for column in COLUMNS] for row in report.contracts.without_basis)
        files[f"{name}-contracts.csv"] = table_csv(COLUMNS, rows)
    try:
        files[f"{name}.pdf"] = render_pdf(html)
    except ConfigError as error:
        return Rendered(files, error)
    return Rendered(files)


def file_name(report: PrincipalReport | DpiaReport) -> str:
    """Under which name a report's files stand: `principal-ID` or `dpia`."""
    return f"principal-{report.controller.id}" if isinstance(report, PrincipalReport) else "dpia"


def hand_over(
    log: Path,
    keys: Keys,
    directory: Path,
    files: Mapping[str, bytes],
    *,
    told: Mapping[str, object],
    by: str,
    at: datetime,
) -> str:
    """Append the entry, then write the files; the entry's id.

    Args:
        log: audit.db.
        keys: of the log.
        directory: made when it does not exist; files of the same names are replaced, each whole.
        files: name → content.
        told: which report, of whom and of when: see `about`. No personal data.
        by: who asked for it: a login, an API key's name.
        at: when it was made.

    Raises:
        InputError: when the files cannot be written; the entry may stand in the log then.
        StoreError: when the log cannot be written.
    """
    make_directory(directory)
    digests = [{"file": name, "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()]
    entry = make(EntryKind.ACCESS, at, {"access": "report", **told, "by": redacted(by), "files": digests})
    with Log(log, keys) as writer:
        writer.append(entry)
    for name, content in files.items():
        _write(directory / name, content)
    return entry.id


def about(kind: str, controller: str | None, period: Period, language: str) -> dict[str, object]:
    """What the entry says of a report."""
    return {
        "report": kind,
        "controller": controller,
        "from": timestamp(period.since),
        "to": timestamp(period.until),
        "language": language,
    }


def make_directory(directory: Path) -> None:
    """Make the directory for a report, readable by owner and group alone.

    Raises:
        InputError: when it cannot be made.
    """
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{directory}: cannot be made ({error.strerror}); name another with --out") from error


def _write(target: Path, content: bytes) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        partial.replace(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); name another with --out") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
