"""A list register's file → sorted numbers: lines, CSV by mapping, XML; full lists and change lists.

Blocks of whole lines go through arrays; nothing of the text is kept but rejects' line numbers. Memory is eight
bytes a number while the list is read and sorted.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from vaglio.errors import InputError
from vaglio.index.archives import members
from vaglio.index.definitions import Layout, NumberForm, RegisterDefinition
from vaglio.index.digits import Flags, NumberReading, Numbers, e164, line_digits, reading_of, texts_e164
from vaglio.index.registerxml import xml_numbers
from vaglio.index.rows import MAX_LINE, Reject, Rejects

MAX_NUMBERS: Final = 1_000_000_000
_BLOCK: Final = 4 * 1024 * 1024
_GROWTH: Final = 1_000_000
_ASCII_LIKE: Final = frozenset({"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252"})
_NOT_A_NUMBER: Final = Reject("number", "not a number in the form that the register's definition says")

OnBytes = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class NumberList:
    """What a file holds: sorted, each number once."""

    added: Numbers
    deleted: Numbers
    """Of a change list; empty otherwise."""
    read: int
    """Rows, blank ones and rejects included."""
    rejected: int


def read_list(
    register: RegisterDefinition,
    file: Path,
    rejects: Rejects,
    *,
    change: bool = False,
    on_bytes: OnBytes | None = None,
) -> NumberList:
    """Read a full list, or with `change` a list of changes, of which the last of a number counts.

    Raises InputError for a file that cannot be read as the register's definition says.
    """
    gathered = _Gathered()
    marks: list[Flags] = []
    read = 0
    for _, stream in members(file, on_bytes):
        for numbers, added, rows in _parts(register, file, stream, rejects, change=change):
            read += rows
            if gathered.length + len(numbers) > MAX_NUMBERS:
                raise InputError(f"{file}: more than {MAX_NUMBERS} numbers; it is no register's file")
            gathered.append(numbers)
            if change:
                marks.append(added)
    numbers = gathered.numbers()
    if not change:
        return NumberList(_sorted_once(numbers), np.empty(0, dtype=np.uint64), read, rejects.count)
    added = np.concatenate(marks) if marks else np.empty(0, dtype=np.bool_)
    # The last change of a number is the first one from the end.
    last, place = np.unique(numbers[::-1], return_index=True)
    stays = added[::-1][place]
    return NumberList(last[stays], last[~stays], read, rejects.count)


class _Gathered:
    """Numbers in one array that grows in place: the kernel moves pages, nothing is held twice."""

    def __init__(self) -> None:
        self._numbers = np.empty(_GROWTH, dtype=np.uint64)
        self.length = 0

    def append(self, block: Numbers) -> None:
        """Add numbers at the end."""
        end = self.length + len(block)
        if end > len(self._numbers):
            self._numbers.resize(max(end, len(self._numbers) * 3 // 2), refcheck=False)
        self._numbers[self.length : end] = block
        self.length = end

    def numbers(self) -> Numbers:
        """All of them; nothing can be added afterwards."""
        self._numbers.resize(self.length, refcheck=False)
        return self._numbers


def _sorted_once(numbers: Numbers) -> Numbers:
    """The numbers sorted and each once, in the array's own memory."""
    if not _ascending(numbers):
        numbers.sort()
    kept = 0
    for at in range(0, len(numbers), _GROWTH):
        piece = numbers[at : at + _GROWTH]
        once = np.empty(len(piece), dtype=np.bool_)
        once[0] = kept == 0 or piece[0] != numbers[kept - 1]
        np.not_equal(piece[1:], piece[:-1], out=once[1:])
        fresh = piece[once]
        numbers[kept : kept + len(fresh)] = fresh
        kept += len(fresh)
    return numbers[:kept]


def _ascending(numbers: Numbers) -> bool:
    for at in range(0, len(numbers), _GROWTH):
        piece = numbers[at : at + _GROWTH + 1]
        if not (piece[:-1] <= piece[1:]).all():
            return False
    return True


