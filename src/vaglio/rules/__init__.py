"""The law as dated data and pure functions: (Call, Campaign, Facts) → Decision.

`load` reads the rulebooks once; what it gives decides calls without I/O and without a clock:

    rulebooks = load(site_file)
    jurisdiction = rulebooks.jurisdiction_of(number, contact, campaign)
    registers = rulebooks.registers(jurisdiction, at)          # what the index must be asked
    window = rulebooks.attempt_window(jurisdiction, at, campaign)  # how far back attempts are needed
    decision = rulebooks.evaluate(call, campaign, facts)

`load(site_file, rulebook_file=FILE)` is the law that a replay tries out; `listed`, `shown` and `differences` tell
what is in force at a date and what changed; `reason_text` says a reason to people.
"""

from vaglio.rules.compare import Difference, Listed, Sort, differences, listed, shown
from vaglio.rules.rule import Confidence, Family, Rule
from vaglio.rules.rulebook import Rulebook
from vaglio.rules.rulebooks import Rulebooks, load
from vaglio.rules.site import Override
from vaglio.rules.texts import LANGUAGES, reason_text

__all__ = [
    "LANGUAGES",
    "Confidence",
    "Difference",
    "Family",
    "Listed",
    "Override",
    "Rule",
    "Rulebook",
    "Rulebooks",
    "Sort",
    "differences",
    "listed",
    "load",
    "reason_text",
    "shown",
]
