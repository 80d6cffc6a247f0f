"""The console's charts; their colours come from its stylesheet by class."""

from collections.abc import Mapping, Sequence

import pygal
from markupsafe import Markup

from vaglio.reports.pictures import picture


def stacked_bars(
    label: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[int]],
    *,
    every: int = 1,
    width: int = 480,
    height: int = 230,
) -> Markup:
    """Bars of several parts, of the stylesheet's `color-0`, `color-1`, … in the order of the series.

    `label` is what a screen reader says of the picture; of the labels below, each `every`-th is written.
    """
    chart = pygal.StackedBar(
        js=(),
        width=width,
        height=height,
        show_legend=False,
        margin=6,
        max_scale=5,
        spacing=4,
        include_x_axis=True,
        truncate_label=-1,
    )
    chart.x_labels = [text if place % every == 0 else "" for place, text in enumerate(labels)]
    for name, values in series.items():
        chart.add(name, list(values))
    return picture(chart, label)


def bars(
    label: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[int]],
    *,
    width: int = 480,
    bar_height: int = 24,
) -> Markup:
    """Lying bars, the first on top, one for each label; otherwise as `stacked_bars`."""
    chart = pygal.HorizontalStackedBar(
        js=(),
        width=width,
        height=40 + bar_height * max(1, len(labels)),
        show_legend=False,
        margin=6,
        margin_left=45,  # the stylesheet's letters are wider than pygal takes them for
        max_scale=5,
        spacing=4,
        truncate_label=-1,
    )
    chart.x_labels = list(reversed(labels))
    for name, values in series.items():
        chart.add(name, list(reversed(values)))
    return picture(chart, label)
