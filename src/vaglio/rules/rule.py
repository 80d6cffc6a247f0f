"""A rule as data: what it asks, of which calls, since when, and on whose word.

A rule applies where all its conditions hold. What is not known of a call reads as the stricter: a rule that can
block applies to a number whose state or holder is unknown, an exemption does not.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vaglio.model import DialMode, Purpose, SubjectType
from vaglio.numbers import Kind

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)
"""How every piece of rule data is read: unknown keys and near-miss types are errors."""

RuleId = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]*(-[A-Z0-9]+)+$", max_length=40)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
RegisterName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]


class Confidence(StrEnum):
    """How sure the data is."""

    CONFIRMED = "confirmed"
    """An official or primary text was read."""
    SECONDARY = "secondary"
    """Press, a law firm, a vendor: not the text itself."""
    UNCONFIRMED = "unconfirmed"
    """General knowledge or a choice of this software: an editable default, not the law's word."""


class Family(StrEnum):
    """Which question a rule puts; the order is that in which a decision asks."""

    EMERGENCY = "emergency"
    CAMPAIGN_KNOWN = "campaign-known"
    NUMBER = "number"
    JURISDICTION = "jurisdiction"
    CAMPAIGN_ACTIVE = "campaign-active"
    SCRIPT = "script"
    CALLER_ID = "caller-id"
    OPPOSITION = "opposition"
    SECTOR = "sector"
    HOURS = "hours"
    FREQUENCY = "frequency"
    REFUSAL = "refusal"
    SILENT_CALL = "silent-call"
    EXEMPTION = "exemption"
    REGISTER = "register"
    CONSENT = "consent"
    BASIS = "basis"


class Ground(StrEnum):
    """What may take a rule out of the question."""

    CUSTOMER = "customer"
    CALLBACK = "callback"
    REQUESTED_CALL = "requested-call"
    CONSENT = "consent"


class Conditions(BaseModel):
    """Of which calls a rule is asked; what is left out does not narrow."""

    model_config = STRICT

    purposes: tuple[Purpose, ...] | None = None
    sectors: tuple[Text, ...] | None = None
    not_sectors: tuple[Text, ...] = ()
    """Sectors that the rule leaves alone."""
    dial_modes: tuple[DialMode, ...] | None = None
    kinds: tuple[Kind, ...] | None = None
    """Kinds of number."""
    subject_types: tuple[SubjectType, ...] | None = None
    subdivisions: tuple[Text, ...] | None = None
    """States of the called number, such as `FL`; by area code unless the contact says otherwise."""


class Rule(BaseModel):
    """One dated statement of a rulebook. `params` are those of its family, see `vaglio.rules.families`."""

    model_config = STRICT

    id: RuleId
    family: Family
    summary: Text
    """One plain sentence: what the rule demands."""
    citation: Text
    """The text of law behind it, as far as it could be read."""
    sources: tuple[Text, ...] = ()
    confidence: Confidence
    note: str = ""
    """What is uncertain, or how a silence of the sources was read."""
    valid_from: date
    """First day, from midnight of the rulebook's main zone."""
    valid_to: date | None = None
    """Last day, included; `None` is open."""
    enabled: bool = True
    """A rule that is off is shown but not asked; a site may turn it on."""
    when: Conditions = Conditions()
    unless: tuple[Ground, ...] = ()
    params: dict[str, object] = {}

    @model_validator(mode="after")
    def _dates_in_order(self) -> "Rule":
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        return self
