"""Large files of facts: read in blocks, put in order by number, written along the edge of the tables' trees.

Rows in the order of their numbers cost a table one page after the other; in any other order each would cost a page
of its own. Files beyond a few hundred megabytes are parted into ranges of numbers in unnamed temporary files, so
memory stays bounded and nothing is left behind by a kill.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import IO, BinaryIO, Final

import numpy as np
import polars as pl

from vaglio.index.facts import FILES, FactFile
from vaglio.index.fastrows import FastRows
from vaglio.index.records import FactKind, Row
from vaglio.index.rows import MAX_LINE, Reject, Rejects, fields, named

_BLOCK: Final = 16 * 1024 * 1024
_RANGE_BYTES: Final = 192 * 1024 * 1024
"""Of the file, for one range of numbers."""
_SLICE: Final = 32_768
_NEWLINE: Final = ord("\n")
_COMMA: Final = ord(",")
_FEW: Final = 4096
"""Different values of a column in the first slice up to which they share their objects."""


def strict_row(kind: FactFile, line: bytes, names: list[str], region: str | None) -> Row:
    """What the strict reading makes of one line; raises Reject."""
    if len(line) > MAX_LINE:
        raise Reject("line", f"longer than {MAX_LINE} bytes")
    return kind.record(named(fields(line), names), region).row()


def bulk_rows(
    kind: FactKind,
    stream: BinaryIO,
    size: int,
    names: list[str],
    rejects: Rejects,
    region: str | None,
    *,
    first_line: int,
    on_bytes: Callable[[int], None],
) -> Iterator[Row]:
    """The rows of what is left of a file, by number; of one number in the file's order.

    `first_line` is the number of the line that comes next. `on_bytes` is told how much was read.
    """
    reader = _BlockReader(kind, names, rejects, region)
    with ExitStack() as stack:
        ranges: _Ranges | None = None
        done = stream.tell()
        line = first_line
        for block, length in _blocks(stream):
            frame = reader.read(block, line)
            line += block.count(b"\n")
            done += length
            on_bytes(done)
            if ranges is None:
                ranges = _Ranges(frame["number"], max(1, size // _RANGE_BYTES), stack)
            ranges.add(frame)
        for part in ranges.parts() if ranges is not None else ():
            yield from _tuples(part)


class _BlockReader:
    """Lines → values: the sure ones at once, the others one by one."""

    def __init__(self, kind: FactKind, names: list[str], rejects: Rejects, region: str | None) -> None:
        self._kind = FILES[kind]
        self._names = names
        self._rejects = rejects
        self._region = region
        self._fast = FastRows(kind, names)

    def read(self, block: bytes, first_line: int) -> pl.DataFrame:
        """The rows of a block of whole lines, with the column `_line`; rejects are noted in the lines' order."""
        plain, places, others = _sorted_out(block, len(self._names) - 1, first_line)
        rows, sure = self._fast.read(_cells(plain, self._names))
        rows = rows.with_columns(places.filter(sure))
        if sure.all() and not others:
            return rows
        lines = block.split(b"\n")
        others += [(place, lines[place - first_line]) for place in places.filter(~sure).to_list()]
        return self._with_strict(rows, sorted(others))

    def _with_strict(self, rows: pl.DataFrame, lines: list[tuple[int, bytes]]) -> pl.DataFrame:
        accepted: list[tuple[int | str | None, ...]] = []
        for place, line in lines:
            try:
                row = strict_row(self._kind, line.rstrip(b"\r"), self._names, self._region)
            except Reject as reject:
                self._rejects.add(place, reject)
                continue
            accepted.append((*row, place))
        if not accepted:
            return rows
        return pl.concat([rows, pl.DataFrame(accepted, schema=rows.schema, orient="row")])


def _sorted_out(block: bytes, commas: int, first_line: int) -> tuple[bytes, pl.Series, list[tuple[int, bytes]]]:
    """The lines that have one cell a column, their numbers, and the other lines, blank ones left out."""
    if block and b'"' not in block and b"\0" not in block:
        data = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(data == _NEWLINE)
        starts = np.concatenate(([0], ends[:-1] + 1))
        counts = np.add.reduceat((data == _COMMA).view(np.uint8), starts, dtype=np.uint16)
        if (counts == commas).all() and (ends - starts < MAX_LINE).all():
            places = pl.Series("_line", np.arange(first_line, first_line + len(ends)))
            return block.replace(b"\r\n", b"\n") if b"\r" in block else block, places, []
    plain: list[bytes] = []
    numbers: list[int] = []
    others: list[tuple[int, bytes]] = []
    for place, raw in enumerate(block.split(b"\n")[:-1], start=first_line):
        line = raw.rstrip(b"\r")
        cells = _unquoted(line, commas) if b'"' in line else line
        if cells is not None and cells.count(b",") == commas and len(cells) <= MAX_LINE and b"\0" not in cells:
            plain.append(cells + b"\n")
            numbers.append(place)
        elif line.strip():
            others.append((place, line))
    return b"".join(plain), pl.Series("_line", numbers, dtype=pl.Int64), others


