"""One call as the rules see it: the question, the facts, and where and when the phone would ring."""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from vaglio.model import Call, Campaign, Facts, SubjectType


class Question(NamedTuple):
    """What every rule of one decision is asked about; a tuple, as one is made for every call."""

    call: Call
    campaign: Campaign
    facts: Facts
    at: datetime
    main_zone: ZoneInfo
    """The zone in which a rulebook's days are counted."""
    campaign_zones: tuple[ZoneInfo, ...]
    """The zones in which the campaign's first and last day are read: one, where its region has a main zone."""
    local: tuple[tuple[ZoneInfo, datetime], ...]
    """Zone and local time in it, one for each zone the called person may be in."""
    subdivisions: frozenset[str] | None
    """States the number may belong to; `None` is any."""
    subject_type: SubjectType | None
