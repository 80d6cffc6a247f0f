"""Which column of a list holds the number: named by the caller, told by its name, or told by what stands in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vaglio.errors import InputError
from vaglio.numbers import parse_e164

MAX_COLUMNS: Final = 4096
_NAMES: Final = frozenset(
    {
        *("number", "phone", "phonenumber", "telephone", "telephonenumber", "tel", "mobile", "mobilephone"),
        *("cell", "cellphone", "msisdn", "e164", "dial", "dialednumber", "calledparty"),
        *("numero", "numeroditelefono", "numerotelefono", "telefono", "cellulare", "recapito"),
        *(
            "téléphone",
            "numérodetéléphone",
            "portable",
            "numéro",
            "telefon",
            "telefonnummer",
            "rufnummer",
            "móvil",
        ),
    }
)
_ENOUGH: Final = 0.8
"""Share of a column's filled cells that must be numbers, where no name tells."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a list is laid out."""

    header: bool
    """Whether the first record names the columns."""
    column: int
    """Of the number, from 0."""
    name: str
    """Of that column; its place from 1 where there is no header."""


def layout_of(
    file: Path, rows: Sequence[Sequence[str]], wanted: str | None, region: str, *, named_by: str
) -> Layout:
    """The layout of a list, of which these are the first rows; `named_by` is where the caller may name the column.

    Raises:
        InputError: when the number's column cannot be told, or the one wanted is not there.
    """
    first = rows[0]
    if len(first) > MAX_COLUMNS:
        raise InputError(f"{file}: line 1: {len(first)} columns; at most {MAX_COLUMNS} are read")
    header = not any(_is_number(cell, region) for cell in first)
    if wanted is not None:
        return _wanted(file, first, wanted, header=header)
    names = [place for place, cell in enumerate(first) if header and _plain(cell) in _NAMES]
    found = names or [place for place in range(len(first)) if _holds_numbers(rows[header:], place, region)]
    if len(found) == 1:
        return Layout(header, found[0], first[found[0]] if header else str(found[0] + 1))
    told = ", ".join(repr(first[place]) if header else str(place + 1) for place in found[:5])
    what = f"several columns could hold the number ({told})" if found else "no column holds phone numbers"
    raise InputError(f"{file}: {what}; give its name, or its place from 1, with {named_by}")


def _wanted(file: Path, first: Sequence[str], wanted: str, *, header: bool) -> Layout:
    if header:
        places = [place for place, cell in enumerate(first) if cell == wanted]
        places = places or [place for place, cell in enumerate(first) if cell.casefold() == wanted.casefold()]
        if len(places) > 1:
            raise InputError(f"{file}: line 1: column {wanted!r} stands there twice; name it by its place from 1")
        if places:
            return Layout(header, places[0], first[places[0]])
    if wanted.isascii() and wanted.isdecimal() and len(wanted) < 5 and 1 <= int(wanted) <= len(first):  # noqa: PLR2004
        return Layout(header, int(wanted) - 1, first[int(wanted) - 1] if header else wanted)
    known = f"columns are {', '.join(map(repr, first[:20]))}" if header else f"it has {len(first)} and no header"
    raise InputError(f"{file}: line 1: no column {wanted[:40]!r}; {known[:400]}")


def _plain(cell: str) -> str:
    return "".join(filter(str.isalnum, cell.casefold()))


def _is_number(cell: str, region: str) -> bool:
    return sum(map(str.isdigit, cell)) >= 6 and parse_e164(cell, region=region).e164 is not None  # noqa: PLR2004


def _holds_numbers(rows: Sequence[Sequence[str]], place: int, region: str) -> bool:
    filled = [row[place] for row in rows if place < len(row) and row[place]]
    return bool(filled) and sum(_is_number(cell, region) for cell in filled) >= _ENOUGH * len(filled)
