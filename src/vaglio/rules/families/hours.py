"""Hours and public holidays, in every zone the called person may be in or in the one that the law fixes."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, field_validator, model_validator

from vaglio.model import Finding, Reason
from vaglio.rules.calendar import holiday_name, known_calendar
from vaglio.rules.families.campaign import Step
from vaglio.rules.findings import blocked, passed
from vaglio.rules.question import Question
from vaglio.rules.rule import STRICT, Rule

Window = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
Span = tuple[int, int]
"""Seconds of the local day: the first in, the last out."""

_DAY = timedelta(days=1)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class HoursParams(BaseModel):
    """Windows `09:00-20:00` of local time, the end excluded; an empty list is a day without calls."""

    model_config = STRICT

    weekdays: tuple[Window, ...]
    saturday: tuple[Window, ...]
    sunday: tuple[Window, ...]
    holiday: tuple[Window, ...] | None = None
    """On public holidays; left out, they are days like others."""
    eve: tuple[Window, ...] | None = None
    """On the day before a public holiday, within what the day itself allows."""
    calendar: str | None = None
    """Country whose public holidays count, two capitals."""
    calendar_subdivision: str | None = None
    extra_holidays: tuple[date, ...] = ()
    """Days that a site adds."""
    zone: str | None = None
    """The one zone in which the law counts; left out, every zone the called person may be in."""

    @field_validator("weekdays", "saturday", "sunday", "holiday", "eve")
    @classmethod
    def _windows_in_order(cls, windows: tuple[str, ...] | None) -> tuple[str, ...] | None:
        bounds = [bound for window in windows or () for bound in window.split("-")]
        if any(left >= right for left, right in pairwise(bounds)):
            raise ValueError("windows must be in order and must not overlap")
        return windows

    @field_validator("zone")
    @classmethod
    def _zone_known(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError("no such IANA zone") from error
        return zone

    @model_validator(mode="after")
    def _calendar_known(self) -> "HoursParams":
        dated = self.holiday is not None or self.eve is not None
        if dated and self.calendar is None and not self.extra_holidays:
            raise ValueError("holiday and eve need a calendar")
        if self.calendar is not None and not known_calendar(self.calendar, self.calendar_subdivision):
            raise ValueError("no such calendar of public holidays")
        return self


@dataclass(frozen=True, slots=True)
class Timetable:
    """The parameters of a rule, ready to be compared with a second of the day."""

    week: tuple[tuple[Span, ...], ...]
    """Monday first."""
    holiday: tuple[Span, ...] | None
    eve: tuple[Span, ...] | None
    calendar: str | None
    subdivision: str | None
    extra: frozenset[date]

    def feast(self, day: date) -> str | None:
        """The name of the public holiday on that day, if it is one."""
        if day in self.extra:
            return "a day added by this site"
        return holiday_name(day, self.calendar, self.subdivision) if self.calendar else None

    def judge(self, local: datetime, zone: str) -> tuple[Reason | None, str]:
        """Why the local time is not one to call at, if it is not, and the sentence that says so."""
        day = local.date()
        open_spans = self.week[day.weekday()]
        if self.holiday is not None and (feast := self.feast(day)) is not None:
            if not self.holiday:
                return Reason.HOLIDAY, f"{day} is a public holiday ({feast}) in {zone}."
            open_spans = self.holiday
        second = local.hour * 3600 + local.minute * 60 + local.second
        told = f"{_DAYS[day.weekday()]} {day.isoformat()} {local.time().isoformat()[:8]} in {zone}"
        if not _inside(second, open_spans):
            return Reason.OUTSIDE_HOURS, f"{told}: outside the hours of the day."
        if self.eve is not None and not _inside(second, self.eve):
            feast = self.feast(day + _DAY)
            if feast is not None:
                return Reason.OUTSIDE_HOURS, f"{told}: outside the hours of the eve of {feast}."
        return None, f"{told}."


def within_hours(rule: Rule, params: HoursParams) -> Step:
    """Lawful only if every zone is within its hours; a public holiday speaks before an hour."""
    timetable = Timetable(
        (*(spans(params.weekdays),) * 5, spans(params.saturday), spans(params.sunday)),
        None if params.holiday is None else spans(params.holiday),
        None if params.eve is None else spans(params.eve),
        params.calendar,
        params.calendar_subdivision,
        frozenset(params.extra_holidays),
    )
    fixed = None if params.zone is None else ZoneInfo(params.zone)

    def step(question: Question) -> Finding:
        local = question.local if fixed is None else ((fixed, question.at.astimezone(fixed)),)
        outside = None
        told = ""
        for zone, moment in local:
            reason, told = timetable.judge(moment, zone.key)
            if reason is Reason.HOLIDAY:
                return blocked(rule, reason, told)
            if reason is not None and outside is None:
                outside = told
        if outside is not None:
            return blocked(rule, Reason.OUTSIDE_HOURS, outside)
        return passed(rule, told if len(local) == 1 else f"Within hours in all {len(local)} zones.")

    return step


def spans(windows: tuple[str, ...]) -> tuple[Span, ...]:
    """Windows as seconds of the day."""
    found = []
    for window in windows:
        start, end = (int(bound[:2]) * 3600 + int(bound[3:]) * 60 for bound in window.split("-"))
        found.append((start, end))
    return tuple(found)


def _inside(second: int, open_spans: tuple[Span, ...]) -> bool:
    for start, end in open_spans:  # noqa: SIM110 - a generator would take three times as long, on every call
        if start <= second < end:
            return True
    return False
