"""The dialplan judged: is the gate there and whole, and what goes past it. Pure: nothing is asked or read."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from vaglio.pbx.doctor.dialplan import Dialplan, Point
from vaglio.pbx.doctor.finding import Finding, Level
from vaglio.pbx.doctor.paths import Reached, survey
from vaglio.pbx.doctor.steps import GATE, meaning
from vaglio.pbx.doctor.trunks import VARIABLE, Reach, number_in, reach

_ASKED: Final = re.compile(r"agi://[^,]*/screen\b", re.IGNORECASE)
_BYPASS: Final = re.compile(r"PREDIAL_HOOK_RET\s*=\s*BYPASS")
_WATCHDOG: Final = re.compile(r"TIMEOUT\(absolute\)\s*=\s*(?!0+(\.0*)?\s*$)")
_EXIT: Final = re.compile(r"AGIEXITONHANGUP\)?\s*=\s*(yes|true|1|on)", re.IGNORECASE)
_INTERNAL: Final = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the examination must know besides the dialplan."""

    trunks: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    """Global variables of the PBX."""
    entrances: Collection[str] = ()
    """Contexts of its endpoints."""


def examine(dialplan: Dialplan, around: Surroundings) -> list[Finding]:
    """All that is wrong or cannot be told, the gate first, then every way past it in the dialplan's order."""
    return [
        *_gate(dialplan),
        *_watchdogs(dialplan),
        *_ways(dialplan, around),
        *_bypasses(dialplan),
        *_rounds(dialplan),
        *_elsewhere(dialplan),
    ]


def variables_in(dialplan: Dialplan) -> list[str]:
    """The variables in what is dialled whose values as globals would tell where calls go."""
    names = {
        name: None
        for step in dialplan.steps
        for leg in meaning(step).legs
        for name in VARIABLE.findall(leg.destination)
        if name != "EXTEN"
    }
    return list(names)


def _gate(dialplan: Dialplan) -> Iterator[Finding]:
    for context, does in ((GATE, "the gate"), ("vaglio-gate", "the second gate")):
        if (context, "s", 1) not in dialplan.at:
            yield Finding(
                "gate",
                Level.FAULT,
                f"{does} is not loaded: no [{context}]",
                "copy vaglio.conf and vaglio-emergency.conf beside extensions.conf, add `#include vaglio.conf` to "
                "it, and run `dialplan reload`",
                context,
                "s",
                1,
            )
    if ("vaglio-emergency", "112", 1) not in dialplan.at:
        yield Finding(
            "emergency",
            Level.FAULT,
            "112 is not in [vaglio-emergency]: with nothing running an emergency call would be refused",
            "run `vaglio dialplan emergency > /etc/asterisk/vaglio-emergency.conf`, then `dialplan reload`",
            "vaglio-emergency",
            "112",
            1,
        )


def _watchdogs(dialplan: Dialplan) -> Iterator[Finding]:
    """A silent service holds a call for ever unless the question is watched: `T`, the exit, and the time."""
    asking = [step for step in dialplan.steps if step.application == "agi" and _ASKED.search(step.data)]
    if not asking and (GATE, "s", 1) in dialplan.at:
        yield _missing(GATE, "s", 1, "the gate asks no service", "")
    for step in asking:
        extensions = dialplan.extensions[step.context]
        near = [
            one for one in dialplan.steps if one.context == step.context and one.application in {"set", "mset"}
        ]
        before = [one for one in near if one.extension == step.extension and one.priority < step.priority]
        what = f"the question in [{step.context}] is not watched: a silent service would hold the call for ever; "
        if 1 not in extensions.get("T", ()):
            yield _missing(*step.point, f"{what}no extension T", "exten => T,1,…")
        if not any(_EXIT.search(one.data) for one in near):
            yield _missing(*step.point, f"{what}AGIEXITONHANGUP is not set", "Set(LOCAL(AGIEXITONHANGUP)=yes)")
        if not any(_WATCHDOG.search(one.data) for one in before):
            yield _missing(*step.point, f"{what}no time limit", "Set(TIMEOUT(absolute)=0.5)")


def _missing(context: str, extension: str, priority: int, what: str, line: str) -> Finding:
    remedy = "put the shipped vaglio.conf back and keep your changes in files of your own"
    return Finding("watchdog", Level.FAULT, what, remedy, context, extension, priority, line)


