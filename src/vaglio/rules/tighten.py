"""Is a changed rule at least as strict as it was? What can't be shown to be is a loosening."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel

from vaglio.rules.families.basis import Regime
from vaglio.rules.families.exemption import SectorMatch
from vaglio.rules.families.hours import HoursParams, spans
from vaglio.rules.families.params import PARAMS, params_of
from vaglio.rules.rule import Conditions, Family, Rule

Strict = Callable[[object, object], bool]
"""Whether the second value is at least as strict as the first."""

_REGIMES = (Regime.OPT_OUT, Regime.LISTED_OPT_OUT, Regime.OPT_IN)
_MATCHES = (SectorMatch.ANY, SectorMatch.SAME_OR_UNKNOWN, SectorMatch.SAME)
_WINDOWS = ("weekdays", "saturday", "sunday", "holiday", "eve")


def looser(before: Rule, after: Rule) -> tuple[str, ...]:
    """The keys in which `after` can't be shown to be at least as strict as `before`; both are valid."""
    turned = before.family is Family.EXEMPTION
    found = []
    if before.enabled and not after.enabled and not turned:
        found.append("enabled")
    if turned and after.enabled and not before.enabled:
        found.append("enabled")
    early, late = (after, before) if turned else (before, after)
    if late.valid_from > early.valid_from:
        found.append("valid_from")
    if late.valid_to is not None and (early.valid_to is None or late.valid_to < early.valid_to):
        found.append("valid_to")
    narrow, wide = (after, before) if turned else (before, after)
    found += [f"when.{key}" for key in _narrowed(narrow.when, wide.when)]
    if not set(after.unless) <= set(before.unless):
        found.append("unless")
    return (*found, *_params(before, after))


def _narrowed(before: Conditions, after: Conditions) -> list[str]:
    """The conditions that leave out calls of which the rule was asked before."""
    keys = []
    if not set(after.not_sectors) <= set(before.not_sectors):
        keys.append("not_sectors")
    for key in Conditions.model_fields:
        old, new = getattr(before, key), getattr(after, key)
        if key != "not_sectors" and new is not None and (old is None or not set(old) <= set(new)):
            keys.append(key)
    return keys


def _params(before: Rule, after: Rule) -> list[str]:
    old, new = (params_of(rule, PARAMS[rule.family]) for rule in (before, after))
    keys = []
    for key in type(old).model_fields:
        if getattr(old, key) == getattr(new, key):
            continue
        strict = _STRICTER.get((before.family, key))
        fine = _hours(key, old, new) if strict is None else strict(getattr(old, key), getattr(new, key))
        if not fine:
            keys.append(f"params.{key}")
    return keys


def _hours(key: str, old: BaseModel, new: BaseModel) -> bool:
    """Whether every second that was shut is still shut."""
    if not isinstance(old, HoursParams) or not isinstance(new, HoursParams):
        return False
    if key in {"calendar", "calendar_subdivision"}:  # more holidays, where they are shut or meant nothing before
        return getattr(old, key) is None and not old.holiday
    if key not in _WINDOWS:
        return False
    was: tuple[str, ...] | None = getattr(old, key)
    now: tuple[str, ...] | None = getattr(new, key)
    if was is None and key == "holiday":  # a day like others before: only no calls at all is surely stricter
        return not now
    if now is None:
        return False
    open_before = spans(was) if was is not None else ((0, 86_400),)
    return all(any(a <= start and end <= b for a, b in open_before) for start, end in spans(now))


def _smaller(old: object, new: object) -> bool:
    """A number that may not grow; none at all is the largest."""
    return isinstance(new, int) and (old is None or (isinstance(old, int) and new <= old))


def _shorter(old: object, new: object) -> bool:
    """A span of an exemption that may not grow; none at all is the shortest."""
    return new is None or (isinstance(old, int) and isinstance(new, int) and new <= old)


def _larger(old: object, new: object) -> bool:
    return isinstance(old, int) and isinstance(new, int) and new >= old


def _on(_old: object, new: object) -> bool:
    return new is True


def _off(_old: object, new: object) -> bool:
    return new is False


def _more(old: object, new: object) -> bool:
    return isinstance(old, tuple) and isinstance(new, tuple) and set(old) <= set(new)


def _fewer(old: object, new: object) -> bool:
    return isinstance(old, tuple) and isinstance(new, tuple) and set(new) <= set(old)


def _fewer_prefixes(old: object, new: object) -> bool:
    """Of required prefixes none at all asks nothing."""
    return bool(new) and (not old or _fewer(old, new))


def _regime(old: object, new: object) -> bool:
    order: tuple[object, ...] = _REGIMES
    return order.index(new) >= order.index(old)


def _match(old: object, new: object) -> bool:
    order: tuple[object, ...] = _MATCHES
    return order.index(new) >= order.index(old)


_STRICTER: Final[Mapping[tuple[Family, str], Strict]] = MappingProxyType(
    {
        (Family.SCRIPT, "script"): _on,
        (Family.SCRIPT, "notice"): _on,
        (Family.CALLER_ID, "declared"): _on,
        (Family.CALLER_ID, "required_prefixes"): _fewer_prefixes,
        (Family.CALLER_ID, "forbidden_prefixes"): _more,
        (Family.SECTOR, "same_sector"): _on,
        (Family.HOURS, "extra_holidays"): _more,
        (Family.FREQUENCY, "max_attempts"): _smaller,
        (Family.FREQUENCY, "days"): _larger,
        (Family.FREQUENCY, "hours"): _larger,
        (Family.REFUSAL, "days"): _larger,
        (Family.SILENT_CALL, "lockout_hours"): _larger,
        (Family.SILENT_CALL, "agent_hours"): _larger,
        (Family.SILENT_CALL, "agent_modes"): _fewer,
        (Family.EXEMPTION, "in_force"): _off,
        (Family.EXEMPTION, "days_after_end"): _shorter,
        (Family.EXEMPTION, "months_after_end"): _shorter,
        (Family.EXEMPTION, "days_after_start"): _shorter,
        (Family.EXEMPTION, "months_after_start"): _shorter,
        (Family.EXEMPTION, "simplified_revocation"): _on,
        (Family.EXEMPTION, "sector"): _match,
        (Family.EXEMPTION, "spent_by"): _more,
        (Family.REGISTER, "max_age_days"): _smaller,
        (Family.REGISTER, "consent_beats_opposed"): _off,
        (Family.REGISTER, "consent_beats_unusable"): _off,
        (Family.CONSENT, "max_age_days"): _smaller,
        (Family.CONSENT, "proof_required"): _on,
        (Family.BASIS, "regime"): _regime,
    }
)
