"""Numbers and text tables of the measurements."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile of values in rising order; there must be one at least."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns; a row of two cells is a title and a remark that may run on."""
    full = [row for row in [head, *rows] if len(row) == len(head)]
    first = max(len(row[0]) for row in [head, *rows])
    widths = [first, *(max(len(row[column]) for row in full) for column in range(1, len(head)))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in [head, rule, *rows])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0])]
    if len(row) == len(widths):
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    else:
        cells += [row[1], *([""] * (len(widths) - 2))]
    return f"| {' | '.join(cells)} |"