def _ways(dialplan: Dialplan, around: Surroundings) -> Iterator[Finding]:
    found = survey(dialplan, around.entrances)
    for one in found.reached:
        match reach(one.leg.destination, one.step.extension, around.trunks, around.variables):
            case Reach.TRUNK:
                yield from _to_trunk(one)
            case Reach.UNKNOWN if one.ungated_from is not None and not one.leg.gated:
                yield _cannot_tell(one, one.ungated_from)
            case Reach.HOST if one.ungated_from is not None and not one.leg.gated:
                yield _outside(one)
            case _:
                pass
    for step in found.unfollowed:
        yield Finding(
            "jump",
            Level.NOTE,
            f"{step.application} into a context that stands in a variable: not followed from here",
            "what it leads to was examined as if calls began there",
            *step.point,
        )


def _to_trunk(one: Reached) -> Iterator[Finding]:
    step, leg = one.step, one.leg
    number = f"${{FILTER(0-9+,{number_in(leg.destination)})}}"
    if leg.originated:
        yield Finding(
            "path",
            Level.FAULT,
            "Originate straight to a trunk goes past both gates",
            "originate Local/NUMBER@CONTEXT, where that context asks the gate before it dials",
            *step.point,
        )
        return
    if one.ungated_from is not None and not leg.gated:
        yield Finding(
            "path",
            Level.FAULT,
            f"a trunk is dialled without the gate{_begun(one.ungated_from, step.point)}",
            "add the line before this priority, b(vaglio-gate^s^1) to Dial, and run `dialplan reload`",
            *step.point,
            f"same => n,Gosub(vaglio,s,1({number},CAMPAIGN))",
        )
    elif not leg.gated:
        unsure = "${" in leg.options
        yield Finding(
            "second-gate",
            Level.NOTE if unsure else Level.FAULT,
            "the second gate cannot be seen on this Dial: its options stand in a variable"
            if unsure
            else "the second gate is missing on this Dial: a number changed after the verdict would go out",
            "add b(vaglio-gate^s^1) to the options of Dial",
            *step.point,
        )


def _cannot_tell(one: Reached, begun: Point) -> Finding:
    names = [name for name in VARIABLE.findall(one.leg.destination) if _INTERNAL.fullmatch(name)]
    what = f"Dial through a variable{f' ({names[0]})' if names else ''}: cannot tell whether it reaches a trunk"
    return Finding(
        "variable",
        Level.DOUBT,
        f"{what}; the gate has not been asked{_begun(begun, one.step.point)}",
        "where it may be a trunk, add the line before this priority; else name the peer in the dialplan",
        *one.step.point,
        f"same => n,Gosub(vaglio,s,1(${{FILTER(0-9+,{number_in(one.leg.destination)})}},CAMPAIGN))",
    )


def _outside(one: Reached) -> Finding:
    return Finding(
        "host",
        Level.DOUBT,
        "an address is dialled, no peer, and the gate has not been asked",
        "where calls leave by it, add the line before this priority; make it a peer that stands in trunks",
        *one.step.point,
        f"same => n,Gosub(vaglio,s,1(${{FILTER(0-9+,{number_in(one.leg.destination)})}},CAMPAIGN))",
    )


def _begun(begun: Point, here: Point) -> str:
    return "" if begun[:2] == here[:2] else f", by a call that begins at {begun[0]},{begun[1]}"


def _bypasses(dialplan: Dialplan) -> Iterator[Finding]:
    for step in dialplan.steps:
        if _BYPASS.search(step.data):
            yield Finding(
                "bypass",
                Level.FAULT,
                "PREDIAL_HOOK_RET=BYPASS blocks nothing: FreePBX goes on to the route's next trunk",
                "end the call inside the hook: Gosub(vaglio,…) does, or Hangup(52)",
                *step.point,
            )


def _rounds(dialplan: Dialplan) -> Iterator[Finding]:
    for ring in dialplan.rounds():
        yield Finding(
            "include",
            Level.FAULT,
            f"includes go round: {' → '.join((*ring, ring[0]))}",
            "take one of these includes out: which extension wins is not what the files seem to say",
            ring[0],
        )


def _elsewhere(dialplan: Dialplan) -> Iterator[Finding]:
    for context, switches in dialplan.switches.items():
        yield Finding(
            "switch",
            Level.DOUBT,
            f"extensions of [{context}] are kept elsewhere ({switches[0].partition('/')[0]}): they cannot be seen",
            "keep ways to a trunk in the dialplan, or examine that store by hand",
            context,
        )
