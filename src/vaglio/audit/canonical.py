r"""The bytes of an entry: canonical JSON, so that another program rebuilds every leaf.

RFC 8785 (JCS) restricted to what needs no judgement: objects with ASCII keys, arrays, strings, booleans, null and
integers of at most 53 bits; no floating-point number. Under these bounds the RFC's form is keys sorted by code
point, no blanks, UTF-8, and only `"`, `\` and control characters escaped.
"""

import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import orjson

from vaglio.errors import InputError

MAX_BODY = 65535
"""Bytes an entry may have: what the entry bundles of tlog-tiles can hold."""

_FORM = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]
_SHIFTS = range(120, -1, -10)


def canonical(body: Mapping[str, object]) -> bytes:
    """The canonical bytes of a body.

    Raises:
        InputError: when a value has no canonical form or the whole exceeds `MAX_BODY`.
    """
    try:
        made = orjson.dumps(body, option=_FORM)
    except orjson.JSONEncodeError as error:
        raise InputError(f"log entry of kind {body.get('kind')}: no canonical form ({error})") from error
    if len(made) > MAX_BODY:
        raise InputError(f"log entry of kind {body.get('kind')}: {len(made)} bytes, at most {MAX_BODY} are taken")
    return made


def leaf_hash(body: bytes) -> bytes:
    """RFC 6962 section 2.1: the hash of one leaf."""
    return hashlib.sha256(b"\0" + body).digest()


def microseconds(at: datetime) -> int:
    """Whole microseconds since 1970 of an aware time."""
    return (at - _EPOCH) // _MICROSECOND


def time_of(at: int) -> datetime:
    """The UTC time of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at)


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with six digits and `Z`: the one form of a time in an entry."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def new_id(at: int) -> str:
    """A ULID: 48 bits of milliseconds since 1970, 80 random bits, in Crockford's base 32."""
    value = (at // 1000) << 80 | int.from_bytes(os.urandom(10))
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])
