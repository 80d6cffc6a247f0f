"""One rulebook: the law of a jurisdiction over time, with what holds everywhere."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from vaglio.model import Campaign, DialMode, Purpose
from vaglio.numbers import Kind
from vaglio.rules.calendar import holidays_of
from vaglio.rules.families.consent import ConsentParams, Need, merged
from vaglio.rules.families.hours import HoursParams
from vaglio.rules.families.params import params_of
from vaglio.rules.families.register import RegisterParams
from vaglio.rules.periods import midnight
from vaglio.rules.plan import Plan, asked_of, compiled
from vaglio.rules.rule import Family, Rule

FRAME = (Family.EMERGENCY, Family.CAMPAIGN_KNOWN, Family.NUMBER, Family.JURISDICTION)
"""Families of which there is always exactly one rule, asked before any rulebook is known."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one sort of campaign and number is asked."""

    plan: Plan
    need: Need | None
    """The consent rules merged, where all of them are asked of everybody."""


class Period:
    """The rules in force together between two dates. Plans are made once for each sort of campaign and kept."""

    __slots__ = ("_plan", "_reach", "asked", "registers")

    def __init__(self, rules: Sequence[Rule], plan: Plan) -> None:
        ids = {rule.id for rule in rules}
        self._plan = plan.where(lambda rule: rule.id in ids)
        self.registers = _registers(rules)
        self.asked = lru_cache(maxsize=1024)(self._asked)
        self._reach = lru_cache(maxsize=1024)(self._reach_of)

    def reach(self, campaign: Campaign | None) -> timedelta:
        """How far back attempts must be known for a campaign, whatever the kind of number."""
        if campaign is None:
            return self._plan.reach
        return self._reach(campaign.purpose, campaign.sector, campaign.dial_mode)

    def _reach_of(self, purpose: Purpose, sector: str, dial_mode: DialMode) -> timedelta:
        return self._plan.where(lambda rule: asked_of(rule.when, purpose, sector, dial_mode, None)).reach

    def _asked(self, purpose: Purpose, sector: str, dial_mode: DialMode, kind: Kind) -> Asked:
        def wanted(rule: Rule) -> bool:
            return asked_of(rule.when, purpose, sector, dial_mode, kind)

        plan = self._plan.where(wanted, lambda rule: rule.when.subdivisions is None)
        consents = [entry for entry in plan.consents if wanted(entry.rule)]
        gated = any(entry.gate is not None for entry in consents)
        need = None if gated else merged((entry.rule, entry.step) for entry in consents)
        return Asked(plan, need)


class Rulebook:
    """The rules of one jurisdiction, common ones included, by the instant at which they are in force.

    Attributes:
        jurisdiction: such as `it`; None for the common rules alone.
        name: of the country, in English.
        version: `it@` and the first 12 hex digits of the SHA-256 of its data.
        zone: the main zone, in which days begin, and dates of rules with them.
        fixed_zone: whether the law counts in the main zone wherever the called person is.
        valid_from: the first day it speaks of.
        rules: all of them, in the order in which they are asked.
    """

    __slots__ = (
        "_bounds",
        "_opens",
        "_periods",
        "fixed_zone",
        "jurisdiction",
        "name",
        "rules",
        "valid_from",
        "version",
        "zone",
    )

    def __init__(
        self,
        *,
        jurisdiction: str | None,
        name: str,
        version: str,
        zone: ZoneInfo,
        fixed_zone: bool,
        valid_from: date,
        rules: Sequence[Rule],
    ) -> None:
        order = list(Family)
        self.jurisdiction = jurisdiction
        self.name = name
        self.version = version
        self.zone = zone
        self.fixed_zone = fixed_zone
        self.valid_from = valid_from
        self.rules = tuple(sorted(rules, key=lambda rule: order.index(rule.family)))
        self._opens = midnight(valid_from, zone)
        asked = [rule for rule in self.rules if rule.enabled and rule.family not in FRAME]
        plan = compiled(asked)
        days = {valid_from}
        for rule in asked:
            days.add(rule.valid_from)
            if rule.valid_to is not None:
                days.add(rule.valid_to + timedelta(days=1))
        ordered = sorted(days)
        self._bounds = [midnight(day, zone) for day in ordered]
        self._periods = [Period([rule for rule in asked if in_force(rule, day)], plan) for day in ordered]

    def speaks_at(self, at: datetime) -> bool:
        """Whether the rulebook reaches back to that instant."""
        return at >= self._opens

    def period(self, at: datetime) -> Period:
        """The rules in force at that instant; before the first date, those of the first."""
        return self._periods[max(bisect_right(self._bounds, at) - 1, 0)]

    def warm(self, at: datetime) -> None:
        """Look up the public holidays of the years around an instant."""
        for rule in self.rules:
            if rule.family is Family.HOURS:
                params = params_of(rule, HoursParams)
                for year in (at.year - 1, at.year, at.year + 1):
                    if params.calendar is not None:
                        holidays_of(params.calendar, year, params.calendar_subdivision)

    def changes(self) -> tuple[datetime, ...]:
        """The instants at which rules begin or end, in UTC."""
        return tuple(bound.astimezone(UTC) for bound in self._bounds)


def in_force(rule: Rule, day: date) -> bool:
    """Whether the rule is dated for that day of its rulebook's zone."""
    return rule.valid_from <= day and (rule.valid_to is None or day <= rule.valid_to)


def _registers(rules: Sequence[Rule]) -> tuple[str, ...]:
    names: list[str] = []
    for rule in rules:
        if rule.family is Family.REGISTER:
            names.append(params_of(rule, RegisterParams).register_name)
        elif rule.family is Family.CONSENT:
            voided_by = params_of(rule, ConsentParams).voided_by
            names += [voided_by] if voided_by else []
    return tuple(dict.fromkeys(names))
