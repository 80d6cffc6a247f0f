"""How a command takes a number: `+…` or `00…`; bare digits only with `--region`, never guessed."""

from datetime import datetime
from typing import Annotated

import typer

from vaglio.errors import InputError
from vaglio.numbers import Number, Problem, parse_e164

NumberArgument = Annotated[str, typer.Argument(metavar="NUMBER", help="+… or 00…; bare digits need --region.")]
RegionOption = Annotated[
    str | None, typer.Option("--region", metavar="XX", help="Country in whose form bare digits are written.")
]


def read_number(text: str, region: str | None) -> Number:
    """The number a person typed.

    Raises:
        InputError: when it is none.
    """
    number = parse_e164(text, region=region)
    if number.e164 is None:
        bare = number.problem is Problem.COUNTRY_MISSING
        hint = "give --region XX for bare digits" if bare else "check its digits and its country code"
        raise InputError(f"NUMBER {number.masked}: {number.problem or 'not a subscriber number'}; {hint}")
    return number


def read_instant(option: str, text: str) -> datetime:
    """An ISO 8601 time with its zone.

    Raises:
        InputError: when it is none, or its zone is missing.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text!r}: expected a time such as 2026-11-23T10:00:00+01:00") from error
    if instant.tzinfo is None:
        raise InputError(f"{option} {text!r}: has no zone; add one, such as +01:00 or Z")
    return instant


def read_day(option: str, text: str) -> datetime:
    """A day (its first instant in UTC, the strict reading of a list's age), or a time with its zone.

    Raises:
        InputError: when it is neither.
    """
    if len(text) == len("2026-11-23"):
        text += "T00:00:00Z"
    return read_instant(option, text)
