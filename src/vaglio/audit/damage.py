"""What a verification finds."""

from dataclasses import dataclass, field
from enum import StrEnum


class DamageKind(StrEnum):
    """What is wrong, in a word."""

    EDITED = "edited"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"
    ROLLED_BACK = "rolled back"
    """The log ends before, or differs from, what a checkpoint signed."""
    WRONG_KEY = "wrong key"
    SIDE_TABLE = "side table"
    """A number's side row is missing without a purge or erasure, or is not what the entry committed to."""
    ATTEMPT = "attempt"
    """The attempts that frequency caps count are not those the entries tell of."""
    TILE = "tile"
    CHECKPOINT = "checkpoint"
    SCHEMA = "schema"
    """A table, index or trigger is not as it was made."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, order=True)
class Damage:
    """One thing that is wrong.

    Attributes:
        seq: the first entry concerned; 0 where it concerns the file as a whole.
        kind: what is wrong, in a word.
        detail: in a sentence; never a number in clear.
    """

    seq: int
    kind: DamageKind
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify_log` found.

    Attributes:
        entries: how many entries there are.
        sealed: how many of them are leaves of the tree.
        covered: how many the last good checkpoint signs; what follows could still be edited.
        checkpoints: how many were verified.
        numbers: how many side rows were opened and compared; 0 without the keys.
        removed: how many side rows are gone by purge or erasure.
        damages: in the order of the entries, empty when all is well; of a kind at most 100 in 65,536 entries.
    """

    entries: int
    sealed: int
    covered: int
    checkpoints: int
    numbers: int
    removed: int
    damages: tuple[Damage, ...] = field(default=())

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damages
