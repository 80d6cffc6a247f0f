"""Figures as rows: what a report says in numbers, for a spreadsheet or a program. docs/reports.md tells each."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vaglio.reports.cells import neutral, visible

COLUMNS: Final = ("section", "campaign", "day", "item", "value", "unit")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a report."""

    section: str
    item: str
    value: float | str | None
    unit: str
    campaign: str | None = None
    day: str | None = None

    @property
    def row(self) -> tuple[float | str | None, ...]:
        """By column."""
        return (self.section, self.campaign, self.day, self.item, self.value, self.unit)


def rows_csv(figures: Iterable[Figure]) -> bytes:
    """The figures as a UTF-8 CSV with a header; no cell is a formula."""
    return table_csv(COLUMNS, (figure.row for figure in figures))


def table_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Any table as a UTF-8 CSV with a header; no cell is a formula, nothing unseen stands in one."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    match value:
        case str():
            return neutral(visible(value))
        case float():
            return f"{value:.6g}"
        case _:
            return value
