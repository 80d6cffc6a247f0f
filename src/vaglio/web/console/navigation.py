"""The pages a person can go to, in order; shown where the role grants them."""

from dataclasses import dataclass
from typing import Final

from vaglio.web.access import Permission
from vaglio.web.access.caller import Caller


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the navigation; its name is the text `nav.<name>`."""

    name: str
    permission: Permission

    @property
    def path(self) -> str:
        """Where it leads; every page of the group lies below."""
        return f"/{self.name}"


ENTRIES: Final = (
    Entry("today", Permission.STATUS),
    Entry("decisions", Permission.DECISIONS_READ),
    Entry("number", Permission.CHECK),
    Entry("registers", Permission.REGISTERS_READ),
    Entry("campaigns", Permission.CAMPAIGNS_READ),
    Entry("rulebooks", Permission.RULES_READ),
    Entry("scrub", Permission.SCRUB),
    Entry("reports", Permission.REPORTS),
    Entry("checkpoints", Permission.PROOFS_READ),
)


def entries_for(caller: Caller) -> tuple[Entry, ...]:
    """What this caller may go to."""
    return tuple(entry for entry in ENTRIES if caller.may(entry.permission))


def first_path(caller: Caller) -> str:
    """Where somebody begins who has just come in."""
    found = entries_for(caller)
    return found[0].path if found else "/account"
