"""What becomes of the trunk legs that were let out: followed from event to event, told when a leg ends. No I/O.

A leg is silent (abandoned) when the called person answered and no agent spoke with them within the set seconds.
An agent is any channel that is neither a trunk nor one half of a Local pair; agents are looked for through bridges
and Local pairs, for a dialler may put several between.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from vaglio.model import CallOutcome
from vaglio.pbx.events import BridgeEnter, BridgeLeave, DialEnd, Hangup, HangupRequest
from vaglio.pbx.guard import trunk_of

_MOST = 20_000
"""Legs and bridged channels kept; the oldest is forgotten first."""
_BUSY = frozenset({17, 486})
_UNREACHED = frozenset({18, 19, 20})
"""Q.850: no user responding, no answer, subscriber absent."""
_NOBODY = ("Local/", "CBAnn/", "CBRec/", "Announcer/", "Recorder/", "Surrogate/", "Snoop/", "Multicast/")
"""Channels behind which no person is."""


@dataclass(slots=True)
class _Leg:
    reference: str
    channel: str
    began: float
    needs_agent: bool
    status: str = ""
    answered: float | None = None
    agent: float | None = None
    far_end_hung_up: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a call; times in whole milliseconds."""

    reference: str
    outcome: CallOutcome
    details: dict[str, int | str]


class Calls:
    """The legs of one PBX that are under way. Times are seconds of one monotonic clock."""

    def __init__(self, trunks: Iterable[str], agent_within: float) -> None:
        self._trunks = tuple(trunks)
        self._agent_within = agent_within
        self._legs: OrderedDict[str, _Leg] = OrderedDict()
        self._of_channel: dict[str, str] = {}
        self._bridge_of: OrderedDict[str, str] = OrderedDict()
        self._members: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._legs)

    def begun(self, leg_id: str, channel: str, reference: str, at: float, *, needs_agent: bool) -> None:
        """A leg with a pass is being dialled; `needs_agent` is false where no person is to speak."""
        self._legs[leg_id] = _Leg(reference, channel, at, needs_agent)
        self._of_channel[channel] = leg_id
        while len(self._legs) > _MOST:
            _, oldest = self._legs.popitem(last=False)
            self._of_channel.pop(oldest.channel, None)

    def refused(self, reference: str) -> None:
        """The called person refused; if the call is still up, that is its outcome when it ends."""
        for leg in self._legs.values():
            if leg.reference == reference:
                leg.refused = True

    def dialled(self, event: DialEnd, at: float) -> None:
        """The leg was answered, or not."""
        leg = self._legs.get(event.leg_id)
        if leg is None:
            return
        leg.status = event.status
        if event.status == "ANSWER":
            leg.answered = at
            self._look_for_agent(leg.channel, at)

    def entered(self, event: BridgeEnter, at: float) -> None:
        """A channel joined a bridge: perhaps the agent."""
        self._forget(event.channel)
        self._bridge_of[event.channel] = event.bridge
        self._members.setdefault(event.bridge, set()).add(event.channel)
        while len(self._bridge_of) > _MOST:
            self._forget(next(iter(self._bridge_of)))
        self._look_for_agent(event.channel, at)

    def left(self, event: BridgeLeave) -> None:
        """A channel left its bridge."""
        if self._bridge_of.get(event.channel) == event.bridge:
            self._forget(event.channel)

    def far_end_hung_up(self, event: HangupRequest) -> None:
        """The called person, or their network, ended the call."""
        leg = self._legs.get(event.unique_id)
        if leg is not None:
            leg.far_end_hung_up = True

    def hung_up(self, event: Hangup, at: float) -> Ended | None:
        """The channel is gone: what became of its call, if it was a leg."""
        self._forget(event.channel)
        leg = self._legs.pop(event.unique_id, None)
        if leg is None:
            return None
        self._of_channel.pop(leg.channel, None)
        ended = at if leg.answered is None else leg.answered
        details: dict[str, int | str] = {"cause": event.cause, "ring_ms": _milliseconds(ended - leg.began)}
        if leg.status:
            details["dial_status"] = leg.status[:16]
        if leg.answered is not None:
            details["talk_ms"] = _milliseconds(at - leg.answered)
            if leg.agent is not None:
                details["agent_ms"] = _milliseconds(leg.agent - leg.answered)
        return Ended(leg.reference, self._outcome(leg, event.cause, at), details)

    def clear(self) -> None:
        """The connection was lost: what happens to these legs will not be told."""
        self._legs.clear()
        self._of_channel.clear()
        self._bridge_of.clear()
        self._members.clear()

    def _outcome(self, leg: _Leg, cause: int, at: float) -> CallOutcome:
        if leg.refused:
            return CallOutcome.REFUSED
        if leg.answered is not None:
            return CallOutcome.SILENT if self._silent(leg, leg.answered, at) else CallOutcome.ANSWERED
        if leg.status == "BUSY" or cause in _BUSY:
            return CallOutcome.BUSY
        if leg.status in {"NOANSWER", "CANCEL"} or cause in _UNREACHED:
            return CallOutcome.NO_ANSWER
        return CallOutcome.FAILED

    def _silent(self, leg: _Leg, answered: float, at: float) -> bool:
        if not leg.needs_agent:
            return False
        if leg.agent is not None:
            return leg.agent - answered > self._agent_within
        # A called person who hangs up at once was not kept waiting.
        return not (leg.far_end_hung_up and at - answered < self._agent_within)

    def _look_for_agent(self, channel: str, at: float) -> None:
        """Whoever is connected with this channel now may be the agent some answered leg waits for."""
        if not self._legs:
            return
        connected = self._connected(channel)
        waiting = [self._legs[self._of_channel[name]] for name in connected if name in self._of_channel]
        if any(leg.agent is None and leg.answered is not None for leg in waiting) and any(
            not name.startswith(_NOBODY) and trunk_of(name, self._trunks) is None for name in connected
        ):
            for leg in waiting:
                if leg.agent is None and leg.answered is not None:
                    leg.agent = at

    def _connected(self, channel: str) -> set[str]:
        found: set[str] = set()
        open_ends = [channel]
        while open_ends and len(found) < 64:  # noqa: PLR2004 - a conference may be large; an agent is near
            name = open_ends.pop()
            if name in found:
                continue
            found.add(name)
            open_ends.extend(self._members.get(self._bridge_of.get(name, ""), ()))
            if name.endswith((";1", ";2")):
                open_ends.append(name[:-1] + ("2" if name.endswith("1") else "1"))
        return found

    def _forget(self, channel: str) -> None:
        bridge = self._bridge_of.pop(channel, None)
        if bridge is not None:
            members = self._members[bridge]
            members.discard(channel)
            if not members:
                del self._members[bridge]


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
