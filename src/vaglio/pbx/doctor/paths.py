"""Every way a call can take through the dialplan, with and without the gate's word.

Followed are priorities, jumps, subroutines with their returns, macros and Local channels. A call begins in every
context that nothing else jumps into, in those of the endpoints and of transfers, and in what these include; a leg
that no such call reaches counts as a beginning of its own. A conditional jump goes both ways; one into a variable
is not followed.
"""

import re
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from vaglio.pbx.doctor.dialplan import Dialplan, Point, Step
from vaglio.pbx.doctor.steps import GATE, Jump, Leg, Meaning, Way, meaning

_TRANSFERRED: Final = re.compile(r"(?:TRANSFER|FORWARD)_CONTEXT\s*=\s*([^\s,)&]+)")
"""Where a person in the call can send it."""

Frame = tuple[Point, bool, bool] | None
"""The subroutine a call is in: where it began, whether the gate had spoken, whether it is a macro."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A leg that is dialled, and where the call that first came there without the gate's word began."""

    step: Step
    leg: Leg
    ungated_from: Point | None
    """None: the gate has spoken on every way that leads here."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found on the ways."""

    reached: tuple[Reached, ...]
    unfollowed: tuple[Step, ...]
    """Jumps into a context that stands in a variable."""


def survey(dialplan: Dialplan, entrances: Collection[str] = ()) -> Survey:
    """Follow every call; `entrances` are the contexts of the PBX's endpoints."""
    walk = _Walk(dialplan)
    walk.begin(_beginnings(dialplan, walk.meanings, entrances))
    for step in dialplan.steps:
        # Reached by no call that could be followed: by one that could not.
        if walk.meanings[step].legs and not walk.visited(step.point):
            start = (step.context, step.extension, 1)
            walk.begin([start if start in dialplan.at else step.point])
            if not walk.visited(step.point):
                walk.begin([step.point])
    reached = tuple(
        Reached(step, leg, walk.origin.get((step.point, False)) or (step.point if leg.originated else None))
        for step in dialplan.steps
        for leg in walk.meanings[step].legs
    )
    return Survey(reached, tuple(step for step in dialplan.steps if step.point in walk.unfollowed))


@dataclass
class _Walk:
    """A worklist over (subroutine, point, whether the gate has spoken)."""

    dialplan: Dialplan
    origin: dict[tuple[Point, bool], Point] = field(default_factory=dict)
    unfollowed: set[Point] = field(default_factory=set)
    _seen: set[tuple[Frame, Point, bool]] = field(default_factory=set)
    _waiting: deque[tuple[Frame, Point, bool, Point]] = field(default_factory=deque)
    _callers: dict[Frame, set[tuple[Frame, Point, Point]]] = field(default_factory=dict)
    _returned: dict[Frame, set[bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.meanings: dict[Step, Meaning] = {step: meaning(step) for step in self.dialplan.steps}

    def visited(self, point: Point) -> bool:
        return (point, True) in self.origin or (point, False) in self.origin

    def begin(self, points: Iterable[Point]) -> None:
        for point in points:
            self._add(None, point, gated=False, start=point)
        while self._waiting:
            frame, point, gated, start = self._waiting.popleft()
            for step in self.dialplan.at[point]:
                self._follow(frame, step, start, gated=gated)

    def _add(self, frame: Frame, point: Point, *, gated: bool, start: Point) -> None:
        if (frame, point, gated) not in self._seen:
            self._seen.add((frame, point, gated))
            self.origin.setdefault((point, gated), start)
            self._waiting.append((frame, point, gated, start))

    def _follow(self, frame: Frame, step: Step, start: Point, *, gated: bool) -> None:
        what = self.meanings[step]
        followers = self.dialplan.after(step.point)
        for jump in what.jumps:
            if jump.is_gate:
                for point in followers:
                    self._add(frame, point, gated=True, start=start)
            else:
                self._jump(frame, step, jump, start, gated=gated)
        if what.goes_on:
            for point in followers:
                self._add(frame, point, gated=gated, start=start)
        ended = what.goes_on and not followers and frame is not None and frame[2]
        if (what.returns or ended) and frame is not None:
            self._return(frame, gated=gated)

    def _jump(self, frame: Frame, step: Step, jump: Jump, start: Point, *, gated: bool) -> None:
        targets = _targets(self.dialplan, step, jump)
        if targets is None:
            self.unfollowed.add(step.point)
            targets = []
        match jump.way:
            case Way.GOTO:
                for point in targets:
                    self._add(frame, point, gated=gated, start=start)
            case Way.LOCAL:
                for point in targets:
                    self._add(None, point, gated=gated, start=start)
            case Way.BEGIN:
                for point in targets:
                    self._add(None, point, gated=False, start=point)
            case _:
                self._call(frame, step, targets, start, gated=gated, macro=jump.way is Way.MACRO)

    def _call(
        self, frame: Frame, step: Step, targets: list[Point], start: Point, *, gated: bool, macro: bool
    ) -> None:
        followers = self.dialplan.after(step.point)
        if not targets:
            # Unknown or missing: what it would do is not known, and it may come back.
            for point in followers:
                self._add(frame, point, gated=gated, start=start)
        for target in targets:
            inner: Frame = (target, gated, macro)
            for point in followers:
                self._callers.setdefault(inner, set()).add((frame, point, start))
                for state in tuple(self._returned.get(inner, ())):
                    self._add(frame, point, gated=state, start=start)
            self._add(inner, target, gated=gated, start=start)

    def _return(self, frame: Frame, *, gated: bool) -> None:
        self._returned.setdefault(frame, set()).add(gated)
        for outer, point, begun in tuple(self._callers.get(frame, ())):
            self._add(outer, point, gated=gated, start=begun)


def _targets(dialplan: Dialplan, step: Step, jump: Jump) -> list[Point] | None:
    """The points a jump may lead to; None when its context is not known."""
    context = jump.context or step.context
    if "${" in context:
        return None
    if context == GATE:
        return []
    extension = jump.extension or step.extension
    if "${" in extension and extension != "${EXTEN}":
        return dialplan.everywhere(context, jump.priority)
    return dialplan.find(context, step.extension if extension == "${EXTEN}" else extension, jump.priority)


def _beginnings(dialplan: Dialplan, meanings: dict[Step, Meaning], entrances: Collection[str]) -> list[Point]:
    jumped_into = {
        jump.context
        for step, what in meanings.items()
        for jump in what.jumps
        if jump.context not in ("", step.context) and jump.way is not Way.BEGIN
    }
    entered = {*entrances, *(name for step in dialplan.steps for name in _TRANSFERRED.findall(step.data))}
    roots = [name for name in sorted(dialplan.contexts) if name not in jumped_into or name in entered]
    open_to_calls = dict.fromkeys(inner for name in roots for inner in dialplan.seen_from(name))
    return [
        (name, extension, 1)
        for name in open_to_calls
        for extension, priorities in dialplan.extensions.get(name, {}).items()
        if 1 in priorities
    ]
