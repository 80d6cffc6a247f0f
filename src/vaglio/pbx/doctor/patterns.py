"""Extension patterns of the dialplan: `_9NXX.` and its like (Asterisk, "Pattern Matching").

Read loosely on purpose: where two patterns may match one number, the doctor takes it that they do.
"""

from functools import lru_cache
from typing import Final

_CLASSES: Final = {"X": "0123456789", "Z": "123456789", "N": "23456789"}


def matches(pattern: str, dialled: str) -> bool:
    """Whether an extension of the dialplan matches what was dialled."""
    return overlap(pattern, dialled)


def overlap(one: str, other: str) -> bool:
    """Whether some number is matched by both; what bears no `_` is a number itself."""
    (left, left_open), (right, right_open) = _read(one), _read(other)
    if any(not a & b for a, b in zip(left, right, strict=False)):
        return False
    shorter_open = left_open if len(left) <= len(right) else right_open
    return len(left) == len(right) or shorter_open


def is_open(pattern: str) -> bool:
    """Whether anything may follow: such an extension also matches what is no number."""
    return _read(pattern)[1]


@lru_cache(maxsize=65_536)
def _read(extension: str) -> tuple[list[frozenset[str]], bool]:
    """The characters each place may hold, and whether any may follow."""
    if not extension.startswith("_"):
        return [frozenset(mark.lower()) for mark in extension], False
    places: list[frozenset[str]] = []
    rest = extension[1:].replace("-", "") if "[" not in extension else extension[1:]
    while rest:
        mark, rest = rest[0], rest[1:]
        if mark == "!":
            return places, True
        if mark == ".":
            return [*places, _ANY], True
        if mark == "[" and "]" in rest:
            inside, _, rest = rest.partition("]")
            places.append(_bracket(inside))
        elif mark != "-":
            places.append(frozenset(_CLASSES.get(mark.upper(), mark.lower())))
    return places, False


def _bracket(inside: str) -> frozenset[str]:
    found: set[str] = set()
    while inside:
        if len(inside) > 2 and inside[1] == "-":  # noqa: PLR2004 - a range is three characters
            found |= {chr(code) for code in range(ord(inside[0]), ord(inside[2]) + 1)}
            inside = inside[3:]
        else:
            found.add(inside[0])
            inside = inside[1:]
    return frozenset(mark.lower() for mark in found)


_ANY: Final = frozenset(chr(code) for code in range(33, 127)) - frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
