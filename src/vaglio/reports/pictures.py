"""A chart as an inert picture within a page: pygal's SVG stripped to shapes and text.

Nothing is fetched and nothing runs; without `style` there is nothing either that a strict content security policy
would refuse. What a chart shows stands in a table beside it as well.
"""

import sys
from typing import Final
from xml.etree import ElementTree as ET

import pygal  # noqa: TC002 - its finder must have come to be taken away
from markupsafe import Markup

# pygal adds a finder of plugins to the import system, of a form that Python 3.11 warns of at every later import.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

_SVG: Final = "{http://www.w3.org/2000/svg}"
_TAGS: Final = frozenset({"svg", "g", "rect", "path", "text", "circle"})
_ATTRIBUTES: Final = frozenset(
    {"x", "y", "width", "height", "d", "transform", "class", "viewBox", "cx", "cy", "r"}
)
_INTERACTIVE: Final = frozenset({"tooltip", "tooltip-overlay", "plot text-overlay", "plot overlay"})


def picture(chart: "pygal.graph.graph.Graph", label: str, style: str | None = None) -> Markup:
    """The chart under the class `chart`; `label` is what a screen reader says of it.

    `style` is a stylesheet of its own, for a page that brings none.
    """
    kept = _kept(chart.render_tree())
    if kept is None:
        return Markup()
    kept.set("class", "chart")
    kept.set("role", "img")
    kept.set("aria-label", label)
    kept.set("preserveAspectRatio", "xMidYMid meet")
    if style is not None:
        sheet = ET.Element("style")
        sheet.text = style
        kept.insert(0, sheet)
    return Markup(ET.tostring(kept, encoding="unicode"))  # noqa: S704 - serialised by an XML writer, from known tags


def _kept(element: ET.Element) -> ET.Element | None:
    """The element with known children and attributes only."""
    name = str(element.tag).removeprefix(_SVG)  # a comment's tag is a function
    if name not in _TAGS or element.get("class", "") in _INTERACTIVE:
        return None
    made = ET.Element(name, {key: value for key, value in element.attrib.items() if key in _ATTRIBUTES})
    made.text = element.text if name == "text" else None
    made.extend(child for child in map(_kept, element) if child is not None)
    return made
