"""The answer of a query register as a file: flagged rows, or what is left of the list.

An answer is taken whole or not at all, so a row that cannot be read refuses the file.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from vaglio.errors import InputError
from vaglio.index.definitions import AnswerLayout, RegisterDefinition
from vaglio.index.digits import Flags, Numbers, reading_of, texts_e164
from vaglio.index.lists import OnBytes, read_list
from vaglio.index.rows import Lines, Reject, Rejects, fields, open_input

_AT_ONCE: Final = 50_000
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, by number in ascending order."""

    numbers: Numbers
    opposed: Flags
    void_until: dict[int, str]
    """ISO dates, where the answer gives them."""


class _Row(NamedTuple):
    text: str
    line: int
    opposed: bool
    void: str


@dataclass(frozen=True, slots=True)
class _Places:
    number: int
    status: int
    void: int | None
    headed: bool


def read_answer(
    register: RegisterDefinition, file: Path, layout: AnswerLayout, on_bytes: OnBytes | None = None
) -> Answer:
    """The answer in a file; of the cleansed layout, all numbers are not opposed.

    Raises InputError naming the first row that cannot be read, and for a number that is there twice.
    """
    if layout is AnswerLayout.FLAGGED:
        return _flagged(register, file, on_bytes)
    with Rejects(file) as rejects:
        found = read_list(register, file, rejects, on_bytes=on_bytes)
    if rejects.count:
        raise InputError(
            f"{file}: {rejects.count} of {found.read} rows are no numbers; an answer is taken whole: "
            f"see {rejects.path.name}, and mend the layout in [[register]] {register.name}"
        )
    return Answer(found.added, np.zeros(len(found.added), dtype=np.bool_), {})


def _flagged(register: RegisterDefinition, file: Path, on_bytes: OnBytes | None) -> Answer:
    reading = reading_of(register)
    blocks = [np.empty(0, dtype=np.uint64)]
    rows: list[_Row] = []
    fresh = 0

    def take() -> None:
        some = rows[fresh:]
        values, right = texts_e164([row.text for row in some], reading)
        if not right.all():
            raise _refused(file, some[int(np.argmin(right))].line, "number: not one of the register's form")
        blocks.append(values)

    for row in _rows(register, file, on_bytes):
        rows.append(row)
        if len(rows) - fresh >= _AT_ONCE:
            take()
            fresh = len(rows)
    take()
    numbers = np.concatenate(blocks)
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    twice = np.flatnonzero(numbers[1:] == numbers[:-1])
    if len(twice):
        raise _refused(file, rows[int(order[twice[0] + 1])].line, "number: stands there twice")
    void_until = {int(numbers[place]): rows[at].void for place, at in enumerate(order.tolist()) if rows[at].void}
    return Answer(numbers, np.array([row.opposed for row in rows], dtype=np.bool_)[order], void_until)


def _rows(register: RegisterDefinition, file: Path, on_bytes: OnBytes | None) -> Iterator[_Row]:
    words = dict.fromkeys(register.opposed_words, True) | dict.fromkeys(register.clear_words, False)
    places: _Places | None = None
    with open_input(file) as stream:
        size = os.fstat(stream.fileno()).st_size
        lines = Lines(stream)
        for number, content in lines:
            try:
                if isinstance(content, Reject):
                    raise content
                row = fields(content.removeprefix(_BOM) if number == 1 else content, register.separator)
                if places is None:
                    places = _places(register, file, row)
                    if places.headed:
                        continue
                text, opposed, void = _cells(row, places, words)
            except Reject as reject:
                raise _refused(file, number, str(reject)) from None
            yield _Row(text, number, opposed, void)
            if on_bytes is not None and number % _AT_ONCE == 0:
                on_bytes(lines.position, size)


def _places(register: RegisterDefinition, file: Path, first: list[str]) -> _Places:
    wanted = (register.number_column, register.status_column, register.void_column)
    if all(not isinstance(column, str) for column in wanted):
        number, status, void = (column - 1 if isinstance(column, int) else None for column in wanted)
        return _Places(number or 0, status or 0, void, register.header)
    names = [name.lower() for name in first]

    def place(column: str | int | None, *, needed: bool) -> int | None:
        if column is None or isinstance(column, int):
            return None if column is None else column - 1
        if column.lower() in names:
            return names.index(column.lower())
        if needed:
            raise InputError(
                f"{file}: line 1: column {column!r} is missing; say the answer's columns in "
                f"[[register]] {register.name}, or name the other --layout"
            )
        return None

    number, status = place(register.number_column, needed=True), place(register.status_column, needed=True)
    return _Places(number or 0, status or 0, place(register.void_column, needed=False), headed=True)


def _cells(row: list[str], places: _Places, words: dict[str, bool]) -> tuple[str, bool, str]:
    """Text of the number, whether it is opposed, and the date up to which consents are void, or ''."""
    if len(row) <= max(places.number, places.status):
        raise Reject("line", "fewer fields than columns")
    opposed = words.get(row[places.status].lower())
    if opposed is None:
        raise Reject("status", f"expected one of {', '.join(words)}")
    void = row[places.void] if places.void is not None and places.void < len(row) else ""
    if void:
        try:
            void = date.fromisoformat(void).isoformat()
        except ValueError:
            raise Reject("consents_void_until", "expected a date such as 2026-11-23") from None
    if "\n" in row[places.number]:
        raise Reject("number", "holds a line end")
    return row[places.number], opposed, void


def _refused(file: Path, line: int, reason: str) -> InputError:
    return InputError(
        f"{file}: line {line}: {reason}; an answer is taken whole: mend it, or its layout in [[register]]"
    )
