"""The part of the dialplan that is generated: the emergency numbers, from the data the service itself uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = """\
; Emergency numbers, passed before anything else is asked. Generated: change the regions, not this file.
[vaglio-emergency]
"""
_DIGITS = re.compile(r"[0-9]{2,6}", re.ASCII)


def emergency_conf(numbers: Iterable[str]) -> str:
    """The text of `vaglio-emergency.conf`: one extension a number, 112 always among them.

    Each number stands alone, never as a pattern: many subscribers' numbers begin or end like an emergency one.
    Raises ValueError for anything but 2 to 6 digits, which the dialplan could read as a pattern.
    """
    wanted = {"112", *numbers}
    if odd := sorted(number for number in wanted if not _DIGITS.fullmatch(number)):
        raise ValueError(f"emergency number {odd[0][:8]!r}: expected 2 to 6 digits")
    return _HEAD + "".join(f"exten => {number},1,Return()\n" for number in sorted(wanted))