def _parts(
    register: RegisterDefinition, file: Path, stream: BinaryIO, rejects: Rejects, *, change: bool
) -> Iterator[tuple[Numbers, Flags, int]]:
    """Numbers, whether each was added (meaningful in change lists), and rows; in pieces."""
    if register.layout is Layout.XML or (register.by_area and _looks_like_xml(stream)):
        yield from xml_numbers(register, file, stream, rejects, change=change)
        return
    text = _as_bytes(register, file, stream)
    if register.layout is Layout.CSV or change:
        yield from _csv(register, file, text, rejects, change=change)
        return
    reading = reading_of(register)
    line = 1
    for block, skipped in _blocks(text):
        if skipped:
            rejects.add(line, Reject("line", f"longer than {MAX_LINE} bytes"))
            line += 1
            yield np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.bool_), 1
            continue
        if line == 1 and register.header:
            block = block[block.index(b"\n") + 1 :]  # noqa: PLW2901 - the header is no row
            line += 1
            if not block:
                continue
        numbers, rows = _block_numbers(block, reading, line, rejects)
        line += block.count(b"\n")
        yield numbers, np.ones(len(numbers), dtype=np.bool_), rows


def _block_numbers(block: bytes, reading: NumberReading, line: int, rejects: Rejects) -> tuple[Numbers, int]:
    digits = line_digits(block)
    values, right = e164(digits, reading)
    blank = digits.readable & (digits.count == 0) & ~digits.plus
    for wrong in np.flatnonzero(~right & ~blank).tolist():
        rejects.add(line + wrong, _NOT_A_NUMBER)
    return values[right], len(values) - int(blank.sum())


def _looks_like_xml(stream: BinaryIO) -> bool:
    head = stream.peek(64) if isinstance(stream, io.BufferedReader) else b""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def _as_bytes(register: RegisterDefinition, file: Path, stream: BinaryIO) -> BinaryIO:
    """The text in an encoding in which digits are ASCII."""
    try:
        name = codecs.lookup(register.encoding).name
    except LookupError:
        raise InputError(
            f"register {register.name}: encoding {register.encoding!r} is unknown; name another, such as latin-1"
        ) from None
    if name in _ASCII_LIKE:
        if isinstance(stream, io.BufferedReader) and stream.peek(3).startswith(codecs.BOM_UTF8):
            stream.read(3)
        return stream
    return _Recoded(file, stream, register.encoding)  # type: ignore[return-value] # it reads like one


class _Recoded:
    """A stream of another encoding, read as UTF-8."""

    def __init__(self, file: Path, stream: BinaryIO, encoding: str) -> None:
        self._file = file
        self._text = io.TextIOWrapper(stream, encoding=encoding, newline="")

    def read(self, size: int) -> bytes:
        """The next piece; raises InputError when it is not of that encoding."""
        try:
            return self._text.read(size).lstrip("\ufeff").encode()
        except UnicodeDecodeError as error:
            raise InputError(f"{self._file}: is not {error.encoding}; say its encoding in [[register]]") from None


