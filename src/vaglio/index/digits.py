"""Numbers out of blocks of text, many at a time: the arithmetic under the list registers' imports.

A block is whole lines of bytes. A line's digits, separators left out, are its number; whatever else stands in it
makes it unreadable. Strictness is per line and the same on both ways through: lines of one width are read column
by column, all others digit by digit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from phonenumbers import PhoneMetadata

from vaglio.index.definitions import NumberForm, RegisterDefinition

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOST_DIGITS: Final = 17
"""`00` and the fifteen digits of E.164."""
_LONGEST: Final = 15
_SHORTEST: Final = 7
_NEWLINE: Final = 10
_DIGIT, _SEPARATOR, _PLUS, _OTHER = range(4)


def _classes() -> Bytes:
    table = np.full(256, _OTHER, dtype=np.uint8)
    table[[*b' \t\r,;|-./()"']] = _SEPARATOR
    table[[*b"0123456789"]] = _DIGIT
    table[ord("+")] = _PLUS
    return table


_CLASSES: Final = _classes()
_POWERS: Final = np.array([10**power for power in range(19)], dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class LineDigits:
    """The digits of each line of a block."""

    value: Numbers
    """All digits of the line as one integer; meaningless where `readable` is false."""
    count: Counts
    """How many digits, leading zeros included; 0 for a blank line."""
    plus: Flags
    """Whether a plus stands before the digits."""
    readable: Flags


def line_digits(block: bytes) -> LineDigits:
    """The digits of each line; the block ends with a line end."""
    data = np.frombuffer(block, dtype=np.uint8)
    width = block.index(b"\n") + 1
    if len(data) % width == 0 and len(data) > width:
        regular = _regular(data.reshape(-1, width))
        if regular is not None:
            return regular
    return _irregular(data)


def _regular(lines: Bytes) -> LineDigits | None:
    """Lines of one width whose columns are each all digits or all separators; None for any other block."""
    if not (lines[:, -1] == _NEWLINE).all():
        return None
    rows = len(lines)
    value = np.zeros(rows, dtype=np.uint64)
    count = 0
    for column in range(lines.shape[1] - 1):
        digit = lines[:, column] - np.uint8(48)
        if (digit < 10).all():  # noqa: PLR2004 - the digits there are
            count += 1
            if count > MOST_DIGITS:
                return None
            value = value * np.uint64(10) + digit
        elif not (_CLASSES[lines[:, column]] == _SEPARATOR).all():
            return None
    if count == 0:
        return None
    return LineDigits(
        value, np.full(rows, count, dtype=np.int64), np.zeros(rows, dtype=bool), np.ones(rows, dtype=bool)
    )


def _irregular(data: Bytes) -> LineDigits:
    ends = np.flatnonzero(data == _NEWLINE)
    classes = _CLASSES[data]
    classes[ends] = _SEPARATOR
    places = np.flatnonzero(classes == _DIGIT)
    until = np.searchsorted(places, ends)
    start = np.concatenate(([0], until[:-1]))
    count = until - start
    readable = count <= MOST_DIGITS
    readable[np.searchsorted(ends, np.flatnonzero(classes == _OTHER))] = False

    digits = data[places] - np.uint8(48)
    value = np.zeros(len(ends), dtype=np.uint64)
    for place in range(int(min(count.max(initial=0), MOST_DIGITS))):
        here = count > place
        value[here] = value[here] * np.uint64(10) + digits[start[here] + place]

    plus = np.zeros(len(ends), dtype=bool)
    signs = np.flatnonzero(classes == _PLUS)
    if len(signs):
        lines = np.searchsorted(ends, signs)
        first_digit = np.full(len(ends), len(data), dtype=np.int64)
        with_digits = count > 0
        first_digit[with_digits] = places[start[with_digits]]
        misplaced = (signs > first_digit[lines]) | plus_twice(lines)
        plus[lines] = True
        readable[lines[misplaced]] = False
        readable[plus & (count == 0)] = False
    return LineDigits(value, count, plus, readable)


def plus_twice(lines: Counts) -> Flags:
    """Which signs are not the first of their line (lines ascending)."""
    return np.concatenate(([False], lines[1:] == lines[:-1]))


def texts_e164(texts: Sequence[str], reading: "NumberReading") -> tuple[Numbers, Flags]:
    """The E.164 integer of each text, and whether it is one; a text holds no line end."""
    if not texts:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.bool_)
    return e164(line_digits(("\n".join(texts) + "\n").encode()), reading)


@dataclass(frozen=True, slots=True)
class NumberReading:
    """How a register's digits become E.164."""

    form: NumberForm
    calling_code: int
    trunk_zero: bool
    """The region dials a 0 in front that is no part of the number."""
    nanp: bool
    """The region dials a 1 in front that is the calling code."""
    lengths: tuple[int, ...]
    """Digits a national number may have."""


def reading_of(register: RegisterDefinition) -> NumberReading:
    """The reading that a register's definition asks for."""
    metadata = PhoneMetadata.metadata_for_region(register.region, None) if register.region else None
    if register.number_form is not NumberForm.NATIONAL or metadata is None:
        return NumberReading(register.number_form, 0, trunk_zero=False, nanp=False, lengths=())
    general = metadata.general_desc
    lengths = tuple(sorted(general.possible_length)) if general else ()
    return NumberReading(
        register.number_form,
        register.calling_code,
        trunk_zero=register.trunk_zero,
        nanp=metadata.country_code == 1,
        lengths=(10,) if metadata.country_code == 1 else lengths,
    )


def e164(lines: LineDigits, reading: NumberReading) -> tuple[Numbers, Flags]:
    """Each line's E.164 integer, and whether it is one; blank lines are neither right nor wrong: see `count`."""
    value, count = lines.value, lines.count
    significant = np.searchsorted(_POWERS, value, side="right")
    zeros = count - significant
    international = lines.plus | (zeros >= 2)  # noqa: PLR2004 - the prefix 00
    if reading.form is NumberForm.INTERNATIONAL:
        international |= zeros == 0
    # A plus is followed by the calling code at once, 00 by no further zero.
    starts_well = np.where(lines.plus, zeros == 0, (zeros == 2) | (zeros == 0))  # noqa: PLR2004
    abroad = international & starts_well & (significant >= _SHORTEST) & (significant <= _LONGEST)
    if reading.form is not NumberForm.NATIONAL:
        return value, lines.readable & abroad
    home = ~international
    length = np.where(home & reading.trunk_zero & (zeros == 1), significant, count)
    national = value
    if reading.nanp:
        with_one = home & (count == 11) & (value // _POWERS[10] == 1)  # noqa: PLR2004 - 1 and ten digits
        national = np.where(with_one, value % _POWERS[10], value)
        length = np.where(with_one, 10, length)
    possible = home & np.isin(length, reading.lengths)
    if reading.trunk_zero:
        possible &= zeros <= 1
    shift = _POWERS[np.clip(length, 0, _LONGEST)]
    at_home = np.uint64(reading.calling_code) * shift + national
    if reading.nanp:  # no area code begins with 0 or 1, and neither does what follows it
        possible &= national // _POWERS[9] >= 2  # noqa: PLR2004
    return np.where(home, at_home, value), lines.readable & (abroad | possible)
