"""Many facts at once: NDJSON, one object a line, held to the same as a row of a file.

The body is first taken in whole, into an unnamed temporary file, then loaded in short chunks: who goes away
halfway has changed nothing, and no writer waits for the sender.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, BinaryIO, Final

import orjson
from fastapi import Depends, Request, Response
from pydantic import Field
from starlette.requests import ClientDisconnect

from vaglio.index.facts import FILES
from vaglio.index.imports import load_rows
from vaglio.index.records import FactKind, Row
from vaglio.index.rows import Lines, Reject
from vaglio.index.store import Counts
from vaglio.recording import IMPORTS
from vaglio.web.access.caller import Caller
from vaglio.web.api.fields import ULID, Told
from vaglio.web.api.idempotency import Writing
from vaglio.web.problems import ProblemError

MEDIA_TYPE: Final = "application/x-ndjson"
MOST_ROWS: Final = 250_000
MOST_REJECTS: Final = 1_000
"""Told one by one; all are counted."""
_AT_ONCE: Final = 4
"""Loads under way; beyond, the answer is 429."""
_LONGEST: Final = 600.0
"""Seconds that a body may take to come."""


class Rejected(Told):
    """Why a line was not loaded; never what stood in it."""

    line: int
    field: str
    reason: str


class Loaded(Told):
    """What became of the lines: read = new + corrected + unchanged + rejected."""

    entry: str = Field(pattern=ULID, description="Id of the entry of the log that announced it.")
    sha256: str = Field(description="Of the body, as the log tells it.")
    read: int
    new: int
    corrected: int
    unchanged: int
    rejected: int
    rejects: list[Rejected] = Field(description=f"The first {MOST_REJECTS}.", max_length=MOST_REJECTS)
    unknown_controllers: list[str] = Field(
        description="Named but not (yet) a principal here; their facts are kept and bind nothing. At most twenty."
    )


@dataclass(slots=True)
class _Refused:
    """The lines that are not loaded."""

    count: int = 0
    told: list[Rejected] = field(default_factory=list)

    def add(self, line: int, reject: Reject) -> None:
        self.count += 1
        if len(self.told) < MOST_REJECTS:
            self.told.append(Rejected(line=line, field=reject.column, reason=reject.reason))


def documented(example: Mapping[str, object]) -> dict[str, Any]:
    """The `openapi_extra` of a route that takes lines like this one."""
    line = orjson.dumps(example).decode()
    schema = {"type": "string", "description": "One JSON object a line.", "maxLength": 64_000_000}
    return {"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": schema, "example": f"{line}\n"}}}}


async def _is_ndjson(request: Request) -> None:
    told = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if told != MEDIA_TYPE:
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-type: expected {MEDIA_TYPE}")


IsNdjson = Annotated[None, Depends(_is_ndjson)]


async def load(writing: Writing, kind: FactKind) -> Response:
    """Take in the body and load its lines.

    Raises:
        ProblemError: 408, 413 when the body stops coming or is too large, 422 when it has too many lines or none,
            429 when too many are being loaded.
    """
    async with _spooled(writing) as (body, sha256):

        async def work(_: datetime) -> Loaded:
            return await _load(writing, kind, body, sha256)

        return await writing.once(HTTPStatus.OK, work, content=sha256.encode())


@asynccontextmanager
async def _spooled(writing: Writing) -> AsyncIterator[tuple[BinaryIO, str]]:
    """The whole body as a file, and its SHA-256."""
    if writing.rooms.loads_under_way >= _AT_ONCE:
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS, "other loads are under way; send it again", headers={"retry-after": "5"}
        )
    writing.rooms.loads_under_way += 1
    try:
        with tempfile.TemporaryFile() as body:
            yield body, await _received(writing.request, body)
    finally:
        writing.rooms.loads_under_way -= 1


async def _received(request: Request, body: BinaryIO) -> str:
    digest = hashlib.sha256()
    lines = 0
    try:
        async with asyncio.timeout(_LONGEST):
            async for part in request.stream():
                digest.update(part)
                lines += part.count(b"\n")
                if lines > MOST_ROWS:
                    raise ProblemError(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_ROWS} lines; send it in parts"
                    )
                await asyncio.to_thread(body.write, part)
    except (TimeoutError, ClientDisconnect):
        raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, f"not whole after {_LONGEST:g} s; send it again") from None
    return digest.hexdigest()


async def _load(writing: Writing, kind: FactKind, body: BinaryIO, sha256: str) -> Loaded:
    rooms, caller = writing.rooms, writing.caller
    refused = _Refused()
    body.seek(0)
    announced, (counts, unknown) = await rooms.changes.make(
        IMPORTS[kind],
        {**caller.origin, "controller": caller.controller, "sha256": sha256},
        lambda entry: load_rows(rooms.store, kind, _rows(kind, body, caller, refused), entry=entry),
        result=lambda done: _counted(done[0], refused),
    )
    return Loaded(
        entry=announced.id,
        sha256=sha256,
        **_counted(counts, refused),
        rejects=refused.told,
        unknown_controllers=sorted(unknown)[:20],
    )


def _counted(counts: Counts, refused: _Refused) -> dict[str, int]:
    return {
        "read": counts.new + counts.corrected + counts.unchanged + refused.count,
        "new": counts.new,
        "corrected": counts.corrected,
        "unchanged": counts.unchanged,
        "rejected": refused.count,
    }


def _rows(kind: FactKind, body: BinaryIO, caller: Caller, refused: _Refused) -> Iterator[Row]:
    for place, line in Lines(body):
        try:
            if isinstance(line, Reject):
                raise line
            yield _row(kind, line, caller)
        except Reject as reject:
            refused.add(place, reject)


def _row(kind: FactKind, line: bytes, caller: Caller) -> Row:
    columns = FILES[kind].columns
    known = (*columns.required, *columns.optional)
    try:
        read = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise Reject("line", "not JSON in UTF-8") from None
    if not isinstance(read, dict):
        raise Reject("line", "expected a JSON object")
    if not read.keys() <= set(known):
        raise Reject("line", f"unknown field; known are {', '.join(known)}")
    values = {name: _value(name, read.get(name)) for name in known}
    if not caller.owns(values["controller"]):
        raise Reject("controller", f"expected {caller.controller}, the only one that this key may change")
    return FILES[kind].record(values, None).row()


def _value(name: str, value: object) -> str:
    """A field as a column of a file would hold it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value.strip()
        case _:
            raise Reject(name, "expected a text")
