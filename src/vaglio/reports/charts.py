"""The reports' charts; each brings its own colours, which follow the reader's dark or light."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pygal
from markupsafe import Markup
from pygal.style import Style

from vaglio.reports.pictures import picture
from vaglio.reports.wording import NOTHING

_FONT: Final = "sans-serif"
_STYLE: Final = Style(
    background="transparent",
    plot_background="transparent",
    font_family=_FONT,
    label_font_size=13,  # larger than it is drawn: pygal leaves room for letters narrower than capitals are
)
_CSS: Final = """
.chart text { font-family: "DejaVu Sans", sans-serif; font-size: 10px; fill: #333; stroke: none }
.chart .background { fill: none; stroke: none }
.chart .axis .line { fill: none; stroke: #999 }
.chart .axis .guide { stroke: #ddd; stroke-width: 1 }
.chart .axis.x .guide { stroke: none }
.chart .axis.x text { text-anchor: middle }
.chart .axis.x text[transform] { text-anchor: start }
.chart .axis.y text { text-anchor: end }
.chart .color-0 { fill: #1c6e8c; stroke: none }
.chart .color-1 { fill: #b4472e; stroke: none }
.chart .color-2 { fill: #c9a227; stroke: none }
.chart .color-3 { fill: #6a4c93; stroke: none }
@media (prefers-color-scheme: dark) {
  .chart text { fill: #ddd }
  .chart .axis .line { stroke: #888 }
  .chart .axis .guide { stroke: #444 }
  .chart .axis.x .guide { stroke: none }
  .chart .color-0 { fill: #5fb3d1 }
  .chart .color-1 { fill: #e0806a }
  .chart .color-2 { fill: #e3c565 }
  .chart .color-3 { fill: #b39ddb }
}
"""
_LABELS: Final = 12
_LEGEND: Final = 26
"""Pixels under the chart: pygal puts the legend below its own edge."""


def stacked(title: str, labels: Sequence[str], series: Mapping[str, Sequence[int]]) -> Markup:
    """Bars one upon the other, a bar a label."""
    chart = pygal.StackedBar(
        **_options() | {"margin_bottom": _LEGEND}, height=280, legend_at_bottom=True, legend_at_bottom_columns=4
    )
    step = max(1, -(-len(labels) // _LABELS))
    chart.x_labels = [label if place % step == 0 else "" for place, label in enumerate(labels)]
    for name, values in series.items():
        chart.add(name, list(values))
    return picture(chart, title, _CSS)


def bars(title: str, values: Mapping[str, int]) -> Markup:
    """Bars beside each other, lying, the first on top."""
    chart = pygal.HorizontalBar(**_options(), height=60 + 26 * len(values), show_legend=False)
    names = list(values)[::-1]
    chart.x_labels = names
    chart.add(title, [values[name] for name in names])
    return picture(chart, title, _CSS)


def _options() -> dict[str, Any]:
    return {
        "js": (),
        "css": (),
        "style": _STYLE,
        "width": 720,
        "margin": 6,
        "spacing": 8,
        "classes": ("chart",),
        "no_prefix": True,
        "rounded_bars": 0,
        "x_label_rotation": 0,
        "truncate_label": 40,
        "value_formatter": lambda value: f"{value:,.0f}",
        "max_scale": 6,
        "human_readable": False,
        "no_data_text": NOTHING,
        "include_x_axis": True,
    }
