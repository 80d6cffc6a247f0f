"""What the dialplan can ask over FastAGI: `screen`, `failed`, `oppose`, `ping`.

Requests and answers are the public face in docs/dialplan.md. A route that raises gives no verdict: the server then
sends `failure`.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Final

import structlog

from vaglio import __version__
from vaglio.audit import delivery_entry, failopen_entry
from vaglio.clock import Clock
from vaglio.errors import InputError, VaglioError
from vaglio.model import Verdict
from vaglio.pbx.agi import Request
from vaglio.pbx.exchange import Reply, Route
from vaglio.pbx.guard import Allow, Passes
from vaglio.pbx.opposing import oppose
from vaglio.pbx.parts import Parts
from vaglio.screening import Screened

VERDICT: Final = "VAGLIO"
REASON: Final = "VAGLIO_REASON"
DECISION: Final = "VAGLIO_DECISION"
OPPOSED: Final = "VAGLIO_OPPOSED"
TAKEN: Final = "VAGLIO_TAKEN"
PONG: Final = "VAGLIO_PONG"

_SCREEN_ARGUMENTS: Final = (2, 3)
_FAILED_ARGUMENTS: Final = 5
_OPPOSE_ARGUMENTS: Final = 2
_EPOCH_DIGITS: Final = 10


class Routes:
    """The routes of one service."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.passes = Passes()
        """The allows given to calls, for the guard."""
        self._background: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("vaglio.routes")

    def table(self) -> Mapping[str, Route]:
        """Route name → what answers it."""
        return {"screen": self.screen, "failed": self.failed, "oppose": self.oppose, "ping": self.ping}

    async def finish(self) -> None:
        """Wait for the deliveries that are still being written."""
        if self._background:
            await asyncio.gather(*self._background, return_exceptions=True)

    async def screen(self, request: Request) -> Reply:
        """`screen,NUMBER,CAMPAIGN[,CALLERID]` → the verdict, once it is durable."""
        started = perf_counter()
        dialled, campaign, caller_id = _arguments(request, _SCREEN_ARGUMENTS)
        if not request.uniqueid:
            raise InputError("screen: no agi_uniqueid; a verdict is bound to its call")
        parts = self.parts
        screened = await parts.screener.screen(
            parts.writer, dialled, campaign, caller_id, pbx=pbx_of(request), uniqueid=request.uniqueid
        )
        decision = screened.judgement.decision
        took = perf_counter() - started
        return Reply(
            {
                VERDICT: f"{decision.verdict}:{request.uniqueid}:{screened.id}",
                REASON: decision.reason,
                DECISION: screened.id,
            },
            sent=lambda: self._note(request, dialled, screened, took),
            delivered=lambda: self._later(self._delivered(screened.id, started)),
        )

    async def failed(self, request: Request) -> Reply:
        """`failed,NUMBER,CAMPAIGN,CALLERID,UNIQUEID,EPOCH` → the entry of a call the failure policy let out."""
        dialled, campaign_id, _, uniqueid, epoch = _arguments(request, (_FAILED_ARGUMENTS, _FAILED_ARGUMENTS))
        parts = self.parts
        campaign = parts.screener.index.campaign(campaign_id)
        number = parts.screener.number(dialled, campaign_id)
        pbx = pbx_of(request)
        at = _instant(epoch, parts.clock)
        taken = parts.screener.log.failopen(pbx, uniqueid, at, number.last3)
        if taken is None:
            entry = failopen_entry(number, campaign, campaign_id, pbx, uniqueid, at)
            await parts.writer.append(entry)
            parts.metrics.failopen.inc()
            taken = entry.id
        return Reply({TAKEN: taken})

    async def oppose(self, request: Request) -> Reply:
        """`oppose,NUMBER-or-DECISION,CAMPAIGN` → the entry of an opposition to the campaign's controller."""
        told, campaign_id = _arguments(request, (_OPPOSE_ARGUMENTS, _OPPOSE_ARGUMENTS))
        return Reply({OPPOSED: await oppose(self.parts, told, campaign_id, request.uniqueid)})

    async def ping(self, _request: Request) -> Reply:
        """`ping` → the version: somebody listens."""
        return Reply({PONG: __version__})

    def _note(self, request: Request, dialled: str, screened: Screened, seconds: float) -> None:
        """What the guard and the metrics hear of a decision."""
        decision = screened.judgement.decision
        known = screened.judgement.facts.campaign
        campaign = known.id if known else ""
        digits = "".join(mark for mark in dialled if mark.isascii() and mark.isdecimal())
        self.passes.decided(
            pbx_of(request),
            Allow(screened.id, request.uniqueid, digits, campaign),
            granted=decision.verdict is Verdict.ALLOW,
        )
        self.parts.metrics.decided(decision.verdict, decision.reason, campaign, seconds)

    async def _delivered(self, decision: str, started: float) -> None:
        parts = self.parts
        took = round((perf_counter() - started) * 1_000_000)
        try:
            await parts.writer.append(delivery_entry(decision, parts.clock(), took), patient=True)
        except VaglioError as error:
            self._log.error("delivery not logged", decision=decision, error=str(error))

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def pbx_of(request: Request) -> str:
    """The PBX that asks, by the address it asks from: with the unique id, what names a call."""
    return request.peer


def _arguments(request: Request, count: tuple[int, int]) -> list[str]:
    """The route's arguments, missing optional ones empty.

    Raises:
        InputError: too few or too many of them.
    """
    least, most = count
    if not least <= len(request.args) <= most:
        raise InputError(
            f"{request.route}: {len(request.args)} arguments, expected {least} to {most}; see docs/dialplan.md"
        )
    return [*request.args, *[""] * (most - len(request.args))]


def _instant(epoch: str, clock: Clock) -> datetime:
    """When the dialplan let the call out; the clock's time when it says nothing usable."""
    present = clock()
    if not (epoch.isascii() and epoch.isdecimal() and len(epoch) <= _EPOCH_DIGITS):
        return present
    return min(datetime.fromtimestamp(int(epoch), UTC), present)
