"""Text from outside on its way to people: into a cell that a spreadsheet opens, onto a page, into a line."""

import unicodedata
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Categories of characters that show nothing and can make a text read otherwise: controls, bidi overrides."""


def neutral(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def visible(text: str) -> str:
    """The text with a mark in the place of each character that cannot be seen, such as one that turns it round."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(one) in _UNSEEN else one for one in text)
