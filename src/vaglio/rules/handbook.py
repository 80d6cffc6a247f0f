"""The rulebooks as a page for people: docs/regulation.md is kept current from here (scripts/regulation-page)."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

from vaglio.rules.jurisdiction import regions
from vaglio.rules.rule import Conditions, Rule
from vaglio.rules.rulebook import Rulebook
from vaglio.rules.rulebooks import Rulebooks

BEGIN = "<!-- from here on written by scripts/regulation-page -->"


def page(rulebooks: Rulebooks) -> str:
    """Markdown: the table of regions, then every rule of every rulebook."""
    common = {rule.id for rule in rulebooks.common.rules}
    parts = [BEGIN, "", *_regions(), "", "## The rules", ""]
    parts += [*_book("Everywhere", None, rulebooks.common.rules)]
    for book in rulebooks.books.values():
        own = [rule for rule in book.rules if rule.id not in common]
        parts += _book(book.name, book, own)
    parts += ["## Sources", "", "What the tags in brackets stand for; most pages were read only in part.", ""]
    parts += [f"- `{tag}`: {where}" for tag, where in sources().items()]
    return "\n".join(parts).rstrip() + "\n"


@lru_cache(maxsize=1)
def sources() -> Mapping[str, str]:
    """What the tags in a rule's `sources` stand for."""
    text = resources.files("vaglio.rules").joinpath("data", "sources.toml").read_text(encoding="utf-8")
    return MappingProxyType(tomllib.loads(text)["source"])


def _regions() -> list[str]:
    lines = [
        "## Regions and their rulebooks",
        "",
        "A number's region is that of libphonenumber; one that is not in this table has no rulebook.",
        "",
        "| region | rulebook | why |",
        "|---|---|---|",
    ]
    return lines + [
        f"| {region.code} | `{region.rulebook}` | {region.note or 'the country itself'} |"
        for region in regions().values()
    ]


def _book(name: str, book: Rulebook | None, rules: Iterable[Rule]) -> list[str]:
    lines = [f"### {name}", ""]
    if book is not None:
        where = "the main zone, wherever the called person is" if book.fixed_zone else "the called person's zone"
        lines += [
            f"Main zone {book.zone.key}; hours and days count in {where}. Judges from {book.valid_from} on.",
            "",
        ]
    lines += [
        "| rule | what it demands | parameters | dates | sure | citation and notes |",
        "|---|---|---|---|---|---|",
    ]
    return [*lines, *(_row(rule) for rule in rules), ""]


def _row(rule: Rule) -> str:
    until = f" to {rule.valid_to}" if rule.valid_to else ""
    off = " **off**" if not rule.enabled else ""
    about = [rule.citation, *((f"[{', '.join(rule.sources)}]",) if rule.sources else ()), rule.note]
    cells = (
        f"`{rule.id}`{off}",
        rule.summary,
        _params(rule),
        f"from {rule.valid_from}{until}",
        rule.confidence,
        " ".join(part for part in about if part),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _params(rule: Rule) -> str:
    parts = [rule.family.value]
    parts += [f"{key} = {_value(value)}" for key, value in rule.params.items()]
    parts += [f"only {key}: {_value(value)}" for key, value in _conditions(rule.when)]
    if rule.unless:
        parts.append(f"unless {_value(rule.unless)}")
    return "; ".join(parts)


def _conditions(when: Conditions) -> list[tuple[str, object]]:
    named = when.model_dump(exclude_none=True, exclude_defaults=True)
    return [(key.replace("_", " "), value) for key, value in named.items()]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