def _blocks(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Blocks of whole lines, the last one ended; or an empty one and True for a line that was too long."""
    carry = b""
    skipping = False
    while piece := stream.read(_BLOCK):
        if skipping:
            end = piece.find(b"\n")
            if end < 0:
                continue
            piece = piece[end + 1 :]  # what follows the line that was too long
            skipping = False
        end = piece.rfind(b"\n") + 1
        if end:
            yield carry + piece[:end], False
            carry = piece[end:]
        else:
            carry += piece
        if len(carry) > MAX_LINE:
            yield b"", True
            carry = b""
            skipping = True
    if carry:
        yield carry + b"\n", False


def _csv(
    register: RegisterDefinition, file: Path, stream: BinaryIO, rejects: Rejects, *, change: bool
) -> Iterator[tuple[Numbers, Flags, int]]:
    """Rows of a mapped CSV; the numbers of a block go through the same arithmetic as plain lines do."""
    columns: _Columns | None = None
    line = 1
    reading = reading_of(register)
    for block, skipped in _blocks(stream):
        lines = [b"x" * (MAX_LINE + 1)] if skipped else block.split(b"\n")[:-1]
        texts: list[str] = []
        places: list[int] = []
        added: list[bool] = []
        rows = 0
        for raw in lines:
            here, line = line, line + 1
            if not raw.strip():
                continue
            if columns is None:
                columns = _columns(register, file, raw, change=change)
                if register.header:
                    continue
            rows += 1
            try:
                text, kept = columns.cells(raw)
            except Reject as reject:
                rejects.add(here, reject)
                continue
            texts.append(text)
            places.append(here)
            added.append(kept)
        if rows:
            yield _mapped(texts, places, added, rows, reading, rejects)


def _mapped(
    texts: list[str], places: list[int], added: list[bool], rows: int, reading: NumberReading, rejects: Rejects
) -> tuple[Numbers, Flags, int]:
    if not texts:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.bool_), rows
    values, right = texts_e164(texts, reading)
    for wrong in np.flatnonzero(~right).tolist():
        rejects.add(places[wrong], _NOT_A_NUMBER)
    return values[right], np.array(added, dtype=np.bool_)[right], rows


@dataclass(frozen=True, slots=True)
class _Columns:
    register: RegisterDefinition
    number: int
    area: int | None
    change: int | None

    def cells(self, raw: bytes) -> tuple[str, bool]:
        """The number's text, area code in front, and whether it was added.

        Raises Reject for a row that is none.
        """
        if len(raw) > MAX_LINE:
            raise Reject("line", f"longer than {MAX_LINE} bytes")
        row = _row(raw, self.register)
        try:
            text = row[self.number].strip()
            if self.area is not None:
                text = row[self.area].strip() + text
            word = row[self.change].strip() if self.change is not None else self.register.added
        except IndexError:
            raise Reject("line", "fewer fields than the register's definition names") from None
        if not text or "\n" in text:
            raise Reject("number", "missing")
        if word not in {self.register.added, self.register.deleted}:
            raise Reject("change", f"expected {self.register.added} or {self.register.deleted}")
        return text, word == self.register.added


def _row(raw: bytes, register: RegisterDefinition) -> list[str]:
    encoding = register.encoding if codecs.lookup(register.encoding).name in _ASCII_LIKE else "utf-8"
    try:
        return next(csv.reader((raw.decode(encoding).rstrip("\r"),), delimiter=register.separator, strict=True))
    except UnicodeDecodeError:
        raise Reject("line", f"not {encoding}") from None
    except (csv.Error, StopIteration):
        raise Reject("line", "not CSV: a quote without its other one, or text after it") from None


def _columns(register: RegisterDefinition, file: Path, first: bytes, *, change: bool) -> _Columns:
    """Where the columns are, by the header where the definition gives names."""
    try:
        names = [name.strip() for name in _row(first, register)] if register.header else []
    except Reject as reject:
        raise InputError(f"{file}: line 1: {reject.reason}; save it as CSV") from None

    def place(column: str | int | None) -> int | None:
        if column is None or isinstance(column, int):
            return None if column is None else column - 1
        if column not in names:
            raise InputError(
                f"{file}: line 1: column {column!r} is missing; name the number's column in [[register]]"
            )
        return names.index(column)

    number = place(register.column)
    if number is None:
        raise InputError(f"register {register.name}: column: missing; name the number's column")
    if change and register.change_column is None:
        raise InputError(
            f"register {register.name}: change_column: missing; a change list needs the column "
            "that says added or deleted"
        )
    area = place(register.area_column)
    if area is not None and register.number_form is not NumberForm.NATIONAL:
        raise InputError(f"register {register.name}: area_column needs number_form national")
    return _Columns(register, number, area, place(register.change_column) if change else None)
