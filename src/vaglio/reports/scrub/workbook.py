"""A calling list in an Excel workbook (.xlsx), as the records of a CSV file.

Its first sheet is read, every cell as text. A cell that a spreadsheet would take for a formula once it stands in a
CSV file gets an apostrophe in front; numbers such as `+39…` do not.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from vaglio.errors import InputError

MAGIC: Final = b"PK\x03\x04"
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_UNPACKED: Final = 512 * 1024 * 1024
"""Of all parts together, as the archive tells and the reader finds."""
_SLICE: Final = 16_384
_FORMULA: Final = re.compile(r"[=@\t\r]|[+-](?![\d\s().-]*\Z)")
_WHOLE: Final = re.compile(r"(\d{5,17})\.0+")


def workbook_records(file: Path, data: bytes) -> Iterator[list[bytes]]:
    """The rows of the first sheet as CSV records in UTF-8, with commas.

    Raises:
        InputError: when it is no workbook, or larger than can be read in bounded memory.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"{file}: a workbook of more than {MAX_BYTES // 2**20} MiB; save it as CSV")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{file}: not an Excel workbook; save it as .xlsx or as CSV") from error
    if unpacked > MAX_UNPACKED:
        raise InputError(f"{file}: unpacks to more than {MAX_UNPACKED // 2**20} MiB; save it as CSV")
    frame = _frame(file, data)
    for start in range(0, len(frame), _SLICE):
        yield [_record(row) for row in frame.slice(start, _SLICE).iter_rows()]


def _frame(file: Path, data: bytes) -> pl.DataFrame:
    try:
        return pl.read_excel(
            io.BytesIO(data),
            engine="calamine",
            has_header=False,
            drop_empty_rows=False,
            drop_empty_cols=False,
            raise_if_empty=False,
            infer_schema_length=0,
            read_options={"dtypes": "string"},
        )
    except ModuleNotFoundError as error:
        raise InputError(f"{file}: workbooks need the package fastexcel; install it or save as CSV") from error
    except Exception as error:  # the reader's own errors have no common name
        raise InputError(
            f"{file}: the workbook cannot be read ({type(error).__name__}); save it as CSV"
        ) from error


def _record(row: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_cell(value) for value in row])
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    whole = _WHOLE.fullmatch(text)
    if whole is not None:  # a phone number kept as a number
        return whole[1]
    return f"'{text}" if _FORMULA.match(text) else text
