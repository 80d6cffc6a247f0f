"""The fields that requests share: bounded, described, refused without being quoted."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from vaglio.errors import InputError
from vaglio.index.facts import IDENTIFIER, MAX_TEXT, WORD
from vaglio.index.instants import parse_instant
from vaglio.numbers import Number, Problem, parse_e164

ULID: Final = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"


class Asked(BaseModel):
    """A body of a request: nothing in it is ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """A body of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _instant(value: Any) -> datetime:  # noqa: ANN401 - whatever JSON held
    if not isinstance(value, str):
        raise ValueError("expected a text: a time of ISO 8601")  # noqa: TRY004 - pydantic takes this for a refusal
    return parse_instant(value)


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "maxLength": 40,
            "description": "ISO 8601 with zone, from 1900 to 2199.",
            "examples": ["2026-03-01T09:30:00+01:00"],
        }
    ),
]
"""A time with its zone, in UTC once read."""

Dialled = Annotated[
    str, Field(max_length=64, description="As the dialplan would pass it.", examples=["+393331234567"])
]
E164 = Annotated[
    str,
    Field(
        min_length=1,
        max_length=32,
        description="`+…` or `00…`, never guessed.",
        examples=["+393331234567"],
        json_schema_extra={"format": "e164"},
    ),
]
ControllerId = Annotated[str, Field(pattern=f"^{IDENTIFIER}$", description="The principal.", examples=["aurora"])]
ControllerOrAny = Annotated[
    str,
    Field(
        pattern=f"^({IDENTIFIER}|\\*)$",
        description="The principal; `*` is every principal served here.",
        examples=["aurora"],
    ),
]
PurposeWord = Annotated[str, Field(pattern=f"^{WORD}$", examples=["marketing"])]
PurposeOrAny = Annotated[
    str, Field(pattern=f"^({WORD}|\\*)$", description="One purpose; `*` is all.", examples=["marketing"])
]
SectorWord = Annotated[str, Field(pattern=f"^{WORD}$", examples=["telecom"])]
Text = Annotated[str, Field(max_length=MAX_TEXT, description="Printable.")]
EvidenceUri = Annotated[
    str,
    Field(
        max_length=MAX_TEXT, description="Where the proof is kept.", examples=["https://crm.example/proof/4711"]
    ),
]


class Page(Told):
    """How a list goes on."""

    next: str | None = Field(description="`cursor` of the next page; null when there is none.")


def number_of(text: str) -> Number:
    """The number a request gives, which is never shown again.

    Raises:
        InputError: when it is none.
    """
    number = parse_e164(text)
    if number.e164 is None:
        bare = number.problem is Problem.COUNTRY_MISSING
        hint = "write it as +… or 00…" if bare else "check its digits and its country code"
        raise InputError(f"number: {number.problem or 'not a subscriber number'}; {hint}")
    return number
