"""Records of a calling list as they stand in the file: bytes, cut where the CSV cuts them and nowhere else.

Every encoding that keeps ASCII as it is (UTF-8, Windows-1252, ISO 8859) is cut without being decoded, so a record
can be handed on byte for byte. UTF-16 is read as UTF-8.
"""

import codecs
import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO, Final

from vaglio.errors import InputError

MAX_RECORD: Final = 64 * 1024
"""Bytes of one record, line ends within quotes included; what is longer is cut line by line instead."""
DELIMITERS: Final = (b",", b";", b"\t", b"|")
_MOST_OPEN: Final = 8
"""Quotes that never close, in a block; each costs a look at as much as a record may have."""
BLOCK: Final = 4 * 1024 * 1024


@dataclass(slots=True)
class Stream:
    """A list's bytes as they stand in the file, hashed while they are read."""

    file: BinaryIO
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    position: int = 0

    def read(self, size: int = BLOCK) -> bytes:
        """The next bytes; none at the end."""
        raw = self.file.read(size)
        self.digest.update(raw)
        self.position += len(raw)
        return raw

    def blocks(self, first: bytes) -> Iterator[bytes]:
        """The first bytes and all others, without a byte order mark; UTF-16 as UTF-8."""
        raw = iter(lambda: self.read(), b"")  # noqa: PLW0108 - iter wants a callable of no arguments
        if not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            yield first.removeprefix(codecs.BOM_UTF8)
            yield from raw
            return
        decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        for piece in chain((first,), raw):
            yield decoder.decode(piece).encode("utf-8", "replace")


def mark_of(first: bytes) -> bytes:
    """The byte order mark that belongs before what `Stream.blocks` gives: UTF-8's where there was any."""
    marks = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return codecs.BOM_UTF8 if first.startswith(marks) else b""


def records(blocks: Iterator[bytes], delimiter: bytes) -> Iterator[list[bytes]]:
    """The records of a list, each with its line end, some thousands at a time; blank lines too."""
    quoted = re.compile(rb'(^|%b)"(?:[^"]|"")*+"' % re.escape(delimiter))
    opening = re.compile(rb'(?:^|%b)"' % re.escape(delimiter))
    left = b""
    for block in blocks:
        left += block
        end = left.rfind(b"\n") + 1
        if not end:
            if len(left) > MAX_RECORD:  # a line without end: handed on in pieces, none of which is a number
                yield [left + b"\n"]
                left = b""
            continue
        whole, left = left[:end], left[end:]
        found = whole.splitlines(keepends=True) if b"\r" not in whole else _lines(whole)
        if b'"' in whole:
            found, open_quote = _joined(found, quoted, opening)
            left = open_quote + left
        if found:
            yield found
    if left:
        yield _lines(left)


def _lines(data: bytes) -> list[bytes]:
    """Lines as line feeds end them: a lone carriage return ends none."""
    lines = data.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _joined(
    lines: list[bytes], quoted: re.Pattern[bytes], opening: re.Pattern[bytes]
) -> tuple[list[bytes], bytes]:
    """Lines that a quoted line end had parted put together, and what is still open at the end.

    A quote opens a cell only where the cell begins, so that a stray one hides no lead within another's record.
    """
    found: list[bytes] = []
    held = b""
    at = given_up = 0
    while at < len(lines):
        still_open = bool(held) and b'"' not in lines[at]
        held += lines[at]
        if not still_open and (b'"' not in held or not opening.search(quoted.sub(rb"\1q", held))):
            found.append(held)
        elif len(held) > MAX_RECORD:  # a quote that was never closed is not one
            given_up += 1
            if given_up > _MOST_OPEN:
                raise InputError("the list: quotes that are never closed stand everywhere; save it as CSV again")
            first, _, rest = held.partition(b"\n")
            found.append(first + b"\n")
            at -= rest.count(b"\n")
        else:
            at += 1
            continue
        held = b""
        at += 1
    return found, held


def decoded(record: bytes) -> str:
    """The record as text, in UTF-8, else as Windows-1252 has it."""
    try:
        return record.decode("utf-8")
    except UnicodeDecodeError:
        return record.decode("cp1252", "replace")


def cells(record: bytes, delimiter: bytes) -> list[str]:
    """The cells of a record, without spaces around them; of a broken one as far as they can be told."""
    text = decoded(record).rstrip("\r\n")
    if '"' not in text:
        return [cell.strip() for cell in text.split(delimiter.decode())]
    try:
        row = next(csv.reader((text,), delimiter=delimiter.decode()), [])
    except csv.Error:
        row = text.split(delimiter.decode())
    return [cell.strip() for cell in row]


def column_of(batch: Sequence[bytes], delimiter: bytes, column: int) -> list[str]:
    """One cell of each record: empty where a record has no such cell."""
    if any(b'"' in record for record in batch):
        return [_cell(cells(record, delimiter), column) for record in batch]
    most = column + 1
    parted = [record.split(delimiter, most) for record in batch]
    raw = [parts[column].rstrip(b"\r\n") if column < len(parts) else b"" for parts in parted]
    try:
        texts = b"\n".join(raw).decode("utf-8").split("\n")
    except UnicodeDecodeError:
        texts = [decoded(cell) for cell in raw]
    return [text.strip() for text in texts]


def _cell(row: list[str], column: int) -> str:
    return row[column] if column < len(row) else ""


def delimiter_of(sample: Sequence[bytes]) -> bytes:
    """The delimiter that parts most of the sample's records as often as the first one; a comma where none does."""
    best, most = b",", (0, 0)
    sample = [line[:MAX_RECORD] for line in sample]
    for delimiter in DELIMITERS:
        widths = [len(cells(record, delimiter)) for record in sample]
        score = (sum(width == widths[0] for width in widths), widths[0] if widths else 0)
        if widths and widths[0] > 1 and score > most:
            best, most = delimiter, score
    return best
