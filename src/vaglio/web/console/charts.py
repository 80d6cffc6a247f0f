"""Charts as SVG in the page: drawn by pygal on the server, then stripped to shapes and text.

Nothing in them needs a script, a style or a font of their own, which the content security policy would refuse:
colours come from the stylesheet by class. A chart is a picture with a label; its figures stand in a table
beside it.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree as ET

import pygal
from markupsafe import Markup

# pygal adds a finder of plugins to the import system, of a form that Python 3.11 warns of at every later import.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

_SVG: Final = "{http://www.w3.org/2000/svg}"
_TAGS: Final = frozenset({"svg", "g", "rect", "path", "text", "circle"})
_ATTRIBUTES: Final = frozenset(
    {"x", "y", "width", "height", "d", "transform", "class", "viewBox", "cx", "cy", "r"}
)


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
    return _picture(chart, label)


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
    return _picture(chart, label)


def _picture(chart: "pygal.graph.graph.Graph", label: str) -> Markup:
    tree = chart.render_tree()
    kept = _kept(tree)
    if kept is None:
        return Markup()
    kept.set("class", "chart")
    kept.set("role", "img")
    kept.set("aria-label", label)
    kept.set("preserveAspectRatio", "xMidYMid meet")
    return Markup(ET.tostring(kept, encoding="unicode"))  # noqa: S704 - serialised by an XML writer, from known tags


def _kept(element: ET.Element) -> ET.Element | None:
    """The element with known children and attributes only."""
    name = str(element.tag).removeprefix(_SVG)  # a comment's tag is a function
    if name not in _TAGS:
        return None
    made = ET.Element(name, {key: value for key, value in element.attrib.items() if key in _ATTRIBUTES})
    made.text = element.text if name == "text" else None
    made.extend(child for child in map(_kept, element) if child is not None)
    return made
