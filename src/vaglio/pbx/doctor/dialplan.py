"""The running dialplan, as `ShowDialPlan` tells it: contexts, extensions, priorities, what includes what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from vaglio.pbx.doctor.patterns import overlap

MAX_STEPS: Final = 500_000
"""Priorities that are read; a dialplan larger than that is refused."""

Point = tuple[str, str, int]
"""Context, extension, priority."""
_Kinds = tuple[tuple[str, ...], tuple[str, ...]]
"""Extensions that are numbers, and those that are patterns."""


@dataclass(frozen=True, slots=True)
class Step:
    """One priority."""

    context: str
    extension: str
    priority: int
    application: str
    """Lower case: Asterisk does not tell capitals apart."""
    data: str = field(repr=False)
    label: str = ""

    @property
    def point(self) -> Point:
        """Where it stands."""
        return self.context, self.extension, self.priority


@dataclass(frozen=True)
class Dialplan:
    """All that is loaded."""

    steps: tuple[Step, ...]
    includes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    switches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Context → extensions kept elsewhere (`switch =>`), which `ShowDialPlan` does not show."""

    @cached_property
    def at(self) -> dict[Point, tuple[Step, ...]]:
        """The steps at a point; several where extensions differ only by the caller's number."""
        found: dict[Point, tuple[Step, ...]] = {}
        for step in self.steps:
            found[step.point] = (*found.get(step.point, ()), step)
        return found

    @cached_property
    def extensions(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Context → extension → its priorities."""
        found: dict[str, dict[str, tuple[int, ...]]] = {}
        for step in self.steps:
            known = found.setdefault(step.context, {})
            known[step.extension] = (*known.get(step.extension, ()), step.priority)
        return found

    @cached_property
    def contexts(self) -> frozenset[str]:
        """The names of all contexts."""
        named = {step.context for step in self.steps}
        return frozenset(named | set(self.includes) | set(self.switches))

    @cached_property
    def _labels(self) -> dict[tuple[str, str, str], int]:
        return {(step.context, step.extension, step.label): step.priority for step in self.steps if step.label}

    @cached_property
    def _kinds(self) -> dict[str, _Kinds]:
        return {name: _sorted_out(here) for name, here in self.extensions.items()}

    @cached_property
    def _kinds_at(self) -> dict[tuple[str, int], _Kinds]:
        found: dict[tuple[str, int], dict[str, None]] = {}
        for step in self.steps:
            found.setdefault((step.context, step.priority), {})[step.extension] = None
        return {place: _sorted_out(here) for place, here in found.items()}

    def seen_from(self, context: str) -> list[str]:
        """The context and all it includes, each once, in the order they are searched."""
        found: list[str] = []
        waiting = [context]
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found.append(name)
                waiting = [*self.includes.get(name, ()), *waiting]
        return found

    def find(self, context: str, extension: str, priority: str) -> list[Point]:
        """The points a jump may lead to; a priority may be a label, and `*` is any."""
        for name in self.seen_from(context):
            here = self.extensions.get(name, {})
            matching = (
                [extension] if extension in here else _overlapping(self._kinds.get(name, ((), ())), extension)
            )
            if found := [point for one in matching for point in self._points(name, one, priority)]:
                return found
        return []

    def everywhere(self, context: str, priority: str) -> list[Point]:
        """The points a jump to an unknown extension of a context may lead to."""
        return [
            point
            for name in self.seen_from(context)
            for extension in self.extensions.get(name, {})
            for point in self._points(name, extension, priority)
        ]

    def after(self, point: Point) -> list[Point]:
        """What is executed next: where an extension ends, Asterisk goes on in another that matches too."""
        context, extension, priority = point
        follower = (context, extension, priority + 1)
        if follower in self.at:
            return [follower]
        return [
            (name, other, priority + 1)
            for name in self.seen_from(context)
            for other in _overlapping(self._kinds_at.get((name, priority + 1), ((), ())), extension)
            if (other, name) != (extension, context)
        ]

    def rounds(self) -> list[tuple[str, ...]]:
        """Includes that go round, each once, beginning at the name that comes first."""
        found: set[tuple[str, ...]] = set()
        done: set[str] = set()
        for start in sorted(self.includes):
            trail: list[str] = []
            waiting = [(start, 0)]
            while waiting:
                name, depth = waiting.pop()
                del trail[depth:]
                if name in trail:
                    ring = trail[trail.index(name) :]
                    first = ring.index(min(ring))
                    found.add((*ring[first:], *ring[:first]))
                    continue
                if name in done:
                    continue
                trail.append(name)
                waiting += [(inner, depth + 1) for inner in self.includes.get(name, ())]
            done |= set(self.seen_from(start)) - {name for ring in found for name in ring}
        return sorted(found)

    def _points(self, context: str, extension: str, priority: str) -> list[Point]:
        priorities = self.extensions[context][extension]
        if priority == "*":
            return [(context, extension, one) for one in dict.fromkeys(priorities)]
        number = int(priority) if priority.isdecimal() else self._labels.get((context, extension, priority))
        return [(context, extension, number)] if number in priorities and number is not None else []


def read(events: Iterable[Mapping[str, str]]) -> Dialplan:
    """The dialplan in the events that answer `ShowDialPlan`; hints and what is no priority are left out."""
    steps: list[Step] = []
    includes: dict[str, dict[str, None]] = {}
    switches: dict[str, dict[str, None]] = {}
    for event in events:
        context = event.get("Context", "")
        if event.get("Event") != "ListDialplan" or not context:
            continue
        if included := event.get("IncludeContext", ""):
            # An include may be bound to times: `name,9:00-17:00,…`.
            includes.setdefault(context, {})[included.replace("|", ",").partition(",")[0].strip()] = None
        elif switch := event.get("Switch", ""):
            switches.setdefault(context, {})[switch] = None
        elif event.get("Priority", "").isdecimal() and event.get("Extension", ""):
            steps.append(
                Step(
                    context,
                    event["Extension"],
                    int(event["Priority"]),
                    event.get("Application", "").lower(),
                    event.get("AppData", ""),
                    event.get("ExtensionLabel", ""),
                )
            )
    return Dialplan(
        tuple(steps),
        {name: tuple(inner) for name, inner in includes.items()},
        {name: tuple(inner) for name, inner in switches.items()},
    )


def _sorted_out(extensions: Iterable[str]) -> _Kinds:
    names = tuple(extensions)
    return (
        tuple(name for name in names if not name.startswith("_")),
        tuple(name for name in names if name.startswith("_")),
    )


def _overlapping(kinds: _Kinds, extension: str) -> list[str]:
    """Those that may match the same number; of thousands of numbers in a context only patterns are compared."""
    numbers, patterns = kinds
    if not extension.startswith("_"):
        return [one for one in patterns if overlap(one, extension)]
    return [one for one in (*numbers, *patterns) if overlap(one, extension)]
