"""What an entry's body says of itself: what the log's columns, side rows and attempts repeat of it.

Reading no more of a body than that is what lets a verification pass over millions of them.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct, json

COLUMNS = ("id", "kind", "at", "campaign", "controller", "verdict", "reason", "ref")
"""The columns of `entry` after the body, in their order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Number(Struct, gc=False, frozen=True):
    """A body's `number`."""

    country: str | None = None
    commitment: str | None = None


class Said(Struct, gc=False, frozen=True):
    """A body, without what only its kind knows."""

    id: str
    kind: str
    at: Annotated[datetime, Meta(tz=True)]
    campaign: str | None = None
    controller: str | None = None
    verdict: str | None = None
    reason: str | None = None
    ref: str | None = None
    number: Number | None = None
    pbx: str | None = None
    uniqueid: str | None = None
    outcome: str | None = None


read = json.Decoder(Said).decode
"""A body's bytes → what it says.

Raises:
    MsgspecError, UnicodeDecodeError: it is no entry.
"""


def microseconds(said: Said) -> int:
    """When it says it was made, in microseconds since 1970."""
    return (said.at - _EPOCH) // _MICROSECOND
