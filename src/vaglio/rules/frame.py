"""What is asked before any rulebook: an emergency, a known campaign, a valid number, a law for it?"""

from dataclasses import dataclass

from vaglio.model import Call, Finding, Reason
from vaglio.numbers import Number
from vaglio.rules.findings import blocked, passed
from vaglio.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class Frame:
    """The four rules, and what each says where it passes."""

    emergency_rule: Rule
    campaign_rule: Rule
    number_rule: Rule
    jurisdiction_rule: Rule
    emergency: Finding
    campaign_known: Finding
    number_valid: Finding
    covered: Finding

    def campaign_unknown(self, call: Call) -> Finding:
        """No campaign has the id that the dialplan gave."""
        detail = f"No campaign {call.campaign_id[:64]!r} is known."
        return blocked(self.campaign_rule, Reason.CAMPAIGN_UNKNOWN, detail)

    def number_invalid(self, number: Number) -> Finding:
        """The number is none that can be looked up."""
        why = number.problem.value if number.problem else f"a {number.kind.value} number"
        detail = f"The number {number.masked} can't be screened: {why}."
        return blocked(self.number_rule, Reason.NUMBER_INVALID, detail)

    def not_covered(self, country: str | None, *, early: bool) -> Finding:
        """No rulebook for the country, or (`early`) none that reaches back so far."""
        why = "The rulebook does not reach back to this instant" if early else "No rulebook covers the number"
        detail = f"{why} (country {country or 'unknown'})."
        return blocked(self.jurisdiction_rule, Reason.NO_RULEBOOK, detail)


def framed(emergency: Rule, campaign: Rule, number: Rule, jurisdiction: Rule) -> Frame:
    """The frame over its four rules."""
    return Frame(
        emergency,
        campaign,
        number,
        jurisdiction,
        passed(emergency, "An emergency number passes before anything is asked."),
        passed(campaign, "The campaign is known."),
        passed(number, "The number is valid."),
        passed(jurisdiction, "A rulebook covers the number."),
    )
