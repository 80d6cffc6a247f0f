"""The files of facts: what one row of each kind must be, and the record it makes.

The strict reading, one row at a time; a fast path may accept a row without it only where this would accept it too.
"""

import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeVar

from vaglio.index.instants import parse_instant
from vaglio.index.records import (
    ConsentRecord,
    ContactRecord,
    FactKind,
    OppositionRecord,
    Record,
    RelationshipRecord,
    WithdrawalRecord,
)
from vaglio.index.rows import Columns, Reject
from vaglio.model import ANY, ConsentChannel, RelationshipKind, SubjectType
from vaglio.numbers import Problem, parse_e164

IDENTIFIER: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
WORD: Final = r"[a-z0-9][a-z0-9_-]{0,63}"
MAX_TEXT: Final = 500
"""Characters of a free text such as a URI."""

_Word = TypeVar("_Word", ConsentChannel, RelationshipKind, SubjectType)

_IDENTIFIER: Final = re.compile(IDENTIFIER)
_WORD: Final = re.compile(WORD)
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_REGION: Final = re.compile(r"[A-Z]{2}")
_SUBDIVISION: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
_PROBLEMS: Final[Mapping[Problem, str]] = MappingProxyType(
    {
        Problem.EMPTY: "missing",
        Problem.TEXT_TOO_LONG: "too long for a number",
        Problem.CHARACTER: "expected digits after + or 00",
        Problem.REGION_UNKNOWN: "the region given to read it in is unknown",
        Problem.COUNTRY_MISSING: "bare digits: write it as +… or 00…, or give the region they are of",
        Problem.COUNTRY_CODE_UNKNOWN: "no country has this calling code",
        Problem.TOO_SHORT: "too short for its country",
        Problem.TOO_LONG: "too long for its country",
        Problem.NOT_ASSIGNED: "not in the numbering plan of its country",
    }
)


@dataclass(frozen=True, slots=True)
class FactFile:
    """A kind of file: its columns, and how a row becomes a record."""

    kind: FactKind
    columns: Columns
    record: Callable[[Mapping[str, str], str | None], Record]
    """Raises Reject; takes the row by column and the region to read bare digits in."""


def _opposition(row: Mapping[str, str], region: str | None) -> OppositionRecord:
    return OppositionRecord(
        number=number(row, region),
        controller=_identifier(row, "controller", any_allowed=True),
        purpose=_word(row, "purpose", any_allowed=True),
        opposed_at=_instant(row, "opposed_at"),
        channel=_text(row, "channel"),
        evidence_uri=_text(row, "evidence_uri"),
    )


def _consent(row: Mapping[str, str], region: str | None) -> ConsentRecord:
    given_at = _instant(row, "given_at")
    expires_at = _later(row, "expires_at", given_at, "given_at")
    sha256 = row.get("evidence_sha256", "")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise Reject("evidence_sha256", "expected 64 hexadecimal digits")
    method = _text(row, "method")
    if method is None:
        raise Reject("method", "missing")
    return ConsentRecord(
        number=number(row, region),
        controller=_identifier(row, "controller"),
        purpose=_word(row, "purpose"),
        given_at=given_at,
        method=method,
        channel=_choice(row, "channel", ConsentChannel, ConsentChannel.HUMAN),
        sector=_word(row, "sector") if row.get("sector") else None,
        expires_at=expires_at,
        evidence_uri=_text(row, "evidence_uri"),
        evidence_sha256=sha256.lower() or None,
        notice_id=_text(row, "notice_id"),
        collected_by=_text(row, "collected_by"),
    )


def _withdrawal(row: Mapping[str, str], region: str | None) -> WithdrawalRecord:
    return WithdrawalRecord(
        number=number(row, region),
        controller=_identifier(row, "controller"),
        purpose=_word(row, "purpose", any_allowed=True),
        withdrawn_at=_instant(row, "withdrawn_at"),
        channel=_text(row, "channel"),
        evidence_uri=_text(row, "evidence_uri"),
    )


def _relationship(row: Mapping[str, str], region: str | None) -> RelationshipRecord:
    started_at = _instant(row, "started_at")
    return RelationshipRecord(
        number=number(row, region),
        controller=_identifier(row, "controller"),
        kind=_choice(row, "kind", RelationshipKind, None),
        started_at=started_at,
        ended_at=_later(row, "ended_at", started_at, "started_at"),
        sector=_word(row, "sector") if row.get("sector") else None,
        simplified_revocation=_yes_or_no(row, "simplified_revocation", {"": False}) is True,
    )


def _contact(row: Mapping[str, str], region: str | None) -> ContactRecord:
    subject = row.get("subject_type", "")
    return ContactRecord(
        number=number(row, region),
        controller=_identifier(row, "controller"),
        directory_listed=_yes_or_no(row, "directory_listed", {"": None, "unknown": None}),
        region=_matching(row, "region", _REGION, "expected two letters of ISO 3166 such as IT"),
        subdivision=_matching(row, "subdivision", _SUBDIVISION, "expected a code of ISO 3166-2 such as US-FL"),
        timezone=_timezone(row),
        subject_type=None if subject in {"", "unknown"} else _choice(row, "subject_type", SubjectType, None),
    )


