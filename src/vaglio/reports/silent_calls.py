"""Silent calls: answered, and nobody there. The ratio per campaign, held against its country's cap.

A call counts by its last known outcome; silent and refused calls were answered too. Calls whose outcome the PBX
never told do not count at all, and the report says how many they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from vaglio.audit import Reader
from vaglio.model import CallOutcome, Campaign
from vaglio.rules.jurisdiction import rulebook_of_region


@dataclass(frozen=True, slots=True)
class Cap:
    """The most silent calls that a country's rules bear, of a hundred answered ones."""

    percent: float
    citation: str
    confidence: str


CAPS: Final[Mapping[str, Cap]] = MappingProxyType(
    {
        "it": Cap(3.0, "Garante, provv. gen. 83 of 20 February 2014: 3 of 100 answered, a campaign", "secondary"),
        "gb": Cap(3.0, "Ofcom, persistent misuse: 3 % a campaign in 24 hours (figure before 2017)", "unconfirmed"),
        "us": Cap(3.0, "16 CFR 310.4(b)(4): 3 % a campaign in 30 days", "unconfirmed"),
        "ca": Cap(5.0, "CRTC: 5 % in a month", "unconfirmed"),
    }
)

_ANSWERED: Final = frozenset({CallOutcome.ANSWERED, CallOutcome.SILENT, CallOutcome.REFUSED})


@dataclass(frozen=True, slots=True)
class SilentCalls:
    """One campaign's figures over a time."""

    campaign: str
    delivered: int
    """Allowed calls that the PBX was told of."""
    answered: int
    silent: int
    unknown: int
    """Delivered calls without any outcome."""
    cap: Cap | None

    @property
    def percent(self) -> float | None:
        """Silent calls of a hundred answered ones; None when none was answered."""
        return 100 * self.silent / self.answered if self.answered else None

    @property
    def above(self) -> bool:
        """Whether the cap is exceeded."""
        return self.cap is not None and self.percent is not None and self.percent > self.cap.percent


def silent_calls(
    log: Reader, campaigns: Mapping[str, Campaign], since: datetime, until: datetime | None
) -> list[SilentCalls]:
    """The figures of every campaign that called in that time (by the decision's instant), by name.

    Raises:
        StoreError: when the log cannot be read.
    """
    return silent_figures(log.outcomes(since, until), campaigns)


def silent_figures(
    outcomes: Iterable[tuple[str, str | None, int]], campaigns: Mapping[str, Campaign]
) -> list[SilentCalls]:
    """The figures from outcomes as `Reader.outcomes` counts them, by campaign."""
    found: dict[str, dict[str | None, int]] = {}
    for campaign, outcome, count in outcomes:
        found.setdefault(campaign, {})[outcome] = count
    return [_figures(name, counts, campaigns.get(name)) for name, counts in sorted(found.items())]


def _figures(name: str, counts: Mapping[str | None, int], campaign: Campaign | None) -> SilentCalls:
    jurisdiction = rulebook_of_region(campaign.region) if campaign is not None else None
    return SilentCalls(
        name,
        delivered=sum(counts.values()),
        answered=sum(counts.get(outcome.value, 0) for outcome in _ANSWERED),
        silent=counts.get(CallOutcome.SILENT.value, 0),
        unknown=counts.get(None, 0) + counts.get(CallOutcome.UNKNOWN.value, 0),
        cap=CAPS.get(jurisdiction or ""),
    )
