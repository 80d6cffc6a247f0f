"""A decision as it stands in the log, told rule by rule, with the citations of the rulebook."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vaglio.audit import EntryKind, Record
from vaglio.model import FindingOutcome
from vaglio.rules import Rulebooks
from vaglio.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class ToldFinding:
    """What one rule said; summary and citation are empty when the rulebook of today has no such rule any more."""

    rule: str
    outcome: str
    reason: str | None
    detail: str
    evidence: str | None
    summary: str
    citation: str


@dataclass(frozen=True, slots=True)
class RestedOn:
    """A kind of fact, and the references to those that the decision read."""

    kind: str
    """`oppositions`, `consents`, `relationships`, `contact`, `attempts`."""
    references: tuple[str, ...]
    """`entry:<seq>` or `decision:<id>`."""


@dataclass(frozen=True, slots=True)
class ExplainedEntry:
    """One decision for people."""

    asked: tuple[ToldFinding, ...]
    """The rules that said something, in the order in which they were asked."""
    not_applicable: tuple[ToldFinding, ...]
    rested_on: tuple[RestedOn, ...]
    registers: Mapping[str, Mapping[str, Any]]
    same_rulebook: bool
    """Whether the rulebook of today is the one that decided, so that summaries and citations are its own."""
    delivered: datetime | None
    delivery_us: int | None
    outcomes: tuple[tuple[datetime, str, Mapping[str, Any]], ...]

    @property
    def references(self) -> Iterator[str]:
        """All entries and decisions it refers to."""
        for finding in self.asked:
            if finding.evidence is not None:
                yield finding.evidence
        for one in self.rested_on:
            yield from one.references


def explained_entry(
    record: Record, followed: Sequence[tuple[Record, Mapping[str, Any]]], rulebooks: Rulebooks
) -> ExplainedEntry:
    """Tell a decision's entry; `followed` are the entries that speak of it."""
    body = record.body
    book = rulebooks.books.get(body.get("jurisdiction") or "")
    known = {rule.id: rule for rule in (book.rules if book is not None else rulebooks.common.rules)}
    findings = [_finding(one, known) for one in body.get("findings", ())]
    facts = body.get("facts", {})
    deliveries = [(one, told) for one, told in followed if one.kind == EntryKind.DELIVERY]
    return ExplainedEntry(
        asked=tuple(one for one in findings if one.outcome != FindingOutcome.NOT_APPLICABLE),
        not_applicable=tuple(one for one in findings if one.outcome == FindingOutcome.NOT_APPLICABLE),
        rested_on=tuple(_rested_on(facts)),
        registers=facts.get("registers", {}),
        same_rulebook=book is None or book.version == body.get("rulebook"),
        delivered=deliveries[0][0].at if deliveries else None,
        delivery_us=deliveries[0][1].get("microseconds") if deliveries else None,
        outcomes=tuple(
            (one.at, told["outcome"], told.get("details", {}))
            for one, told in followed
            if one.kind == EntryKind.OUTCOME
        ),
    )


def _finding(told: Mapping[str, Any], known: Mapping[str, Rule]) -> ToldFinding:
    rule = known.get(told["rule"])
    return ToldFinding(
        told["rule"],
        told["outcome"],
        told.get("reason"),
        told.get("detail", ""),
        told.get("evidence"),
        rule.summary if rule else "",
        rule.citation if rule else "",
    )


def _rested_on(facts: Mapping[str, Any]) -> Iterator[RestedOn]:
    for kind in ("oppositions", "consents", "relationships"):
        if some := facts.get(kind):
            yield RestedOn(kind, tuple(f"entry:{seq}" for seq in some))
    if (contact := facts.get("contact")) is not None:
        yield RestedOn("contact", (f"entry:{contact}",))
    if some := facts.get("attempts"):
        yield RestedOn("attempts", tuple(f"decision:{name}" for name in some))
