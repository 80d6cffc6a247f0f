"""Sectors that may not be sold by phone, but to those who asked, agreed or are customers already."""

from collections.abc import Callable, Mapping

from pydantic import BaseModel

from vaglio.model import Finding, Reason, Relationship
from vaglio.rules.families.consent import Weighed
from vaglio.rules.findings import blocked, exempt, of_entry
from vaglio.rules.grounds import bits
from vaglio.rules.question import Question
from vaglio.rules.rule import STRICT, Ground, Rule

Ties = Mapping[int, tuple[Relationship, ...]]
"""The relationships that hold, by the bit of their ground."""
Ban = Callable[[Question, Ties, Weighed], Finding]


class SectorParams(BaseModel):
    """How closely what lifts the ban must fit."""

    model_config = STRICT

    same_sector: bool = True
    """The consent or relationship must name the campaign's sector."""


def sector_open(rule: Rule, params: SectorParams) -> Ban:
    """Whether something named in `unless` lifts the ban on the campaign's sector."""
    relations = tuple((bits((ground,)), ground.value) for ground in rule.unless if ground is not Ground.CONSENT)
    by_consent = Ground.CONSENT in rule.unless

    def step(question: Question, ties: Ties, weighed: Weighed) -> Finding:
        sector = question.campaign.sector

        def fits(named: str | None) -> bool:
            return named == sector or not params.same_sector

        if by_consent:
            for consent in weighed.valid:
                if fits(consent.sector):
                    return exempt(rule, f"A valid consent for {sector} stands.", of_entry(consent.entry))
        for bit, ground in relations:
            for tie in ties.get(bit, ()):
                if fits(tie.sector):
                    return exempt(rule, f"A {ground} tie for {sector} holds.", of_entry(tie.entry))
        return blocked(rule, Reason.SECTOR_BAN, f"Calls to sell in the sector {sector} are banned.")

    return step
