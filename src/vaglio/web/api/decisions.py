"""`/v1/decisions`: found, explained, proven, and (by one role) unsealed."""

import asyncio
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response
from pydantic import Field

from vaglio.audit import EntryKind, Record
from vaglio.audit.proof import prove
from vaglio.audit.search import Wanted, search, search_number
from vaglio.errors import NotFoundError
from vaglio.index.facts import IDENTIFIER
from vaglio.model import CallOutcome, FindingOutcome, Reason, Verdict
from vaglio.reports.explanation import recorded
from vaglio.web.access.caller import Caller
from vaglio.web.access.roles import Permission
from vaglio.web.api import fields
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import E164, ULID, Asked, Instant, Told, number_of
from vaglio.web.callers import InRooms, allowed
from vaglio.web.problems import ProblemError
from vaglio.web.rooms import Rooms

router = APIRouter(prefix="/decisions", tags=["decisions"])

PROOF: Final = "application/vnd.vaglio.tlog-proof"
MOST: Final = 200

Id = Annotated[str, Path(pattern=ULID, description="The decision id of the channel, the CDR, the trunk's INVITE.")]
MaySee = Annotated[Caller, allowed(Permission.DECISIONS_READ)]


class Search(
    Asked,
    json_schema_extra={
        "examples": [{"campaign": "renewals", "verdict": "block", "since": "2026-03-01T00:00:00+01:00"}]
    },
):
    """What is looked for; what is left out does not matter."""

    number: E164 | None = Field(default=None, description="Needs a role that may; the search is itself an entry.")
    since: Instant | None = None
    until: Instant | None = Field(default=None, description="Not included.")
    campaign: Annotated[str, Field(pattern=f"^{IDENTIFIER}$")] | None = None
    controller: Annotated[str, Field(pattern=f"^{IDENTIFIER}$")] | None = None
    verdict: Verdict | None = None
    reason: Reason | None = None
    uniqueid: (
        Annotated[
            str,
            Field(
                max_length=150,
                description="Asterisk's unique id of the call's channel.",
                examples=["1772355000.7"],
            ),
        ]
        | None
    ) = None
    limit: int = Field(default=50, ge=1, le=MOST)
    cursor: Annotated[str, Field(pattern="^[1-9][0-9]{0,17}$")] | None = Field(
        default=None, description="`next` of the page before."
    )


class About(Told):
    """A called number, as the log shows it."""

    country: str | None
    kind: str
    last3: str


class DecisionFound(Told):
    """A decision in brief."""

    id: str = Field(pattern=ULID)
    seq: int = Field(description="Its place in the log.")
    at: datetime
    number: About
    campaign: str | None
    controller: str | None
    verdict: Verdict
    reason: Reason
    would_be: Reason | None
    pbx: str
    uniqueid: str


class Found(fields.Page):
    """A page of decisions, newest first; it may be short, or empty, and yet have a next one."""

    decisions: list[DecisionFound]


class FindingShown(Told):
    """What one rule said of the call."""

    rule: str
    outcome: FindingOutcome
    reason: Reason | None
    detail: str
    citation: str | None = Field(description="Null when the rulebook of then is no longer loaded.")
    evidence: str | None


class DecisionShown(DecisionFound):
    """A decision as recorded, explained."""

    caller_id: str | None = Field(description="The campaign's own in clear; any other by its last three digits.")
    jurisdiction: str | None
    local_times: dict[str, str]
    rulebook: str | None
    generation: int
    findings: list[FindingShown]
    facts: dict[str, Any] = Field(description="What it rested on, by the entries that announced it.")
    timings: dict[str, int] = Field(description="Microseconds.")
    delivered_after_us: int | None = Field(description="Null: Asterisk never confirmed that it took the verdict.")
    outcome: CallOutcome | None
    followed_by: list[dict[str, Any]] = Field(description="The entries that speak of it.")


class Unsealed(Told):
    """The number behind a decision."""

    id: str = Field(pattern=ULID)
    number: str = Field(examples=["+393331234567"])


