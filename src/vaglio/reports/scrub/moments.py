"""When a call that only the clock forbids could go out: the same rulebook asked at later instants.

Hours open and close, so they are searched forward; lock-outs and caps only end, so their end is found by halving.
Nothing here knows a rule: what the rulebook says at an instant is all that counts.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from vaglio.model import Call, Campaign, Contact, Decision, Facts, FindingOutcome, Reason, Verdict
from vaglio.numbers import Kind
from vaglio.rules import Rulebooks

_HOURS: Final = frozenset({Reason.HOLIDAY, Reason.OUTSIDE_HOURS})
_LOCKOUTS: Final = frozenset({Reason.FREQUENCY_CAP, Reason.REFUSAL_LOCKOUT, Reason.SILENT_CALL_LOCKOUT})
_STEP: Final = timedelta(minutes=15)
_STEPS: Final = 14 * 24 * 4
"""How far ahead an open hour is searched: longer than any row of holidays."""
_MINUTE: Final = timedelta(minutes=1)
_FARTHEST: Final = timedelta(days=4096)
"""Longer than any lock-out that a rulebook may name."""

_Place = tuple[str | None, tuple[str, ...], Kind, str, Contact | None, datetime]


class Moments:
    """Next possible moments for one campaign; remembers hours by place."""

    def __init__(self, rulebooks: Rulebooks) -> None:
        self._rulebooks = rulebooks
        self._opens: dict[_Place, datetime | None] = {}

    def after(self, call: Call, campaign: Campaign, facts: Facts, decision: Decision) -> datetime | None:
        """The first whole minute at which the same facts let the call out; None where time alone mends nothing."""
        blocks = _blocks(decision)
        if decision.verdict is Verdict.ALLOW or not blocks <= _HOURS | _LOCKOUTS:
            return None
        moment: datetime | None = call.at
        if blocks & _LOCKOUTS:
            moment = self._unlocked(call, campaign, facts)
        if moment is not None:
            moment = self._open(replace(call, at=moment), campaign, facts.contact)
        if moment is None:
            return None
        then = self._rulebooks.evaluate(replace(call, at=moment), campaign, facts)
        return moment if then.verdict is Verdict.ALLOW else None

    def _asked(self, call: Call, campaign: Campaign, facts: Facts, at: datetime) -> frozenset[Reason]:
        return _blocks(self._rulebooks.evaluate(replace(call, at=at), campaign, facts))

    def _unlocked(self, call: Call, campaign: Campaign, facts: Facts) -> datetime | None:
        """The first minute without a lock-out; the attempts being what they are, it stays so."""
        locked, free = 0, _FARTHEST // _MINUTE
        start = call.at.replace(second=0, microsecond=0)
        if self._asked(call, campaign, facts, start + free * _MINUTE) & _LOCKOUTS:
            return None
        while free - locked > 1:
            middle = (locked + free) // 2
            if self._asked(call, campaign, facts, start + middle * _MINUTE) & _LOCKOUTS:
                locked = middle
            else:
                free = middle
        return start + free * _MINUTE

    def _open(self, call: Call, campaign: Campaign, contact: Contact | None) -> datetime | None:
        """The first minute within hours, from the call's instant on."""
        number = call.number
        place = (number.country, number.zones, number.kind, (number.e164 or "")[2:5], contact, call.at)
        if place not in self._opens:
            if len(self._opens) > 100_000:  # noqa: PLR2004 - a bound, not a tuning
                self._opens.clear()
            self._opens[place] = self._search(call, campaign, Facts(0, campaign, contact=contact))
        return self._opens[place]

    def _search(self, call: Call, campaign: Campaign, facts: Facts) -> datetime | None:
        if not self._asked(call, campaign, facts, call.at) & _HOURS:
            return call.at
        start = call.at.replace(minute=call.at.minute // 15 * 15, second=0, microsecond=0)
        for step in range(1, _STEPS + 1):
            late = start + step * _STEP
            if self._asked(call, campaign, facts, late) & _HOURS:
                continue
            early = late - _STEP
            for minute in range(1, 15):
                within = early + minute * _MINUTE
                if within > call.at and not self._asked(call, campaign, facts, within) & _HOURS:
                    return within
            return late
        return None


def _blocks(decision: Decision) -> frozenset[Reason]:
    return frozenset(
        finding.reason
        for finding in decision.findings
        if finding.outcome is FindingOutcome.BLOCK and finding.reason is not None
    )
