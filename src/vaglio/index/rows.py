"""CSV files from outside, row by row and in bounded memory, with a file of rejects beside them.

A row is one physical line of UTF-8; quotes are read, line ends within them are not. Every bound that a row breaks
is a reject with its line, never a crash and never half a row.
"""

import csv
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, TextIO

from vaglio.errors import InputError
from vaglio.index.store import Counts

MAX_LINE: Final = 16 * 1024
"""Bytes of one line; longer ones are rejects, and are skipped without being held."""
MAX_COLUMNS: Final = 64
_SKIP_BYTES: Final = 1024 * 1024
_BLOCK: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a kind of file has, by name."""

    required: tuple[str, ...]
    optional: tuple[str, ...]

    def check(self, file: Path, header: list[str]) -> None:
        """Raises InputError naming the column that is missing, unknown or there twice."""
        known = (*self.required, *self.optional)
        for name in self.required:
            if name not in header:
                hint = " (columns are separated by commas)" if len(header) == 1 else ""
                raise InputError(f"{file}: line 1: column {name!r} is missing{hint}; add it to the header")
        for name in header:
            if name not in known:
                shown = name if name.isprintable() and len(name) <= 40 and not _digits(name) else "…"  # noqa: PLR2004
                raise InputError(
                    f"{file}: line 1: column {shown!r} is unknown; known are {', '.join(known)}; "
                    "take the others out"
                )
            if header.count(name) > 1:
                raise InputError(f"{file}: line 1: column {name!r} stands there twice; keep one")


class Reject(ValueError):  # noqa: N818 - it is a row's fate, not a failure of the import
    """Why a row is not loaded; the text never quotes the row."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is; `total` bytes are the file's size."""

    done: int
    total: int
    rows: int


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import did; the numbers of rows add up: read = new + corrected + unchanged + rejected."""

    file: str
    sha256: str
    read: int
    new: int
    corrected: int
    unchanged: int
    rejected: int
    seconds: float
    rejects_file: str | None = None
    unknown_controllers: tuple[str, ...] = ()
    """Named in the file but not (yet) a principal here; at most twenty."""
    notes: tuple[str, ...] = field(default=())


class Rejects:
    """`FILE.rejects.csv`, made with the first reject; an older one is taken away.

    Raises InputError when it cannot be written.
    """

    def __init__(self, file: Path) -> None:
        self.path = file.with_name(f"{file.name}.rejects.csv")
        self.count = 0
        self._stream: TextIO | None = None
        if os.path.lexists(self.path):  # on a read-only file system even removing nothing is refused
            with suppress(FileNotFoundError):
                self._guarded(self.path.unlink)

    def add(self, line: int, reject: Reject) -> None:
        """Write one row's reject."""
        if self._stream is None:
            self._guarded(self._open)
        assert self._stream is not None  # noqa: S101 - _open has set it
        self.count += 1
        csv.writer(self._stream, lineterminator="\n").writerow((line, reject.column, reject.reason))

    def _open(self) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        self._stream = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
        self._stream.write("line,field,reason\n")

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); import from a directory you may write to"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()


@dataclass(slots=True)
class Lines:
    """The lines of a file, bounded, with how far they have been read."""

    stream: BinaryIO
    position: int = 0
    number: int = 0

    def __iter__(self) -> Iterator[tuple[int, bytes | Reject]]:
        """Line number and its bytes without line end; a line too long is a reject. Blank lines are left out."""
        while raw := self.stream.readline(MAX_LINE + 1):
            self.number += 1
            self.position += len(raw)
            if len(raw) > MAX_LINE and not raw.endswith(b"\n"):
                self._skip_rest()
                yield self.number, Reject("line", f"longer than {MAX_LINE} bytes")
                continue
            line = raw.rstrip(b"\r\n")
            if line.strip():
                yield self.number, line

    def _skip_rest(self) -> None:
        while piece := self.stream.readline(_SKIP_BYTES):
            self.position += len(piece)
            if piece.endswith(b"\n"):
                return


def fields(line: bytes, separator: str = ",") -> list[str]:
    """The fields of one line, without spaces around them.

    Raises Reject for anything that is not one row of UTF-8 CSV.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise Reject("line", "not UTF-8") from None
    if "\0" in text:
        raise Reject("line", "holds a NUL")
    try:
        row = next(csv.reader((text,), delimiter=separator, strict=True))
    except (csv.Error, StopIteration):
        raise Reject("line", "not CSV: a quote without its other one, or text after it") from None
    if len(row) > MAX_COLUMNS:
        raise Reject("line", f"more than {MAX_COLUMNS} fields")
    return [value.strip() for value in row]


def header(file: Path, lines: Lines, columns: Columns) -> list[str]:
    """The first row: names of columns, checked.

    Raises InputError when it is none.
    """
    found = next(iter(lines), None)
    if found is None:
        raise InputError(f"{file}: empty; the first line must name the columns {', '.join(columns.required)}")
    first = found[1]
    try:
        if isinstance(first, Reject):
            raise first
        names = [name.lower() for name in fields(first.removeprefix(b"\xef\xbb\xbf"))]
    except Reject as reject:
        raise InputError(f"{file}: line {found[0]}: {reject.reason}; save it as CSV in UTF-8") from None
    while names and not names[-1]:
        names.pop()
    columns.check(file, names)
    return names


def named(row: list[str], names: list[str]) -> dict[str, str]:
    """The row's fields by column; empty ones beyond the header are cut off.

    Raises Reject when there are more or fewer fields than columns.
    """
    if len(row) > len(names) and not any(row[len(names) :]):
        row = row[: len(names)]
    if len(row) != len(names):
        raise Reject("line", f"{len(row)} fields, but the header names {len(names)}")
    return dict(zip(names, row, strict=True))


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file in hexadecimal, read in blocks.

    Raises InputError when it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); name a file that can") from error
    return digest.hexdigest()


def open_input(file: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises InputError when it cannot be read.
    """
    try:
        if not file.is_file():
            raise InputError(f"{file}: no file there; check the name")
        return file.open("rb")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); name a file that can") from error


def summary(  # the shape of every import's result
    file: Path, sha256: str, counts: Counts, rejects: Rejects, started: float, unknown: set[str]
) -> ImportSummary:
    """The summary of an import that began at `started` (time.monotonic)."""
    return ImportSummary(
        file=file.name,
        sha256=sha256,
        read=counts.new + counts.corrected + counts.unchanged + rejects.count,
        new=counts.new,
        corrected=counts.corrected,
        unchanged=counts.unchanged,
        rejected=rejects.count,
        seconds=round(time.monotonic() - started, 3),
        rejects_file=str(rejects.path) if rejects.count else None,
        unknown_controllers=tuple(sorted(unknown)[:20]),
    )


def _digits(text: str) -> bool:
    """Whether a supposed column name looks like a number, which is never shown."""
    return sum(char.isdigit() for char in text) > 3  # noqa: PLR2004 - the last three digits are all that may show
