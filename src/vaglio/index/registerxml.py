"""A list register as XML, read as a stream: elements of numbers, within elements of area codes or whole.

No source confirms the tags of the US list; the definition's `element`, `attribute`, `area_element` and
`change_attribute` say them. A document that declares entities or nests deeply is refused.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final
from xml.parsers import expat

import numpy as np

from vaglio.errors import InputError
from vaglio.index.definitions import RegisterDefinition
from vaglio.index.digits import Flags, Numbers, e164, line_digits, reading_of
from vaglio.index.rows import Reject, Rejects

_PIECE: Final = 256 * 1024
_DEPTH: Final = 16
_MAX_TEXT: Final = 64
_LOCAL_DIGITS: Final = 7


class _Elements:
    """Collects the numbers that expat comes across."""

    def __init__(self, register: RegisterDefinition, parser: expat.XMLParserType) -> None:
        self._register = register
        self._parser = parser
        self._area = ""
        self._depth = 0
        self._text: list[str] | None = None
        self._mark = ""
        self.found: list[tuple[str, str, int]] = []
        """Text of the number, the change's word, and the line."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise ValueError("nested too deeply")
        if name == self._register.area_element:
            self._area = attributes.get(self._register.attribute, "").strip()
        elif name == self._register.element:
            self._mark = attributes.get(self._register.change_attribute, "").strip()
            value = attributes.get(self._register.attribute)
            if value is None:
                self._text = []
            else:
                self._add(value)

    def characters(self, text: str) -> None:
        if self._text is not None and len(self._text) < _MAX_TEXT:
            self._text.append(text)

    def end(self, name: str) -> None:
        self._depth -= 1
        if name == self._register.element and self._text is not None:
            self._add("".join(self._text))
            self._text = None
        elif name == self._register.area_element:
            self._area = ""

    def _add(self, value: str) -> None:
        text = value.strip()
        if len(text) <= _LOCAL_DIGITS + 1:
            text = self._area + text
        self.found.append((text[:_MAX_TEXT].replace("\n", "?"), self._mark, self._parser.CurrentLineNumber))


def xml_numbers(
    register: RegisterDefinition, file: Path, stream: BinaryIO, rejects: Rejects, *, change: bool
) -> Iterator[tuple[Numbers, Flags, int]]:
    """Numbers, whether each was added, and rows; in pieces.

    Raises InputError for XML that is none or is hostile.
    """
    parser = expat.ParserCreate()
    elements = _Elements(register, parser)
    parser.StartElementHandler = elements.start
    parser.EndElementHandler = elements.end
    parser.CharacterDataHandler = elements.characters
    parser.EntityDeclHandler = _refuse_entities
    parser.buffer_text = True
    reading = reading_of(register)
    while True:
        piece = stream.read(_PIECE)
        try:
            parser.Parse(piece, not piece)
        except (expat.ExpatError, ValueError) as error:
            raise InputError(f"{file}: not the XML of a register ({error}); fetch it again") from None
        found, elements.found = elements.found, []
        if found:
            right = [one for one in found if _known_change(register, one, rejects)] if change else found
            digits = line_digits("".join(f"{text}\n" for text, _, _ in right).encode() or b"\n")
            values, good = e164(digits, reading)
            for wrong in np.flatnonzero(~good[: len(right)]).tolist():
                rejects.add(right[wrong][2], Reject("number", "not a number of the register's region"))
            added = np.array([mark == register.added for _, mark, _ in right] or [False], dtype=np.bool_)
            yield values[good], added[good], len(found)
        if not piece:
            return


def _known_change(register: RegisterDefinition, one: tuple[str, str, int], rejects: Rejects) -> bool:
    if one[1] in {register.added, register.deleted}:
        return True
    rejects.add(one[2], Reject("change", f"expected {register.added} or {register.deleted}"))
    return False


def _refuse_entities(*_: object) -> None:
    raise ValueError("declares entities")
