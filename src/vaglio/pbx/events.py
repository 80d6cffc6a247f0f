"""The few manager events Vaglio listens to, typed: what Asterisk's manager interface told, checked on entry.

A header that an event must have and has not makes it no event at all (`typed` returns None): an empty text never
stands in for a missing one. Header names as in Asterisk 16 to 22 (`manager show event DialBegin`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PASS: Final = "VAGLIO_PASS"  # noqa: S105 - a variable's name
"""The channel variable the gate sets; shown by the PBX where manager.conf has `channelvars = VAGLIO_PASS`."""
MAX_VALUE: Final = 512
"""Characters of a header that are kept."""
USER_EVENTS: Final = "Vaglio"
"""What the names of user events begin with that are meant for Vaglio."""

_CAUSE_DIGITS: Final = 3
_PASS: Final = re.compile(r"(allow|emergency|failopen):([A-Za-z0-9_.\-]{1,150}):([0-9A-Z]{26})?:([0-9]{1,64})")


@dataclass(frozen=True, slots=True)
class Pass:
    """What the gate put on the channel; a claim, until the log bears it out."""

    kind: str
    unique_id: str
    """Of the channel that passed the gate."""
    decision: str
    """Empty unless the kind is `allow`."""
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DialBegin:
    """A leg is being dialled; Originate and call files dial without a caller."""

    caller: str
    """Unique id of the channel that dials; empty when none does."""
    linked: str
    """Linked id of the call the leg belongs to."""
    leg: str
    """The leg's channel name."""
    leg_id: str
    dial_string: str = field(repr=False)
    claim: Pass | None = None
    """The pass the leg inherited."""
    shown: bool = True
    """Whether this PBX shows passes at all (`channelvars` in manager.conf)."""


@dataclass(frozen=True, slots=True)
class DialEnd:
    """What became of dialling a leg: ANSWER, BUSY, NOANSWER, CANCEL, CONGESTION, CHANUNAVAIL and others."""

    leg_id: str
    status: str


@dataclass(frozen=True, slots=True)
class BridgeEnter:
    """A channel came to speak with the others in the bridge."""

    bridge: str
    channel: str = field(repr=False)
    unique_id: str = ""


@dataclass(frozen=True, slots=True)
class BridgeLeave:
    """A channel left a bridge."""

    bridge: str
    channel: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HangupRequest:
    """The channel's far end hung up."""

    unique_id: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """A channel is gone; `cause` as in Q.850, 0 where none was given."""

    unique_id: str
    channel: str = field(repr=False)
    cause: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """A user event meant for Vaglio: from the dialplan, a dialler or an agent's desktop."""

    name: str
    fields: Mapping[str, str] = field(repr=False)
    """Its headers by lower-case name."""
    unique_id: str = ""
    """Of the channel it came from; empty when it came from the manager interface."""
    claim: Pass | None = None


Event = DialBegin | DialEnd | BridgeEnter | BridgeLeave | HangupRequest | Hangup | Told

_REQUIRED: Final = {
    "DialBegin": ("DestChannel", "DestUniqueid", "DialString"),
    "DialEnd": ("DestUniqueid", "DialStatus"),
    "BridgeEnter": ("BridgeUniqueid", "Channel", "Uniqueid"),
    "BridgeLeave": ("BridgeUniqueid", "Channel"),
    "HangupRequest": ("Uniqueid",),
    "Hangup": ("Uniqueid", "Channel"),
    "UserEvent": ("UserEvent",),
}


def typed(headers: Mapping[str, str | list[str]]) -> Event | None:  # noqa: PLR0911 - one return an event
    """The event, or None when it is of no use here or lacks what it must have."""
    name = _first(headers, "Event")
    required = _REQUIRED.get(name)
    if required is None:
        return None
    values = [_first(headers, header) for header in required]
    if not all(values):
        return None
    match name:
        case "DialBegin":
            shown = "DestChanVariable" in headers
            claim = _claim(headers, "DestChanVariable") or _claim(headers, "ChanVariable")
            linked = _first(headers, "Linkedid") or _first(headers, "DestLinkedid")
            leg, leg_id, dial_string = values
            return DialBegin(_first(headers, "Uniqueid"), linked, leg, leg_id, dial_string, claim, shown)
        case "DialEnd":
            return DialEnd(*values)
        case "BridgeEnter":
            return BridgeEnter(*values)
        case "BridgeLeave":
            return BridgeLeave(*values)
        case "HangupRequest":
            return HangupRequest(*values)
        case "Hangup":
            cause = _first(headers, "Cause")
            unique_id, channel = values
            known = cause.isascii() and cause.isdecimal() and len(cause) <= _CAUSE_DIGITS
            return Hangup(unique_id, channel, int(cause) if known else 0)
        case _:
            if not values[0].startswith(USER_EVENTS):
                return None
            fields = {header.lower(): _first(headers, header) for header in headers}
            return Told(values[0], fields, _first(headers, "Uniqueid"), _claim(headers, "ChanVariable"))


def pass_of(text: str) -> Pass | None:
    """A pass as the gate writes it; anything else is none."""
    found = _PASS.fullmatch(text)
    if found is None:
        return None
    kind, unique_id, decision, digits = found.groups()
    return Pass(kind, unique_id, decision or "", digits)


def _first(headers: Mapping[str, str | list[str]], name: str) -> str:
    """The header's first value: what somebody smuggled in behind it does not count."""
    value = headers.get(name, "")
    text = value if isinstance(value, str) else value[0]
    return text[:MAX_VALUE]


def _claim(headers: Mapping[str, str | list[str]], name: str) -> Pass | None:
    given = headers.get(name, "")
    for text in [given] if isinstance(given, str) else given[:16]:
        variable, _, value = text.partition("=")
        if variable == PASS:
            return pass_of(value)
    return None
