"""How values are written for people: filters of the templates. The page's `look` says language and zone."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final

import orjson
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from vaglio.model import Reason
from vaglio.redaction import mask
from vaglio.rules.texts import reason_text
from vaglio.web.console.look import Look

_MARKS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"en": (",", "."), "it": (".", ","), "fr": ("\u202f", ",")}
)
"""Between thousands, and before decimals."""
NOTHING: Final = "\u2013"
"""A dash: nothing to tell."""


def _look(context: Context) -> Look:
    look: Look = context["look"]
    return look


@pass_context
def when(context: Context, at: datetime | None) -> str | Markup:
    """Date and time to the second in the person's zone, which it names."""
    if at is None:
        return NOTHING
    local = _look(context).local(at)
    return Markup('<time datetime="{}"><span>{}</span> <span>{}</span></time>').format(
        at.isoformat(), f"{local:%Y-%m-%d}", f"{local:%H:%M:%S %Z}"
    )


@pass_context
def day(_: Context, value: date | None) -> str | Markup:
    """A date, ISO 8601."""
    return NOTHING if value is None else Markup('<time datetime="{0}">{0}</time>').format(value.isoformat())


@pass_context
def count(context: Context, value: int | None) -> str:
    """A whole number with the language's mark between thousands."""
    return NOTHING if value is None else f"{value:,}".replace(",", _MARKS[_look(context).language][0])


@pass_context
def decimal(context: Context, value: float | None, places: int = 1) -> str:
    """A number with decimals, as the language writes them."""
    if value is None:
        return NOTHING
    thousands, point = _MARKS[_look(context).language]
    return f"{value:,.{places}f}".translate({ord(","): thousands, ord("."): point})


@pass_context
def share(context: Context, value: float | None, places: int = 1) -> str:
    """Of a hundred: `share(12.34)` is `12.3 %`."""
    return NOTHING if value is None else f"{decimal(context, value, places)}\u00a0%"


@pass_context
def seconds(context: Context, microseconds: float | None) -> str:
    """Microseconds as µs, ms or s, whatever reads best."""
    if microseconds is None:
        return NOTHING
    for size, unit, places in ((1e6, "s", 2), (1e3, "ms", 1)):
        if microseconds >= size:
            return f"{decimal(context, microseconds / size, places)}\u00a0{unit}"
    return f"{microseconds:.0f}\u00a0µs"


@pass_context
def reason(context: Context, code: str | None) -> str:
    """What a reason's code means, in a sentence; the code itself when it is none of ours."""
    if code is None:
        return NOTHING
    known = code in tuple(Reason)
    return reason_text(Reason(code), _look(context).language) if known else code


def last3(value: str | None) -> str:
    """Digits masked to the last three: `…567`."""
    return mask(value) if value else NOTHING


def plain(value: object) -> str:
    """A list or a mapping as JSON."""
    return orjson.dumps(value).decode()


FILTERS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {one.__name__: one for one in (when, day, count, decimal, share, seconds, reason, last3, plain)}
)
