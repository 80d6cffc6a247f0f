"""What the pages say, in English, Italian and French: data files a language under `texts/`, same keys in each.

`en.toml` holds the frame's texts, `number.en.toml` those of one page group. A key is `section.name`. Words in
braces are filled in by the page.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from vaglio.rules.texts import LANGUAGES

NAMES: Final[Mapping[str, str]] = MappingProxyType({"en": "English", "it": "Italiano", "fr": "Français"})
"""Each language in itself."""
_LONGEST: Final = 200
"""Characters of an Accept-Language header that are looked at."""


@cache
def texts(language: str) -> Mapping[str, str]:
    """Key → text of a language of `LANGUAGES`."""
    found: dict[str, str] = {}
    for file in resources.files("vaglio.web.console").joinpath("texts").iterdir():
        if f".{file.name}".endswith(f".{language}.toml"):
            sections = tomllib.loads(file.read_text(encoding="utf-8"))
            found |= {
                f"{section}.{name}": text for section, named in sections.items() for name, text in named.items()
            }
    return MappingProxyType(found)


def said(language: str, key: str, **values: object) -> str:
    """The text of a key, filled in; plain text, which a template escapes.

    Raises:
        KeyError: when there is no such text, or a value for it is missing.
    """
    return texts(language)[key].format(**values)


def accepted_language(header: str) -> str:
    """The first language of an Accept-Language header that the console speaks, by preference; else English."""
    wished: list[tuple[float, str]] = []
    for part in header[:_LONGEST].split(","):
        tag, _, quality = part.strip().partition(";")
        language = tag.strip()[:2].lower()
        if language in LANGUAGES:
            wished.append((_quality(quality), language))
    wished.sort(key=lambda one: -one[0])
    return wished[0][1] if wished and wished[0][0] > 0 else "en"


def _quality(text: str) -> float:
    value = text.strip().removeprefix("q=")
    try:
        return float(value) if value else 1.0
    except ValueError:
        return 0.0
