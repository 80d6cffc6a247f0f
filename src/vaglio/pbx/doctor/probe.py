"""A probe: one real call into the running dialplan, to a number that must be blocked, and what became of it.

The call is a Local channel whose far end runs the site's own context as an agent's call would. The doctor chooses
that end's unique id, so the decision log tells whether the gate was asked about it and what it said.
"""

import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vaglio.audit import Record
from vaglio.audit.search import Wanted, search
from vaglio.errors import InputError
from vaglio.model import Verdict
from vaglio.pbx.ami import Account
from vaglio.pbx.doctor.asking import RefusedError, Session, logged_in
from vaglio.pbx.doctor.finding import Finding, Level
from vaglio.redaction import mask, redact

_TARGET: Final = re.compile(r"([+0-9]{3,20})@([A-Za-z0-9_-]{1,79})", re.ASCII)
_DECIDED_SECONDS: Final = 5.0
_ENDED_SECONDS: Final = 2.0
_PAUSE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Target:
    """What to dial, and the context to dial it in."""

    number: str
    context: str

    @classmethod
    def parse(cls, text: str) -> "Target":
        """NUMBER@CONTEXT, the number as an agent would dial it.

        Raises:
            InputError: when it is not of that form.
        """
        found = _TARGET.fullmatch(text)
        if not found:
            raise InputError("--probe: expected NUMBER@CONTEXT, such as 00393331234567@from-agents")
        return cls(found[1], found[2])


async def probe(account: Account, target: Target, log: Path) -> Finding:
    """Place the call, wait for its decision, and see that nothing goes on after it; hang up what is left.

    Raises:
        AmiError: the PBX cannot be asked.
        StoreError: the decision log cannot be read.
    """
    begun = int(time.time())
    near, far = f"vaglio-probe-{begun}.1", f"vaglio-probe-{begun}.2"
    async with logged_in(account) as session:
        try:
            await session.one(
                "Originate",
                Channel=f"Local/{target.number}@{target.context}/n",
                Application="Wait",
                Data="10",
                Async="true",
                ChannelId=near,
                OtherChannelId=far,
            )
        except RefusedError as error:
            return Finding(
                "probe",
                Level.DOUBT,
                f"the probe call was not placed: {error}",
                "in manager.conf: write = originate,system,reporting for the doctor, for the time of the probe",
            )
        decision = await _decision(log, far)
        left = await _left(session, near)
        for channel in left:
            await session.may_hang_up(channel)
    return _judged(target, decision, left)


async def _decision(log: Path, uniqueid: str) -> Record | None:
    until = time.monotonic() + _DECIDED_SECONDS
    while True:
        found = await asyncio.to_thread(search, log, Wanted(uniqueid=uniqueid), 1)
        if found.records or time.monotonic() > until:
            return found.records[0] if found.records else None
        await asyncio.sleep(_PAUSE)


async def _left(session: Session, linked: str) -> list[str]:
    """The channels of the probe that are still there after a while."""
    until = time.monotonic() + _ENDED_SECONDS
    while True:
        channels = await session.many("CoreShowChannels")
        left = [one["Channel"] for one in channels if one.get("Linkedid") == linked and one.get("Channel")]
        if not left or time.monotonic() > until:
            return left
        await asyncio.sleep(_PAUSE)


def _judged(target: Target, decision: Record | None, left: list[str]) -> Finding:
    dialled = f"a probe call to {mask(target.number)} in [{target.context}]"
    if decision is None:
        return Finding(
            "probe",
            Level.FAULT,
            f"{dialled} did not ask the gate{_went_on(left)}",
            "put Gosub(vaglio,s,1(…)) before Dial in this context, and see whether the service answers",
            target.context,
        )
    told = f"{decision.body['verdict']}, {decision.body['reason']} (decision {decision.id})"
    if decision.body["verdict"] != Verdict.BLOCK or left:
        return Finding(
            "probe",
            Level.FAULT,
            f"{dialled} was to be refused: {told}{_went_on(left)}",
            "the verdict is not obeyed: put the shipped vaglio.conf back; `vaglio audit show` tells the decision",
            target.context,
        )
    return Finding("probe", Level.NOTE, f"{dialled} was refused at the gate: {told}")


def _went_on(left: list[str]) -> str:
    return f"; it went on, and was hung up: {redact(', '.join(left))[:200]}" if left else ""
