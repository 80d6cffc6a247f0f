"""No phone number in clear: what leaves the service as text keeps at most a number's last three digits."""

import re

_NUMBER = re.compile(r"(?<![\w.:-])(?!\d{4}-\d\d-\d\d\b)\+?\d(?:[\s().-]{0,2}\d){6,}(?![\w:])")
"""Seven digits or more, as people write numbers: together or parted by up to two blanks, dots, dashes or brackets.

Not inside a longer word (a ULID, a hash), nor where a time of day follows (an ISO 8601 time).
"""


def mask(number: str) -> str:
    """A number as people may see it: `…678`."""
    return f"…{number[-3:]}"


def redact(text: str) -> str:
    """The text with everything in it that could be a phone number masked to its last three digits."""
    return _NUMBER.sub(lambda found: mask(found.group()), text)
