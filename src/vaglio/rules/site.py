"""A site's own rules: they add to the shipped ones and tighten them; loosening one takes a reason.

[[rule]]                      # a rule of the site's own: as in a rulebook, with its jurisdiction
jurisdiction = "it"           # or "common": everywhere
id = "SITE-IT-CAP"
...

[[change]]
rule = "IT-RPO-05"
params = { max_age_days = 10 }

[[change]]                    # looser than the law as confirmed: only with a reason, which is reported
rule = "IT-COC-06"
enabled = false
override = "written advice of 3 May 2026: the campaign is outside the code"

[[holiday]]
jurisdiction = "it"
days = [2026-12-07]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic import BaseModel

from vaglio.errors import InputError
from vaglio.rules.families.hours import HoursParams
from vaglio.rules.families.params import params_of
from vaglio.rules.load import COMMON, JURISDICTIONS, Name, check_rule, parsed_toml, validated
from vaglio.rules.rule import STRICT, Conditions, Confidence, Family, Ground, Rule, RuleId, Text
from vaglio.rules.rulebook import FRAME
from vaglio.rules.tighten import looser


class OwnRule(Rule):
    """A rule that a site adds."""

    jurisdiction: Name | Literal["common"]
    override: Text | None = None
    """Why an exemption may take shipped rules out of the question; other families only add to them."""


class Change(BaseModel):
    """What a site sets anew in a shipped rule; what is left out stays."""

    model_config = STRICT

    rule: RuleId
    override: Text | None = None
    """Why the rule may be looser than the law as confirmed."""
    enabled: bool | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    when: Conditions | None = None
    unless: tuple[Ground, ...] | None = None
    params: dict[str, object] = {}


class Holidays(BaseModel):
    """Days that a site adds to the public holidays of a jurisdiction."""

    model_config = STRICT

    jurisdiction: Name
    days: tuple[date, ...]


class SiteFile(BaseModel):
    """A site's file as a whole."""

    model_config = STRICT

    rule: tuple[OwnRule, ...] = ()
    change: tuple[Change, ...] = ()
    holiday: tuple[Holidays, ...] = ()


@dataclass(frozen=True, slots=True)
class Override:
    """A shipped rule that a site loosened, for whoever starts the service to log."""

    rule: str
    keys: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Site:
    """A site's file, checked in itself."""

    name: str
    data: bytes
    file: SiteFile


def read_site(name: str, data: bytes) -> Site:
    """Check a site's file in itself; raises InputError naming file and key."""
    file = validated(SiteFile, name, parsed_toml(name, data))
    for rule in file.rule:
        check_rule(name, rule)
        if rule.family in FRAME:
            raise InputError(f"{name}: rule {rule.id}: key family: {rule.family} can't be added; choose another")
    for jurisdiction in (*(rule.jurisdiction for rule in file.rule), *(day.jurisdiction for day in file.holiday)):
        if jurisdiction not in (COMMON, *JURISDICTIONS):
            known = ", ".join((COMMON, *JURISDICTIONS))
            raise InputError(f"{name}: key jurisdiction: no rulebook {jurisdiction!r}; choose one of {known}")
    return Site(name, data, file)


def applied(site: Site, books: Mapping[str, Sequence[Rule]]) -> tuple[dict[str, list[Rule]], tuple[Override, ...]]:
    """The rules of each file (jurisdiction or `common`) after the site's changes, and what they loosened.

    Raises InputError where a change names no rule, or loosens a confirmed or common one without a reason.
    """
    rules = {name: list(listed) for name, listed in books.items()}
    homes = {rule.id: name for name, listed in rules.items() for rule in listed}
    overrides = []
    for change in site.file.change:
        name = homes.get(change.rule)
        if name is None:
            raise InputError(f"{site.name}: change {change.rule}: no rule has this id; see `vaglio rules list`")
        index = next(index for index, rule in enumerate(rules[name]) if rule.id == change.rule)
        before = rules[name][index]
        after, override = _changed(site.name, before, change, protected=name == COMMON)
        rules[name][index] = after
        if override is not None:
            overrides.append(override)
    for own in site.file.rule:
        if any(rule.id == own.id for listed in rules.values() for rule in listed):
            raise InputError(f"{site.name}: rule {own.id}: the id is taken; give the rule one of its own")
        if own.family is Family.EXEMPTION:
            if own.override is None:
                raise InputError(
                    f"{site.name}: rule {own.id}: key family: an exemption loosens what names its ground; "
                    'add override = "the reason", which is logged'
                )
            overrides.append(Override(own.id, ("family",), own.override))
        rules[own.jurisdiction].append(Rule.model_validate(own.model_dump(exclude={"jurisdiction", "override"})))
    for added in site.file.holiday:
        rules[added.jurisdiction] = [_with_holidays(rule, added.days) for rule in rules[added.jurisdiction]]
    return rules, tuple(overrides)


def _changed(name: str, before: Rule, change: Change, *, protected: bool) -> tuple[Rule, Override | None]:
    """The rule after a change, and what to report of it; raises InputError."""
    if before.family in FRAME:
        raise InputError(
            f"{name}: change {before.id}: this rule is the frame of every decision; leave it as it is"
        )
    given = change.model_dump(exclude={"rule", "override", "params"}, exclude_none=True, exclude_unset=True)
    merged = {**before.model_dump(), **given, "params": {**before.params, **change.params}}
    try:
        after = Rule.model_validate(merged)
    except ValueError as error:
        raise InputError(f"{name}: change {before.id}: valid_to lies before valid_from; mend the dates") from error
    check_rule(name, after)
    keys = looser(before, after)
    if not keys:
        return after, None
    if change.override is None and (protected or before.confidence is Confidence.CONFIRMED):
        raise InputError(
            f"{name}: change {before.id}: key {keys[0]}: looser than the law as confirmed; "
            'tighten it, or add override = "the reason", which is logged'
        )
    return after, Override(before.id, keys, change.override or f"the rule is {before.confidence}")


def _with_holidays(rule: Rule, days: tuple[date, ...]) -> Rule:
    """An hours rule that knows public holidays knows the added ones too."""
    if rule.family is not Family.HOURS:
        return rule
    params = params_of(rule, HoursParams)
    if params.holiday is None and params.eve is None:
        return rule
    extra = tuple(sorted({*params.extra_holidays, *days}))
    return rule.model_copy(update={"params": {**rule.params, "extra_holidays": extra}})
