"""What one priority does, as far as it decides where calls go: jumps, dials, returns, ends."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from vaglio.pbx.doctor.dialplan import Step

GATE: Final = "vaglio"
"""The context of the gate."""
SECOND_GATE: Final = "b(vaglio-gate^"


class Way(StrEnum):
    """How a call gets to another place."""

    GOTO = "goto"
    GOSUB = "gosub"
    MACRO = "macro"
    LOCAL = "local"
    """By a Local channel: what was allowed goes along."""
    BEGIN = "begin"
    """A call of its own, which nobody has allowed."""


@dataclass(frozen=True, slots=True)
class Jump:
    """One way out of a step."""

    way: Way
    context: str
    """Empty: the same; with `${`, unknown."""
    extension: str
    """Empty: the same."""
    priority: str

    @property
    def is_gate(self) -> bool:
        """Whether it is the question whether the call may go out."""
        return self.way is Way.GOSUB and (self.context, self.extension, self.priority) == (GATE, "s", "1")


@dataclass(frozen=True, slots=True)
class Leg:
    """One channel a step dials."""

    destination: str
    options: str = ""
    originated: bool = False
    """By `Originate`: no pass goes along."""

    @property
    def gated(self) -> bool:
        """Whether the second gate stands on it: of several b() Dial heeds the last."""
        last = max((found.start() for found in _PREDIAL.finditer(self.options)), default=-1)
        return last >= 0 and self.options.startswith(SECOND_GATE, last)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a step may do."""

    jumps: tuple[Jump, ...] = ()
    legs: tuple[Leg, ...] = ()
    goes_on: bool = True
    """Whether the next priority may follow without a jump."""
    returns: bool = False


_PREDIAL: Final = re.compile(r"b\(")
_ENDS: Final = frozenset({"hangup", "congestion", "busy"})
_INNER: Final = re.compile(r"\s*([A-Za-z0-9_]+)\s*\((.*)\)\s*", re.DOTALL)
_OPENERS: Final = {"(": ")", "[": "]", "{": "}"}
_MAX_DEPTH: Final = 4


def meaning(step: Step, depth: int = 0) -> Meaning:  # noqa: C901, PLR0911, PLR0912 - one case an application
    """What the step may do; an application that is not known goes on to the next priority."""
    data = step.data
    match step.application:
        case "goto":
            return Meaning((_target(Way.GOTO, data),), goes_on=False)
        case "gotoif" | "gotoiftime":
            yes, no = _branches(data)
            return Meaning(_targets(Way.GOTO, yes, no), goes_on=not yes or not no)
        case "gosub":
            return Meaning((_target(Way.GOSUB, data),), goes_on=False)
        case "gosubif":
            yes, no = _branches(data)
            return Meaning(_targets(Way.GOSUB, yes, no), goes_on=not yes or not no)
        case "macro" | "macroexclusive":
            return Meaning((_macro(data),), goes_on=False)
        case "macroif":
            yes, no = _branches(data)
            return Meaning(tuple(_macro(one) for one in (yes, no) if one), goes_on=not yes or not no)
        case "execif" | "execiftime" if depth < _MAX_DEPTH:
            yes, no = _branches(data)
            inner = [_inner(step, one, depth) for one in (yes, no) if one]
            return _either(inner, always=not yes or not no)
        case "exec" | "tryexec" if depth < _MAX_DEPTH:
            return _inner(step, data, depth)
        case "return" | "macroexit":
            return Meaning(goes_on=False, returns=True)
        case "dial":
            return _dial(parts(data))
        case "retrydial":
            return _dial(parts(data)[3:])
        case "page":
            return _dial([*parts(data)[:1], "", ""])
        case "originate":
            return _originate(parts(data))
        case ended if ended in _ENDS:
            return Meaning(goes_on=False)
        case _:
            return Meaning()


def parts(text: str, separator: str = ",") -> list[str]:
    """The arguments of an application: separators inside brackets, braces, parentheses and quotes do not part."""
    found, begun, closers, quoted = [], 0, "", False
    for place, mark in enumerate(text):
        if mark == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif mark in _OPENERS:
            closers += _OPENERS[mark]
        elif closers.endswith(mark):
            closers = closers[:-1]
        elif mark == separator and not closers:
            found.append(text[begun:place])
            begun = place + 1
    return [*found, text[begun:]]


def _branches(data: str) -> tuple[str, str]:
    """The two sides of `condition?yes:no`; empty where there is none."""
    _, *rest = parts(data, "?")
    yes, *no = parts("?".join(rest), ":")
    return yes.strip(), ":".join(no).strip()


def _targets(way: Way, *texts: str) -> tuple[Jump, ...]:
    return tuple(_target(way, text) for text in texts if text)


def _target(way: Way, text: str) -> Jump:
    """`[[context,]extension,]priority[(arguments)]`."""
    *before, last = (part.strip() for part in parts(text))
    priority = last.partition("(")[0].strip() if "${" not in last.partition("(")[0] else "*"
    context, extension = ["", "", *before][-2:]
    return Jump(way, context, extension, priority)


def _macro(text: str) -> Jump:
    return Jump(Way.MACRO, f"macro-{parts(text)[0].strip()}", "s", "1")


def _inner(step: Step, text: str, depth: int) -> Meaning:
    found = _INNER.fullmatch(text)
    if found is None:
        return Meaning()
    return meaning(replace(step, application=found[1].lower(), data=found[2]), depth + 1)


def _either(some: list[Meaning], *, always: bool) -> Meaning:
    return Meaning(
        tuple(jump for one in some for jump in one.jumps),
        tuple(leg for one in some for leg in one.legs),
        goes_on=always or any(one.goes_on for one in some),
        returns=any(one.returns for one in some),
    )


def _dial(arguments: list[str]) -> Meaning:
    destinations, _, options, *_ = [*arguments, "", "", ""]
    named = [one.strip() for one in parts(destinations, "&") if one.strip()]
    local = tuple(_local(one, Way.LOCAL) for one in named if _is_local(one))
    return Meaning(local, tuple(Leg(one, options) for one in named if not _is_local(one)))


def _originate(arguments: list[str]) -> Meaning:
    """`Originate(channel,exten,context,extension,priority,…)`, or `app` in place of `exten`."""
    channel, kind, context, extension, priority, *_ = [*(one.strip() for one in arguments), "", "", "", "", ""]
    jumps: tuple[Jump, ...] = ()
    if kind == "exten":
        jumps = (Jump(Way.BEGIN, context, extension or "s", priority or "1"),)
    if _is_local(channel):
        return Meaning((*jumps, _local(channel, Way.BEGIN)))
    return Meaning(jumps, (Leg(channel, originated=True),))


def _is_local(destination: str) -> bool:
    return destination.lower().startswith("local/")


def _local(destination: str, way: Way) -> Jump:
    """`Local/extension@context/options`."""
    extension, _, behind = destination[len("Local/") :].rpartition("@")
    return Jump(way, behind.partition("/")[0] or "default", extension, "1")
