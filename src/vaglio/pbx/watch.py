"""The watch over one PBX: what its events mean, and what follows from them.

A trunk leg without a pass is hung up first where the site says so, then recorded, counted and told. What is to be
written is written beside the events: handling one never waits for the disk.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Final

import structlog

from vaglio.audit import Entry, EntryKind, make, outcome_entry, redacted
from vaglio.audit.redact import redacted_unique_id
from vaglio.errors import VaglioError
from vaglio.model import DialMode
from vaglio.pbx.ami import Account, Ami, AmiState, Pace
from vaglio.pbx.calls import Calls, Ended
from vaglio.pbx.events import (
    BridgeEnter,
    BridgeLeave,
    DialBegin,
    DialEnd,
    Event,
    Hangup,
    HangupRequest,
    Pass,
    Told,
)
from vaglio.pbx.evidence import allow_in_log, failopen_in_log
from vaglio.pbx.guard import Allow, Judged, Standing, dialled_text, judge, trunk_of
from vaglio.pbx.opposing import oppose, refuse
from vaglio.pbx.routes import Routes
from vaglio.pbx.watched import WatchMetrics

BARRED: Final = "52"
"""Hang-up cause of an unscreened leg: outgoing call barred (Q.850)."""

_STRANGE = 16
_LINKS = 20_000
_WORK = 5_000
"""Entries being written at most; more are told as lost."""


@dataclass(frozen=True, slots=True)
class Watched:
    """How one PBX is watched."""

    name: str
    peers: frozenset[str]
    """Addresses its questions come from."""
    trunks: tuple[str, ...]
    hang_up: bool
    agent_within: float
    """Seconds after the answer within which an agent must speak."""
    handover: float = 60.0
    """Seconds within which a call the failure policy let out must be handed over."""


class Watch:
    """One PBX, watched; `ami.start`, then `close`."""

    def __init__(
        self,
        watched: Watched,
        account: Account,
        routes: Routes,
        metrics: WatchMetrics,
        active: Callable[[], bool] = lambda: True,
        pace: Pace | None = None,
    ) -> None:
        self.watched = watched
        self.ami = Ami(account, self.handle, self._changed, pace)
        self._routes = routes
        self._metrics = metrics
        self._active = active
        self._calls = Calls(watched.trunks, watched.agent_within)
        self._linked: OrderedDict[str, str] = OrderedDict()
        """Channel that dialled → linked id of its call."""
        self._held: OrderedDict[str, Pass] = OrderedDict()
        """Legs the failure policy let out, whose records are still to come."""
        self._work: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.TimerHandle] = set()
        self._shown = True
        self._strange: set[str] = set()
        self._log = structlog.get_logger("vaglio.guard").bind(pbx=watched.name)
        tallies = self.ami.tallies
        metrics.up.labels(watched.name).set(0)
        metrics.events_lost.labels(watched.name).set_function(lambda: tallies.events_lost)

    async def close(self) -> None:
        """Stop listening; what is being written is waited for."""
        await self.ami.close()
        for timer in self._waiting:
            timer.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    def handle(self, event: Event) -> None:
        """One event, in the order in which they came."""
        at = asyncio.get_running_loop().time()
        match event:
            case DialBegin():
                self._dialled(event, at)
            case DialEnd():
                self._calls.dialled(event, at)
            case BridgeEnter():
                self._calls.entered(event, at)
            case BridgeLeave():
                self._calls.left(event)
            case HangupRequest():
                self._calls.far_end_hung_up(event)
            case Hangup():
                self._hung_up(event, at)
            case Told():
                if self._active():
                    self._told(event)
        self._metrics.legs.labels(self.watched.name).set(len(self._calls))

    def _dialled(self, leg: DialBegin, at: float) -> None:
        if leg.caller and leg.linked:
            self._linked[leg.caller] = leg.linked
            while len(self._linked) > _LINKS:
                self._linked.popitem(last=False)
        if trunk_of(leg.leg, self.watched.trunks) is None:
            return
        judged = self._judge(leg)
        match judged.standing:
            case Standing.ALLOWED if judged.allow is not None:
                self._follow(leg, judged.allow, at)
            case Standing.FAILOPEN:
                self._await_record(leg, judged, at)
            case Standing.UNSCREENED:
                self._unscreened(leg, judged, "no pass")
            case _:
                pass

    def _judge(self, leg: DialBegin) -> Judged:
        screener = self._routes.parts.screener
        peers = self.watched.peers
        call = {one for one in (leg.caller, leg.linked) if one} or {leg.leg_id}
        claim = leg.claim
        if claim is not None and leg.linked and self._linked.get(claim.unique_id) == leg.linked:
            call.add(claim.unique_id)
        judged = judge(leg, call, self._routes.passes.of(peers, call), screener.emergency)
        if judged.standing is not Standing.UNSCREENED or claim is None:
            return judged
        found = allow_in_log(screener, claim)
        if found is None:
            return judged
        self._check_address(found.peer)
        return judge(leg, call, (found.allow,), screener.emergency)

    def _check_address(self, peer: str) -> None:
        """A verdict found by its id although nothing from this PBX's addresses was known: told once an address."""
        if peer not in self.watched.peers and peer not in self._strange and len(self._strange) < _STRANGE:
            self._strange.add(peer)
            self._log.error(
                "this PBX asks from an address it is not configured with; add it to asks_from", address=peer
            )

    def _follow(self, leg: DialBegin, allow: Allow, at: float) -> None:
        campaign = self._routes.parts.screener.index.campaign(allow.campaign)
        needs_agent = campaign is None or campaign.dial_mode is not DialMode.AUTOMATED
        self._calls.begun(leg.leg_id, leg.leg, allow.reference, at, needs_agent=needs_agent)

    def _await_record(self, leg: DialBegin, judged: Judged, at: float) -> None:
        """The dialplan keeps the record until the service takes it; without one the pass was invented."""
        claim = leg.claim
        if claim is None:
            return

        def due() -> None:
            if failopen_in_log(self._routes.parts.screener, claim) is None:
                self._unscreened(leg, judged, "let out without a record")

        self._held[leg.leg_id] = claim
        while len(self._held) > _LINKS:
            self._held.popitem(last=False)
        self._calls.begun(leg.leg_id, leg.leg, "", at, needs_agent=True)
        self._after_handover(due)

    def _hung_up(self, event: Hangup, at: float) -> None:
        self._linked.pop(event.unique_id, None)
        claim = self._held.pop(event.unique_id, None)
        ended = self._calls.hung_up(event, at)
        if ended is None or not self._active():
            return
        if claim is None:
            self._later(self._record_outcome(ended))
            return

        def due() -> None:
            found = failopen_in_log(self._routes.parts.screener, claim)
            if found is not None:
                self._later(self._record_outcome(replace(ended, reference=found.allow.reference)))

        self._after_handover(due)

    def _after_handover(self, then: Callable[[], None]) -> None:
        """Do this once calls let out until now must have been handed over."""

        def due() -> None:
            self._waiting.discard(timer)
            try:
                then()
            except VaglioError as error:
                self._log.error("not checked whether a call was handed over", error=str(error))

        timer = asyncio.get_running_loop().call_later(self.watched.handover, due)
        self._waiting.add(timer)

    def _unscreened(self, leg: DialBegin, judged: Judged, why: str) -> None:
        if not self._active():
            return
        name = self.watched.name
        if not leg.shown and self._shown:
            self._shown = False
            self._log.critical(
                "manager.conf of this PBX lacks `channelvars = VAGLIO_PASS`: passes cannot be seen, "
                "and unscreened calls are not hung up"
            )
        hang_up = self.watched.hang_up and leg.shown and not judged.may_be_emergency
        self._metrics.unscreened.labels(name).inc()
        number = self._routes.parts.screener.number(dialled_text(leg.dial_string), "")
        trunk = trunk_of(leg.leg, self.watched.trunks) or ""
        # Whoever originates a call may choose its unique id: a number, for one.
        leg_id = redacted_unique_id(leg.leg_id)
        self._log.critical(
            "unscreened call", number=number.masked, trunk=trunk, why=why, uniqueid=leg_id, hang_up=hang_up
        )
        if hang_up:
            self._later(self._hang_up(leg))
        entry = make(
            EntryKind.UNSCREENED_CALL,
            self._routes.parts.clock(),
            {
                "pbx": redacted(name),
                "uniqueid": leg_id,
                "caller_uniqueid": redacted_unique_id(leg.caller),
                "trunk": redacted(trunk),
                "why": why,
                "hang_up": hang_up,
            },
            number=number,
        )
        self._later(self._append(entry))

    async def _append(self, entry: Entry) -> None:
        await self._routes.parts.writer.append(entry)

    async def _hang_up(self, leg: DialBegin) -> None:
        await self.ami.act("Hangup", Channel=leg.leg, Cause=BARRED)
        self._log.warning("unscreened call hung up", uniqueid=redacted_unique_id(leg.leg_id))

    async def _record_outcome(self, ended: Ended) -> None:
        parts = self._routes.parts
        entry = outcome_entry(ended.reference, parts.clock(), ended.outcome, ended.details)
        self._metrics.outcomes.labels(self.watched.name, ended.outcome.value).inc()
        await parts.writer.append(entry)

    def _told(self, event: Told) -> None:
        """An objection or a refusal: of the named decision or number, else of the call the event came from."""
        own = event.claim.decision if event.claim is not None else ""
        named = event.fields.get("decision", "") or event.fields.get("number", "")
        match event.name:
            case "VaglioOpposition":
                parts = self._routes.parts
                campaign = event.fields.get("campaign", "")
                self._later(self._opposed(oppose(parts, named or own, campaign, event.unique_id)))
            case "VaglioRefusal":
                self._calls.refused(named or own)
                self._later(refuse(self._routes.parts, named or own))
            case _:
                self._log.warning("user event unknown; docs/guard.md lists the known ones")

    async def _opposed(self, recording: Coroutine[None, None, str]) -> None:
        self._log.info("opposition recorded", entry=await recording)

    def _changed(self, state: AmiState) -> None:
        self._metrics.up.labels(self.watched.name).set(state is AmiState.UP)
        if state is not AmiState.UP:
            self._calls.clear()
            self._linked.clear()
            self._held.clear()

    def _later(self, work: Coroutine[None, None, None]) -> None:
        if len(self._work) >= _WORK:
            work.close()
            self._log.critical("too much waits to be written; an event's consequence is lost")
            return
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except VaglioError as error:
            self._log.error("consequence of an event failed", error=str(error))
