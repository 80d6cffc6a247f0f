"""No phone number in clear: what leaves the service as text keeps at most a number's last three digits.

Whatever could be a phone number is masked, inside a word too (`rec_39055….wav`, `SIP/t39055…-01`). What is left
alone are forms that are ours and hold no number: ISO 8601 dates and times, ULIDs, UUIDs, hexadecimal digests.
"""

import re

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
    | (?P<number> \+? \d (?: [\s().\-/_]{0,3} \d ){6,} )
    """,
    re.VERBOSE | re.ASCII,
)


def mask(number: str) -> str:
    """A number as people may see it: `…678`."""
    return f"…{number[-3:]}"


def redact(text: str) -> str:
    """The text with every run of seven digits or more, of any script, masked to its last three."""
    plain = text if text.isascii() else text.translate(_digits_of(text))
    return _KEPT_OR_NUMBER.sub(_masked, plain)


def _masked(found: re.Match[str]) -> str:
    if found["kept"]:
        return found["kept"]
    return mask("".join(character for character in found["number"] if character.isdecimal()))


def _digits_of(text: str) -> dict[int, str]:
    """Decimal digits of other scripts → ASCII, so that they are seen as digits."""
    return {ord(sign): str(int(sign)) for sign in set(text) if sign.isdecimal() and not sign.isascii()}