@router.post(
    "/search",
    operation_id="searchDecisions",
    summary="Find decisions",
    responses=problems(body=True),
)
async def find(rooms: InRooms, caller: MaySee, asked: Search) -> Found:
    """By time, campaign, controller, verdict, reason, call or number, page by page, newest first.

    A page costs a bounded read: go on while `next` is there. With a number the search is itself an entry, first.
    """
    if asked.number is not None and not caller.may(Permission.NUMBER_SEARCH):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            f"the role {caller.account.role} of this key does not grant {Permission.NUMBER_SEARCH}",
        )
    if caller.controller is not None and asked.controller not in {None, caller.controller}:
        return Found(decisions=[], next=None)
    wanted = Wanted(
        since=asked.since,
        until=asked.until,
        campaign=asked.campaign,
        controller=caller.controller or asked.controller,
        verdict=asked.verdict,
        reason=asked.reason,
        uniqueid=asked.uniqueid,
    )
    cursor = None if asked.cursor is None else int(asked.cursor)
    log = rooms.site.log_file
    if asked.number is None:
        page = await asyncio.to_thread(search, log, wanted, asked.limit, cursor)
    else:
        number = number_of(asked.number)
        await rooms.note_access(caller, "search", number=number)
        token = rooms.keys.token(str(number.e164))
        page = await asyncio.to_thread(search_number, log, token, asked.limit, cursor, wanted=wanted)
    return Found(
        decisions=[DecisionFound(**_brief(one)) for one in page.records],
        next=None if page.next is None else str(page.next),
    )


@router.get("/{decision}", operation_id="showDecision", summary="One decision, explained", responses=problems(404))
async def show(rooms: InRooms, caller: MaySee, decision: Id) -> DecisionShown:
    """Rule by rule with its citation, what it rested on, whether it was delivered, what became of the call."""
    record = _decision(rooms, caller, decision)
    told = recorded(record, rooms.log.about(record.id), rooms.screener.rulebooks)
    rest = {key: told.get(key) for key in DecisionShown.model_fields if key not in DecisionFound.model_fields}
    return DecisionShown.model_validate({**_brief(record), **rest})


@router.get(
    "/{decision}/proof",
    operation_id="proveDecision",
    summary="The proof that it stands in the log",
    response_class=Response,
    responses={
        200: {
            "description": "A `.tlog-proof` (c2sp.org/tlog-proof): the entry, its place, the signed checkpoint.",
            "content": {PROOF: {"schema": {"type": "string"}}},
        },
        **problems(404, 409),
    },
)
async def proof(
    rooms: InRooms, caller: Annotated[Caller, allowed(Permission.PROOFS_READ)], decision: Id
) -> Response:
    """To be checked with the public key alone: `vaglio audit verify FILE --public-key KEY`."""
    record = _decision(rooms, caller, decision)
    try:
        made = await asyncio.to_thread(prove, rooms.site.log_file, record.id)
    except NotFoundError:
        minutes = rooms.site.settings.audit.checkpoint_minutes
        raise ProblemError(
            HTTPStatus.CONFLICT, f"not under a checkpoint yet; one is signed at least every {minutes:g} min"
        ) from None
    told = {"content-disposition": f'attachment; filename="{record.id}.tlog-proof"'}
    return Response(made.raw, media_type=PROOF, headers=told)


@router.post(
    "/{decision}/unseal",
    operation_id="unsealDecision",
    summary="The number behind it, in clear",
    responses=problems(404, 410),
)
async def unseal(rooms: InRooms, caller: Annotated[Caller, allowed(Permission.UNSEAL)], decision: Id) -> Unsealed:
    """For the data-protection officer alone. The log says so, durably, before the number is shown."""
    record = _decision(rooms, caller, decision)
    sealed = rooms.log.sealed(record.id)
    if sealed is None:
        raise ProblemError(
            HTTPStatus.GONE, "its number was erased, has passed its retention, or was none of E.164"
        )
    told = {"ref": record.id, "campaign": record.body["campaign"], "controller": record.body["controller"]}
    await rooms.note_access(caller, "unseal", told)
    return Unsealed(id=record.id, number=rooms.keys.unseal(sealed, record.id))


def _decision(rooms: Rooms, caller: Caller, name: str) -> Record:
    """A decision that exists for the caller.

    Raises:
        NotFoundError: when there is none, or it is another principal's.
    """
    try:
        record = rooms.log.show(name)
    except NotFoundError:
        raise NotFoundError("no such decision; search tells which there are") from None
    body = record.body
    if record.kind != EntryKind.DECISION or not caller.sees(body["controller"]):
        raise NotFoundError("no such decision; search tells which there are")
    return record


def _brief(record: Record) -> dict[str, Any]:
    body = record.body
    number = body["number"]
    return {
        "id": record.id,
        "seq": record.seq,
        "at": record.at,
        "number": About(country=number["country"], kind=number["kind"], last3=number["last3"]),
        **{
            key: body.get(key)
            for key in ("campaign", "controller", "verdict", "reason", "would_be", "pbx", "uniqueid")
        },
    }
