"""Free text on its way into an entry: whatever could be a phone number is masked, for an entry is for ever.

Stricter than the redaction of the service's own log: a number inside a word (`rec_39055….wav`, `SIP/t39055…-01`)
is masked too. What is left alone are forms that are ours and hold no number: ISO 8601 dates and times, ULIDs,
UUIDs, hexadecimal digests.
"""

import re
from functools import lru_cache

MAX_TEXT = 500
"""Characters of a free text that an entry keeps."""

_KEPT_OR_NUMBER = re.compile(
    r"""
    (?P<kept>
        (?<![0-9A-Za-z])
        (?: (?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])
            (?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,6})?)?(?:Z|[+-][01]\d:?[0-5]\d)?)?
          | (?=[0-9]*[A-HJKMNP-TV-Z]) 0[0-9A-HJKMNP-TV-Z]{25}
          | [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}
          | (?=[0-9]*[a-f]) (?:[0-9a-f]{64}|[0-9a-f]{40})
        )
        (?![0-9A-Za-z])
    )
    | (?P<number> \d (?: [\s().\-/_]{0,3} \d ){6,} )
    """,
    re.VERBOSE | re.ASCII,
)
_UNIQUE_ID = re.compile(r"(?:[A-Za-z][A-Za-z0-9_-]{0,40}-)?\d{9,11}\.\d{1,10}", re.ASCII)
_REFERENCE = re.compile(r"entry:\d{1,12}|decision:[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)


def _masked(found: re.Match[str]) -> str:
    if found["kept"]:
        return found["kept"]
    digits = [character for character in found["number"] if character.isdecimal()]
    return "…" + "".join(digits[-3:])


@lru_cache(maxsize=4096)
def redacted(text: str) -> str:
    """The text, cut to `MAX_TEXT`, with every run of seven digits or more masked to its last three."""
    cut = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    if cut.isascii():
        return _KEPT_OR_NUMBER.sub(_masked, cut)
    return _KEPT_OR_NUMBER.sub(_masked, cut.translate(_digits_of(cut)))


def _digits_of(text: str) -> dict[int, str]:
    """Decimal digits of other scripts → ASCII, so that they are seen as digits."""
    return {ord(mark): str(int(mark)) for mark in set(text) if mark.isdecimal() and not mark.isascii()}


def redacted_unique_id(text: str) -> str:
    """Asterisk's channel unique id as it is; anything else in its place is redacted as free text."""
    return text if _UNIQUE_ID.fullmatch(text) else redacted(text)


def redacted_reference(text: str) -> str:
    """A finding's reference to an entry or a decision as it is; any other redacted as free text."""
    return text if _REFERENCE.fullmatch(text) else redacted(text)
