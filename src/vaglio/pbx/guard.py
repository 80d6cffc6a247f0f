"""The guard's judgement: has this trunk leg a pass of its own? Pure: no I/O, no clock.

A pass is an allow that stands in the log for a channel of this very call and for the number that is dialled, a
call the failure policy let out, or an emergency number. The variable on the channel is only a claim: anybody who
can originate a call can write it.
"""

import re
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from vaglio.pbx.events import DialBegin, Pass

_SUFFIX: Final = re.compile(r"-[0-9a-fA-F]+(?:;[12])?$")
_PREFIX_DIGITS: Final = 4
"""The longest trunk prefix an emergency number may stand behind, as at the second gate."""


class Standing(StrEnum):
    """What a trunk leg rests on."""

    ALLOWED = "allowed"
    EMERGENCY = "emergency"
    FAILOPEN = "failopen"
    """Claimed: the record is still in the PBX and must arrive."""
    UNSCREENED = "unscreened"


@dataclass(frozen=True, slots=True)
class Allow:
    """A durable allow, or a recorded call of the failure policy: for one channel, one number."""

    reference: str
    """Id of its entry."""
    unique_id: str
    digits: str = field(repr=False)
    """As the dialplan passed the number, without anything but digits."""
    campaign: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgement of one leg."""

    standing: Standing
    allow: Allow | None = None
    may_be_emergency: bool = False
    """An emergency number seems to stand behind a trunk prefix: never to be hung up."""


class Passes:
    """The allows this process gave, newest kept: bounded, by PBX and channel. A block revokes its own number's."""

    def __init__(self, size: int = 50_000) -> None:
        self._size = size
        self._allows: OrderedDict[tuple[str, str], tuple[Allow, ...]] = OrderedDict()

    def decided(self, peer: str, allow: Allow, *, granted: bool) -> None:
        """Keep an allow of the call, or forget what an earlier decision on the same number had allowed."""
        key = (peer, allow.unique_id)
        kept = tuple(one for one in self._allows.pop(key, ()) if one.digits != allow.digits)
        if granted:
            kept = (*kept[-15:], allow)
        if kept:
            self._allows[key] = kept
        while len(self._allows) > self._size:
            self._allows.popitem(last=False)

    def of(self, peers: Iterable[str], unique_ids: Iterable[str]) -> list[Allow]:
        """What was allowed to these channels by requests from these addresses."""
        channels = tuple(unique_ids)
        return [
            allow for peer in peers for unique_id in channels for allow in self._allows.get((peer, unique_id), ())
        ]


def judge(leg: DialBegin, call: Collection[str], known: Iterable[Allow], emergency: Collection[str]) -> Judged:
    """Judge one leg towards a trunk.

    Args:
        leg: the event that announced it.
        call: unique ids of the channels that belong to the call which dials; the leg's own for one without caller.
        known: allows and recorded failure-policy calls that may be the leg's; read from memory or the log.
        emergency: the emergency numbers, digits only.
    """
    digits = dialled_digits(leg.dial_string)
    if digits in emergency:
        return Judged(Standing.EMERGENCY)
    behind = {number for number in emergency if digits.endswith(number)}
    near = any(len(digits) <= len(number) + _PREFIX_DIGITS for number in behind)
    claim = leg.claim
    if near and claim is not None and claim.kind == "emergency" and claim.digits in behind:
        return Judged(Standing.EMERGENCY)
    for allow in known:
        if allow.unique_id in call and ends_with(digits, allow.digits):
            return Judged(Standing.ALLOWED, allow)
    if claim is not None and claim.kind == "failopen" and claimed(claim, call, digits):
        return Judged(Standing.FAILOPEN, may_be_emergency=near)
    return Judged(Standing.UNSCREENED, may_be_emergency=near)


def claimed(claim: Pass, call: Collection[str], digits: str) -> bool:
    """Whether a claim speaks of this call and this number; what it is worth is another question."""
    return claim.unique_id in call and ends_with(digits, claim.digits)


def ends_with(dialled: str, digits: str) -> bool:
    """The rule of the second gate: what is dialled ends in the digits of the pass; a prefix may stand before."""
    return bool(digits) and dialled.endswith(digits)


def dialled_digits(dial_string: str) -> str:
    """The digits in what `Dial` was given after the technology: `+39…@trunk`, `trunk/39…`, `g1/39…`."""
    return "".join(mark for mark in _number_part(dial_string) if mark.isascii() and mark.isdecimal())


def dialled_text(dial_string: str) -> str:
    """The number with its plus where it has one: what can be read as E.164."""
    plus = "+" if _number_part(dial_string).removeprefix("sip:").startswith("+") else ""
    return plus + dialled_digits(dial_string)


def _number_part(dial_string: str) -> str:
    user, _, host = dial_string.partition("@")
    part = host if "/" in host else user
    return part.rpartition("/")[2].partition(";")[0]


def trunk_of(channel: str, trunks: Iterable[str]) -> str | None:
    """The configured trunk a channel belongs to: `PJSIP/carrier` or `carrier` for `PJSIP/carrier-0000001f`."""
    name = _SUFFIX.sub("", channel)
    technology, _, peer = name.partition("/")
    if technology == "Local":
        return None
    for trunk in trunks:
        if trunk in (name, peer) or name.startswith(f"{trunk}/") or peer.startswith(f"{trunk}/"):
            return trunk
    return None
