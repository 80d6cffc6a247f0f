"""The legal basis: what must hold for a call to be lawful at all."""

from collections.abc import Callable
from enum import StrEnum

from pydantic import BaseModel

from vaglio.model import Finding, Reason
from vaglio.rules.families.consent import Weighed
from vaglio.rules.findings import blocked, exempt, passed
from vaglio.rules.grounds import ALL, CONSENT, LISTED, bits, named
from vaglio.rules.question import Question
from vaglio.rules.rule import STRICT, Rule

Found = Callable[[Question, int, Weighed], tuple[Finding, int]]
"""The finding, and the grounds that satisfy the rule (none where it blocks)."""


class Regime(StrEnum):
    """Whether a call needs a yes or only the absence of a no."""

    OPT_IN = "opt-in"
    """A valid consent, or what the rule names in `unless`."""
    LISTED_OPT_OUT = "listed-opt-out"
    """As opt-in; a number known to stand in a public directory needs no more than the registers."""
    OPT_OUT = "opt-out"
    """No more than the registers."""


class BasisParams(BaseModel):
    """The regime of the calls that the rule is asked of."""

    model_config = STRICT

    regime: Regime


def basis_found(rule: Rule, params: BasisParams) -> Found:
    """Whether one of the grounds that hold satisfies the regime."""
    waived = bits(rule.unless)
    mask = waived | CONSENT
    if params.regime is Regime.LISTED_OPT_OUT:
        mask |= LISTED
    if params.regime is Regime.OPT_OUT:
        mask = ALL & ~LISTED  # where nobody asks for a directory, standing in one is no ground
    free = passed(rule, "Calls are allowed where no register and no opposition stands against them.")
    listed = passed(rule, "The number is known to stand in a public directory.")
    consented = passed(rule, "A valid consent stands.")

    def find(_question: Question, held: int, weighed: Weighed) -> tuple[Finding, int]:
        if params.regime is Regime.OPT_OUT:
            return free, mask
        holding = held & mask
        if holding & waived:
            return exempt(rule, f"No consent is needed: {named(holding & waived)}."), mask
        if holding & CONSENT:
            return consented, mask
        if holding & LISTED:
            return listed, mask
        return blocked(rule, weighed.refusal, _told(params.regime, weighed)), 0

    return find


def _told(regime: Regime, weighed: Weighed) -> str:
    unlisted = regime is Regime.LISTED_OPT_OUT
    needed = "A number not known to be listed needs a consent" if unlisted else "The call needs a consent"
    why = "none is recorded"
    if weighed.reason is not None:
        why = "the latest one does not stand"
    elif weighed.refusal is Reason.PURPOSE_MISMATCH:
        why = "those recorded are for another purpose, channel or sector"
    return f"{needed}; {why}."