def _unquoted(line: bytes, commas: int) -> bytes | None:
    """The cells of a line in which every one is quoted and none holds a quote or a comma; else None."""
    if line.count(b'"') != 2 * (commas + 1) or line.count(b'","') != commas:
        return None
    return line[1:-1].replace(b'","', b",") if line[:1] == line[-1:] == b'"' else None


def _cells(lines: bytes, names: list[str]) -> pl.DataFrame:
    """The cells of lines that all have as many as there are names."""
    schema = dict.fromkeys(names, pl.String)
    if not lines:
        return pl.DataFrame(schema=schema)
    frame = pl.read_csv(
        lines,
        has_header=False,
        new_columns=names,
        schema_overrides=[pl.String] * len(names),
        quote_char=None,
        encoding="utf8-lossy",
    )
    cells = pl.all().fill_null("")
    spaced = lines.startswith(b" ") or any(edge in lines for edge in (b", ", b" ,", b"\n ", b" \n"))
    return frame.select(cells.str.strip_chars(" ") if spaced else cells)


def _blocks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Blocks of whole lines, the last one ended, and how many bytes of the file each brings.

    A line longer than a row may be is cut short, so that it is one reject and needs no memory.
    """
    carry = b""
    cut = False
    while piece := stream.read(_BLOCK):
        length = len(piece)
        if cut:
            end = piece.find(b"\n")
            if end < 0:
                yield b"", length
                continue
            piece = piece[end:]  # the line end of the line that was cut short
            cut = False
        end = piece.rfind(b"\n") + 1
        block, carry = (carry + piece[:end], piece[end:]) if end else (b"", carry + piece)
        if len(carry) > MAX_LINE:
            carry = carry[: MAX_LINE + 1]
            cut = True
        yield block, length
    if carry:
        yield carry + b"\n", 0


class _Ranges:
    """Rows parted by number into ranges of about one size, the bounds guessed from the first block."""

    def __init__(self, numbers: pl.Series, amount: int, stack: ExitStack) -> None:
        guesses = [numbers.quantile(place / amount) for place in range(1, amount)]
        self._bounds = sorted({int(guess) for guess in guesses if guess is not None})
        self._one: list[pl.DataFrame] = []
        self._files: list[IO[bytes]] = []
        self._lengths: list[list[int]] = []
        for _ in range(len(self._bounds) + 1 if self._bounds else 0):
            self._files.append(stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115 - the stack closes it
            self._lengths.append([])

    def add(self, frame: pl.DataFrame) -> None:
        """Put rows where they belong."""
        if not self._files:
            self._one.append(frame)
            return
        place = pl.lit(0, dtype=pl.UInt32)
        for bound in self._bounds:
            place = place + (pl.col("number") > bound).cast(pl.UInt32)
        for (at,), part in frame.group_by(place.alias("_range"), maintain_order=True):
            file = self._files[int(str(at))]
            before = file.tell()
            part.write_ipc_stream(file, compression="lz4")
            self._lengths[int(str(at))].append(file.tell() - before)

    def parts(self) -> Iterator[pl.DataFrame]:
        """Range after range, each in order."""
        if not self._files:
            if self._one:
                yield pl.concat(self._one).sort("number", "_line")
            return
        for file, lengths in zip(self._files, self._lengths, strict=True):
            file.seek(0)
            frames = [pl.read_ipc_stream(file.read(length)) for length in lengths]
            if frames:
                yield pl.concat(frames).sort("number", "_line")


def _tuples(rows: pl.DataFrame) -> Iterator[Row]:
    values = rows.drop("_line")
    shared = {
        column.name
        for column in values.slice(0, _SLICE).get_columns()
        if column.dtype == pl.String and column.n_unique() <= _FEW
    }
    for start in range(0, len(values), _SLICE):
        part = values.slice(start, _SLICE).get_columns()
        yield from zip(
            *(_objects(column) if column.name in shared else column.to_list() for column in part), strict=True
        )


def _objects(column: pl.Series) -> list[int | str | None]:
    """The values; a string that repeats is one object, which is most of the time that making them takes."""
    known = column.unique()
    places = column.replace_strict(known, pl.Series(range(len(known)), dtype=pl.UInt32), return_dtype=pl.UInt32)
    objects = known.to_list()
    return [objects[place] for place in places.to_list()]
