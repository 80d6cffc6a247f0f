"""The law as dated data and pure functions: (Call, Campaign, Facts) → Decision.

`load` reads the rulebooks once; what it gives decides calls without I/O and without a clock:

    rulebooks = load(site_file)
    jurisdiction = rulebooks.jurisdiction_of(number, contact, campaign)
    registers = rulebooks.registers(jurisdiction, at)          # what the index must be asked
    window = rulebooks.attempt_window(jurisdiction, at, campaign)  # how far back attempts are needed
    decision = rulebooks.evaluate(call, campaign, facts)
"""

from vaglio.rules.rulebooks import Rulebooks, load

__all__ = ["Rulebooks", "load"]
