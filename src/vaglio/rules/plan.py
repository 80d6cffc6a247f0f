"""Rules made ready to be asked: compiled once, then narrowed to dates and to sorts of campaign and number."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Generic, TypeVar

from pydantic import BaseModel

from vaglio.model import DialMode, Finding, Purpose
from vaglio.numbers import Kind
from vaglio.rules.families.basis import BasisParams, Found, basis_found
from vaglio.rules.families.caller_id import CallerIdParams, caller_id_allowed
from vaglio.rules.families.campaign import NoParams, ScriptParams, Step, campaign_active, script_present
from vaglio.rules.families.consent import ConsentParams
from vaglio.rules.families.exemption import ExemptionParams, Tie, tied
from vaglio.rules.families.frequency import (
    Cap,
    FrequencyParams,
    RefusalParams,
    SilentCallParams,
    attempts_capped,
    refusal_respected,
    silence_respected,
)
from vaglio.rules.families.hours import HoursParams, within_hours
from vaglio.rules.families.opposition import opposed
from vaglio.rules.families.params import params_of
from vaglio.rules.families.register import Ask, RegisterParams, register_asked
from vaglio.rules.families.sector import Ban, SectorParams, sector_open
from vaglio.rules.findings import not_applicable
from vaglio.rules.question import Question
from vaglio.rules.rule import Conditions, Family, Rule

S = TypeVar("S")
P = TypeVar("P", bound=BaseModel)
Gate = Callable[[Question], bool]
Wanted = Callable[[Rule], bool]


@dataclass(frozen=True, slots=True)
class Entry(Generic[S]):
    """One rule, ready to be asked."""

    rule: Rule
    step: S
    gate: Gate | None
    """Whether the called person is one of whom the rule is asked; `None` is always."""
    skip: Finding | None
    """What is said of a call of which the rule is not asked: nothing where it is another state's."""
    reach: timedelta
    """How far back it wants to know attempts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rules in the order of a decision."""

    known: tuple[Entry[Step], ...]
    """Campaign, script, caller id, opposition."""
    sectors: tuple[Entry[Ban], ...]
    hours: tuple[Entry[Step], ...]
    caps: tuple[Entry[Cap], ...]
    pauses: tuple[Entry[Step], ...]
    exemptions: tuple[Entry[Tie], ...]
    registers: tuple[Entry[Ask], ...]
    consents: tuple[Entry[ConsentParams], ...]
    bases: tuple[Entry[Found], ...]

    def where(self, wanted: Wanted, told: Wanted | None = None) -> "Plan":
        """Only the rules that are wanted; the others that are to be told of stay, never asked."""

        def kept(entries: tuple[Entry[S], ...]) -> tuple[Entry[S], ...]:
            return tuple(
                entry if wanted(entry.rule) else replace(entry, gate=_never, reach=timedelta(0))
                for entry in entries
                if wanted(entry.rule) or (told is not None and told(entry.rule))
            )

        return Plan(
            kept(self.known),
            kept(self.sectors),
            kept(self.hours),
            kept(self.caps),
            kept(self.pauses),
            kept(self.exemptions),
            kept(self.registers),
            kept(self.consents),
            kept(self.bases),
        )

    @property
    def reach(self) -> timedelta:
        """How far back attempts must be known."""
        reaches = [entry.reach for entry in self.caps]
        reaches += [entry.reach for entry in self.pauses]
        reaches += [entry.reach for entry in self.exemptions]
        return max(reaches, default=timedelta(0))


def compiled(rules: Iterable[Rule]) -> Plan:
    """Make every rule ready; the rules are known to be valid."""
    by_family: dict[Family, list[Rule]] = {family: [] for family in Family}
    for rule in rules:
        by_family[rule.family].append(rule)

    def entries(family: Family, kind: type[P], make: Callable[[Rule, P], S]) -> tuple[Entry[S], ...]:
        return tuple(_entry(rule, kind, make) for rule in by_family[family])

    return Plan(
        known=(
            *entries(Family.CAMPAIGN_ACTIVE, NoParams, campaign_active),
            *entries(Family.SCRIPT, ScriptParams, script_present),
            *entries(Family.CALLER_ID, CallerIdParams, caller_id_allowed),
            *entries(Family.OPPOSITION, NoParams, opposed),
        ),
        sectors=entries(Family.SECTOR, SectorParams, sector_open),
        hours=entries(Family.HOURS, HoursParams, within_hours),
        caps=entries(Family.FREQUENCY, FrequencyParams, attempts_capped),
        pauses=(
            *entries(Family.REFUSAL, RefusalParams, refusal_respected),
            *entries(Family.SILENT_CALL, SilentCallParams, silence_respected),
        ),
        exemptions=entries(Family.EXEMPTION, ExemptionParams, tied),
        registers=entries(Family.REGISTER, RegisterParams, register_asked),
        consents=entries(Family.CONSENT, ConsentParams, lambda _rule, params: params),
        bases=entries(Family.BASIS, BasisParams, basis_found),
    )


def asked_of(when: Conditions, purpose: Purpose, sector: str, dial_mode: DialMode, kind: Kind | None) -> bool:
    """Whether a campaign, and a kind of number where one is given, meets the conditions."""
    return (
        (when.purposes is None or purpose in when.purposes)
        and (when.sectors is None or sector in when.sectors)
        and sector not in when.not_sectors
        and (when.dial_modes is None or dial_mode in when.dial_modes)
        and (kind is None or when.kinds is None or kind in when.kinds)
    )


def _never(_question: Question) -> bool:
    return False


def _entry(rule: Rule, kind: type[P], make: Callable[[Rule, P], S]) -> Entry[S]:
    params = params_of(rule, kind)
    reach = timedelta(0)
    if isinstance(params, FrequencyParams | RefusalParams | SilentCallParams | ExemptionParams):
        reach = params.reach()
    skip = None if rule.when.subdivisions is not None else not_applicable(rule, "Not asked of this call.")
    return Entry(rule, make(rule, params), _gate(rule), skip, reach)


def _gate(rule: Rule) -> Gate | None:
    """What is not known of the called person meets the conditions of a rule, but not those of an exemption."""
    when = rule.when
    unknown = rule.family is not Family.EXEMPTION
    types = when.subject_types
    states = None if when.subdivisions is None else frozenset(when.subdivisions)
    if types is None and states is None:
        return None

    def gate(question: Question) -> bool:
        if types is not None:
            subject = question.subject_type
            if not (unknown if subject is None else subject in types):
                return False
        if states is not None:
            possible = question.subdivisions
            if possible is None:
                return unknown
            return not states.isdisjoint(possible) if unknown else possible <= states
        return True

    return gate
