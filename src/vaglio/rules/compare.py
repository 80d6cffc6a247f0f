"""What is in force at a date, and how two rulebooks differ: for `vaglio rules list`, `show` and `diff`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vaglio.rules.rule import Rule
from vaglio.rules.rulebook import Rulebook, in_force
from vaglio.rules.rulebooks import Rulebooks


@dataclass(frozen=True, slots=True)
class Listed:
    """One rule of one rulebook at a date."""

    jurisdiction: str | None
    """`None` for a common rule where no rulebook was asked for."""
    version: str
    rule: Rule
    in_force: bool
    """Dated for that day, and turned on."""


class Sort(StrEnum):
    """How a rule differs."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs in one rule: each key with its value before and after, as text."""

    sort: Sort
    rule: str
    summary: str
    keys: tuple[tuple[str, str, str], ...] = ()


def listed(
    rulebooks: Rulebooks, at: datetime, jurisdiction: str | None = None, *, everything: bool = False
) -> tuple[Listed, ...]:
    """The rules in force at an instant, of one jurisdiction (common ones included) or of all, each once.

    With `everything` also those that are off, over or yet to come. Empty for a jurisdiction without a rulebook.
    """
    if jurisdiction is not None:
        books = [rulebooks.books[jurisdiction]] if jurisdiction in rulebooks.books else []
    else:
        books = [rulebooks.common, *rulebooks.books.values()]
    seen = set()
    found = []
    for book in books:
        day = at.astimezone(book.zone).date()
        for rule in book.rules:
            valid = rule.enabled and in_force(rule, day) and book.speaks_at(at)
            if rule.id not in seen and (valid or everything):
                found.append(Listed(book.jurisdiction, book.version, rule, valid))
                seen.add(rule.id)
    return tuple(found)


def shown(rulebooks: Rulebooks, rule_id: str, at: datetime) -> Listed | None:
    """One rule by its id, whatever its dates; `None` where there is none."""
    return next((one for one in listed(rulebooks, at, everything=True) if one.rule.id == rule_id), None)


def differences(before: Rulebook, then: datetime, after: Rulebook, now: datetime) -> tuple[Difference, ...]:
    """How what `after` holds in force at `now` differs from what `before` held at `then`.

    The same rulebook at two dates tells what changed in law; two rulebooks at one date what changed in the data.
    """
    old, new = _at(before, then), _at(after, now)
    found = [Difference(Sort.REMOVED, key, rule.summary) for key, rule in old.items() if key not in new]
    for key, rule in new.items():
        if key not in old:
            found.append(Difference(Sort.ADDED, key, rule.summary))
        elif rule != old[key]:
            found.append(Difference(Sort.CHANGED, key, rule.summary, _keys(old[key], rule)))
    return tuple(sorted(found, key=lambda one: one.rule))


def _at(book: Rulebook, at: datetime) -> dict[str, Rule]:
    if not book.speaks_at(at):
        return {}
    day = at.astimezone(book.zone).date()
    return {rule.id: rule for rule in book.rules if rule.enabled and in_force(rule, day)}


def _keys(old: Rule, new: Rule) -> tuple[tuple[str, str, str], ...]:
    before, after = _flat(old), _flat(new)
    keys = sorted({*before, *after})
    return tuple(
        (key, before.get(key, "-"), after.get(key, "-")) for key in keys if before.get(key) != after.get(key)
    )


def _flat(rule: Rule) -> dict[str, str]:
    """Keys as a file writes them, `params` and `when` one level deeper."""
    flat = {}
    for key, value in rule.model_dump(mode="json", exclude_none=True, exclude={"id"}).items():
        inner = value.items() if isinstance(value, dict) else None
        if inner is None:
            flat[key] = _text(value)
        else:
            flat |= {f"{key}.{name}": _text(one) for name, one in inner}
    return flat


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
