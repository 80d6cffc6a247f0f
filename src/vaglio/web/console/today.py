"""Today: the figures of a day."""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter
from fastapi.responses import Response

from vaglio.audit import Reader as LogReader
from vaglio.audit.signed import Signed, checkpoints
from vaglio.clock import now
from vaglio.index.definitions import definitions
from vaglio.index.overview import RegisterInfo, registers
from vaglio.model import Campaign
from vaglio.reports.silent_calls import SilentCalls, silent_calls
from vaglio.reports.today import Day, day_figures
from vaglio.site import Site
from vaglio.web.access import Permission
from vaglio.web.access.caller import Caller
from vaglio.web.console.charts import stacked_bars
from vaglio.web.console.look import Look
from vaglio.web.console.service import states
from vaglio.web.console.visit import Visit, visiting

router = APIRouter()

_MOST_FOR_SILENT: Final = 100_000
"""Allowed calls of which the silent ones are counted while a page waits; two look-ups each."""
_AGE_WARNED: Final = 3
"""A last checkpoint older than so many intervals is warned about."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What the page reads, in a thread."""

    day: Day
    silent: list[SilentCalls] | None
    """None where there are too many calls to count while a page waits."""
    registers: list[RegisterInfo]
    checkpoint: Signed | None


@router.get("/today")
async def today(visit: Annotated[Visit, visiting(Permission.STATUS)]) -> Response:
    """The figures of a day of the person's zone: today, or the one asked for."""
    at = now()
    wished, current = _day_of(visit.asked("day", most=10)), visit.look.local(at).date()
    day = min(wished, current) if wished is not None else current
    settings = visit.rooms.site.settings
    campaigns = {one.id: one for one in visit.rooms.index.campaigns() if visit.caller.sees(one.controller)}
    since, until = _bounds(day, visit.look)
    found, services = await asyncio.gather(
        asyncio.to_thread(_read, visit.rooms.site, visit.caller, campaigns, since, until),
        states(settings.health.listen, settings.standby.health),
    )
    signed_at = found.checkpoint.at if found.checkpoint else None
    age = (at - signed_at) if signed_at else None
    return visit.page(
        "today.html",
        day=day,
        before=day - timedelta(days=1),
        after=day + timedelta(days=1) if day < current else None,
        figures=found.day,
        chart=_chart(found.day, visit.look),
        silent=found.silent,
        registers=[one for one in found.registers if one.days_left is not None],
        checkpoint=found.checkpoint,
        checkpoint_minutes=int(age.total_seconds() // 60) if age is not None else None,
        checkpoint_late=age is not None
        and age > timedelta(minutes=_AGE_WARNED * max(1.0, settings.audit.checkpoint_minutes)),
        services=services,
    )


def _read(site: Site, caller: Caller, campaigns: dict[str, Campaign], since: datetime, until: datetime) -> _Read:
    day = day_figures(site.log_file, since, until, caller.controller)
    silent = None
    if day.counted_until is None and day.allowed <= _MOST_FOR_SILENT:
        with LogReader(site.log_file) as log:
            silent = [
                one
                for one in silent_calls(log, campaigns, since, until)
                if caller.controller is None or one.campaign in campaigns
            ]
    known = registers(site.index_file, definitions(site.settings.registers))
    seen = [one for one in known if one.controller is None or caller.sees(one.controller)]
    newest = checkpoints(site.log_file, 1)
    return _Read(day, silent, seen, newest[0] if newest else None)


def _day_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _bounds(day: date, look: Look) -> tuple[datetime, datetime]:
    """Midnight to midnight in the zone: 23 to 25 hours."""
    begin = datetime(day.year, day.month, day.day, tzinfo=look.tz)
    after = day + timedelta(days=1)
    return begin, datetime(after.year, after.month, after.day, tzinfo=look.tz)


def _chart(day: Day, look: Look) -> object:
    return stacked_bars(
        look.say("today.chart"),
        [f"{look.local(hour.begin):%H}" for hour in day.hours],
        {
            look.say("verdict.allow"): [hour.allowed for hour in day.hours],
            look.say("verdict.block"): [hour.blocked for hour in day.hours],
        },
        every=3,
    )
