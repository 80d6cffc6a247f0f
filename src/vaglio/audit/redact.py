"""Free text on its way into an entry, bounded and redacted, for an entry is for ever; and our own forms kept."""

import re
from functools import lru_cache

from vaglio.redaction import redact

MAX_TEXT = 500
"""Characters of a free text that an entry keeps."""

_UNIQUE_ID = re.compile(r"(?:[A-Za-z][A-Za-z0-9_-]{0,40}-)?\d{9,11}\.\d{1,10}", re.ASCII)
_REFERENCE = re.compile(r"entry:\d{1,12}|decision:[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)


@lru_cache(maxsize=4096)
def redacted(text: str) -> str:
    """The text, cut to `MAX_TEXT`, with every run of seven digits or more masked to its last three."""
    cut = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    return redact(cut)


def redacted_unique_id(text: str) -> str:
    """Asterisk's channel unique id as it is; anything else in its place is redacted as free text."""
    return text if _UNIQUE_ID.fullmatch(text) else redacted(text)


def redacted_reference(text: str) -> str:
    """A finding's reference to an entry or a decision as it is; any other redacted as free text."""
    return text if _REFERENCE.fullmatch(text) else redacted(text)
