"""What the doctor found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding weighs; all but a note make the exit status 1."""

    FAULT = "fault"
    """It is so: a call could go past the gate, or verdicts fail."""
    DOUBT = "doubt"
    """It cannot be told from here; somebody has to look."""
    NOTE = "note"
    """Worth knowing, or not tried."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend, to look at or to know."""

    check: str
    """Which question it answers: stable, for programs."""
    level: Level
    what: str
    remedy: str = ""
    context: str = ""
    """Where in the dialplan; empty for what is not there."""
    extension: str = ""
    priority: int = 0
    line: str = ""
    """The dialplan line to add before that priority, where one mends it."""