FILES: Final[Mapping[FactKind, FactFile]] = MappingProxyType(
    {
        FactKind.OPPOSITION: FactFile(
            FactKind.OPPOSITION,
            Columns(("number", "controller", "purpose", "opposed_at"), ("channel", "evidence_uri")),
            _opposition,
        ),
        FactKind.CONSENT: FactFile(
            FactKind.CONSENT,
            Columns(
                ("number", "controller", "purpose", "given_at", "method"),
                (
                    "expires_at",
                    "channel",
                    "sector",
                    "evidence_uri",
                    "evidence_sha256",
                    "notice_id",
                    "collected_by",
                ),
            ),
            _consent,
        ),
        FactKind.WITHDRAWAL: FactFile(
            FactKind.WITHDRAWAL,
            Columns(("number", "controller", "purpose", "withdrawn_at"), ("channel", "evidence_uri")),
            _withdrawal,
        ),
        FactKind.RELATIONSHIP: FactFile(
            FactKind.RELATIONSHIP,
            Columns(
                ("number", "controller", "kind", "started_at"), ("ended_at", "sector", "simplified_revocation")
            ),
            _relationship,
        ),
        FactKind.CONTACT: FactFile(
            FactKind.CONTACT,
            Columns(
                ("number", "controller"),
                ("directory_listed", "region", "subdivision", "timezone", "subject_type"),
            ),
            _contact,
        ),
    }
)
"""What each kind of file holds (architecture of the files: docs/registers.md)."""


def number(row: Mapping[str, str], region: str | None) -> int:
    """The E.164 integer of the column `number`.

    Raises Reject with what is wrong, never with the number.
    """
    parsed = parse_e164(row["number"], region=region)
    if parsed.e164 is None:
        problem = parsed.problem
        raise Reject(
            "number", _PROBLEMS.get(problem, str(problem)) if problem else "a short number, not one of E.164"
        )
    return parsed.key


def _identifier(row: Mapping[str, str], column: str, *, any_allowed: bool = False) -> str:
    value = row[column]
    if (any_allowed and value == ANY) or _IDENTIFIER.fullmatch(value):
        return value
    raise Reject(column, "missing" if not value else "expected an id of letters, digits, _ . and -, at most 64")


def _word(row: Mapping[str, str], column: str, *, any_allowed: bool = False) -> str:
    value = row[column]
    if (any_allowed and value == ANY) or _WORD.fullmatch(value):
        return value
    raise Reject(column, "missing" if not value else "expected lower-case letters, digits, _ and -, at most 64")


def _text(row: Mapping[str, str], column: str) -> str | None:
    value = row.get(column, "")
    if len(value) > MAX_TEXT:
        raise Reject(column, f"longer than {MAX_TEXT} characters")
    if not value.isprintable():
        raise Reject(column, "holds control characters")
    return value or None


def _instant(row: Mapping[str, str], column: str) -> datetime:
    if not row[column]:
        raise Reject(column, "missing")
    try:
        return parse_instant(row[column])
    except ValueError as error:
        raise Reject(column, str(error)) from None


def _later(row: Mapping[str, str], column: str, start: datetime, start_column: str) -> datetime | None:
    if not row.get(column):
        return None
    instant = _instant(row, column)
    if instant < start:
        raise Reject(column, f"before {start_column}")
    return instant


def _choice(row: Mapping[str, str], column: str, words: type[_Word], default: _Word | None) -> _Word:
    value = row.get(column, "")
    if not value and default is not None:
        return default
    try:
        return words(value)
    except ValueError:
        known = ", ".join(str(word) for word in words)
        raise Reject(column, f"expected one of {known}") from None


def _yes_or_no(row: Mapping[str, str], column: str, empty: Mapping[str, bool | None]) -> bool | None:
    value = row.get(column, "").lower()
    known: dict[str, bool | None] = {"yes": True, "true": True, "no": False, "false": False, **empty}
    if value not in known:
        raise Reject(column, f"expected yes or no{' or unknown' if 'unknown' in empty else ''}")
    return known[value]


def _matching(row: Mapping[str, str], column: str, pattern: re.Pattern[str], expected: str) -> str | None:
    value = row.get(column, "").upper()
    if not value:
        return None
    if not pattern.fullmatch(value):
        raise Reject(column, expected)
    return value


def _timezone(row: Mapping[str, str]) -> str | None:
    value = row.get("timezone", "")
    if not value:
        return None
    if value not in known_zones():
        raise Reject("timezone", "expected a name of the time-zone database such as Europe/Rome")
    return value


@lru_cache(maxsize=1)
def known_zones() -> frozenset[str]:
    """The names of the time-zone database."""
    return frozenset(zoneinfo.available_timezones())
