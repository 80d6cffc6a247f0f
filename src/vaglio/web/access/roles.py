"""The roles, and the one table of what each may do."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Role(StrEnum):
    """What an account is for."""

    OPS = "ops"
    """Keeps the service running: figures, registers, checkpoints; no person's data."""
    CAMPAIGN_MANAGER = "campaign-manager"
    """Plans calls: campaigns, checks, scrubs, reports."""
    DATA_ENTRY = "data-entry"
    """A CRM or a clerk: brings facts, and may ask whether a number may be called."""
    AUDITOR = "auditor"
    """Sees everything but numbers in clear; changes nothing."""
    PRINCIPAL_AUDITOR = "principal-auditor"
    """The same for one controller: nothing of another's is there."""
    DATA_PROTECTION_OFFICER = "data-protection-officer"
    """The auditor who alone may unseal a number, and answers the person behind it."""


class Permission(StrEnum):
    """One thing that may be done."""

    STATUS = "status"
    """Figures of the day, health, metrics."""
    CHECK = "check"
    """Ask what would be decided for a number."""
    FACTS_READ = "facts-read"
    """See what is held about a number: consents, oppositions, relationships, contacts."""
    FACTS_WRITE = "facts-write"
    """Record, withdraw, lift."""
    REGISTERS_READ = "registers-read"
    CAMPAIGNS_READ = "campaigns-read"
    CAMPAIGNS_WRITE = "campaigns-write"
    RULES_READ = "rules-read"
    DECISIONS_READ = "decisions-read"
    """Search and read the log, numbers masked."""
    NUMBER_SEARCH = "number-search"
    """Find a person's entries by the number; each search is an entry."""
    PROOFS_READ = "proofs-read"
    """Checkpoints, proofs, the last verification."""
    EXPORT = "export"
    """Take a bundle of the log away; an entry."""
    REPORTS = "reports"
    SCRUB = "scrub"
    SUBJECT_REPORT = "subject-report"
    """All that is held about a person, to be handed to that person; an entry."""
    UNSEAL = "unseal"
    """See the number behind an entry in clear; an entry."""


_SEEING: Final = frozenset(
    {
        Permission.STATUS,
        Permission.REGISTERS_READ,
        Permission.CAMPAIGNS_READ,
        Permission.RULES_READ,
        Permission.DECISIONS_READ,
        Permission.PROOFS_READ,
    }
)
_AUDITING: Final = _SEEING | {
    Permission.CHECK,
    Permission.FACTS_READ,
    Permission.NUMBER_SEARCH,
    Permission.EXPORT,
    Permission.REPORTS,
}

GRANTS: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        Role.OPS: _SEEING | {Permission.CHECK},
        Role.CAMPAIGN_MANAGER: _SEEING
        | {Permission.CHECK, Permission.CAMPAIGNS_WRITE, Permission.REPORTS, Permission.SCRUB},
        Role.DATA_ENTRY: frozenset(
            {
                Permission.CHECK,
                Permission.FACTS_READ,
                Permission.FACTS_WRITE,
                Permission.REGISTERS_READ,
                Permission.CAMPAIGNS_READ,
            }
        ),
        Role.AUDITOR: _AUDITING,
        Role.PRINCIPAL_AUDITOR: _AUDITING,
        Role.DATA_PROTECTION_OFFICER: _AUDITING
        | {Permission.FACTS_WRITE, Permission.SUBJECT_REPORT, Permission.UNSEAL},
    }
)
"""Role → what it may do. Making accounts is done at the shell alone (`vaglio account`, `vaglio api-key`)."""
