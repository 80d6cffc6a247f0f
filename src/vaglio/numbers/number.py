"""What is understood of a dialled string: a frozen `Number`, valid or not."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a number is in its country's numbering plan."""

    MOBILE = "mobile"
    FIXED = "fixed"
    FIXED_OR_MOBILE = "fixed-or-mobile"
    """The plan does not tell the two apart (+1, for one)."""
    TOLL_FREE = "toll-free"
    PREMIUM = "premium"
    SHARED_COST = "shared-cost"
    VOIP = "voip"
    PERSONAL = "personal"
    PAGER = "pager"
    UAN = "uan"
    """One number for a company's many lines (universal access number)."""
    VOICEMAIL = "voicemail"
    SHORT = "short"
    """A short number of the region dialled from; some cost money (Italian 1240). Never an emergency number."""
    EMERGENCY = "emergency"
    INVALID = "invalid"


class Problem(StrEnum):
    """Why a text is no number that can be called."""

    EMPTY = "empty"
    TEXT_TOO_LONG = "text-too-long"
    """More characters than `MAX_TEXT`."""
    CHARACTER = "character"
    """Something other than ASCII digits, one leading plus, and space, dash, dot or parentheses between them."""
    REGION_UNKNOWN = "region-unknown"
    """The region to read national numbers in is none that the metadata knows."""
    COUNTRY_MISSING = "country-missing"
    """Neither `+` nor `00` in front, and no region given to read it in."""
    COUNTRY_CODE_UNKNOWN = "country-code-unknown"
    """No country has the calling code."""
    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    NOT_ASSIGNED = "not-assigned"
    """A possible length, but outside the ranges of the country's numbering plan."""
    AMBIGUOUS = "ambiguous"
    """With and without the trunk prefix a valid number, not the same one: the dialplan has to pass it without."""


@dataclass(frozen=True, slots=True)
class Number:
    """A dialled string as understood.

    Attributes:
        e164: with its plus; None for emergency, short and invalid numbers.
        country: the region's two letters as libphonenumber gives them: GG, RE and VA are regions of their own
            beside GB, FR and IT. For short and emergency numbers the region dialled from. None where no country
            holds the number (+800, +883 and the like), and for invalid ones.
        calling_code: of the country, without plus; None for invalid numbers.
        zones: the IANA zones the number may lie in, sorted: the narrowest set known. All of the country's for
            mobile, toll-free and other numbers that tell no place. Empty only where country is None.
        kind: what the number is.
        digits: what was dialled, without separators, plus and trunk prefix. Of an unreadable text, the ASCII
            digits among its last 32 characters.
        problem: why kind is invalid; None for every other kind.
    """

    e164: str | None
    country: str | None
    calling_code: int | None
    zones: tuple[str, ...]
    kind: Kind
    digits: str
    problem: Problem | None = None

    @property
    def key(self) -> int:
        """The E.164 number as an integer of at most 15 digits, as the index keys it.

        Raises ValueError for a number without E.164.
        """
        if self.e164 is None:
            raise ValueError(f"a number of kind {self.kind} has no E.164 form")
        return int(self.e164)

    @property
    def last3(self) -> str:
        """The last three digits (fewer if there are no more): all that logs and messages may show."""
        return (self.e164 or self.digits)[-3:]

    @property
    def masked(self) -> str:
        """The number as people may see it in logs and messages: `…678`."""
        return f"…{self.last3}"
