"""`POST /v1/check`: what would be decided, and why. Writes nothing; the same code path as a call."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Body, Query, Response
from pydantic import Discriminator, Field, Tag

from vaglio.model import FindingOutcome, Reason, Verdict
from vaglio.reports.explanation import explained
from vaglio.web.access.caller import Caller
from vaglio.web.access.roles import Permission
from vaglio.web.api.documented import problems
from vaglio.web.api.fields import Asked, Dialled, Instant, Told
from vaglio.web.callers import InRooms, allowed
from vaglio.web.rooms import Rooms

router = APIRouter(tags=["check"])

MOST: Final = 1000
"""Questions in one request."""
_STRETCH: Final = 0.005
"""Seconds after which questions let other requests in between."""


class Question(Asked):
    """May this number be called?"""

    number: Dialled
    campaign: Annotated[str, Field(max_length=64, examples=["renewals"])]
    caller_id: Annotated[
        str | None,
        Field(
            max_length=64,
            description="Left out: the campaign's first declared number. Empty: withheld.",
            examples=["+390612345678"],
        ),
    ] = None
    at: Instant | None = Field(
        default=None,
        description="Left out: now. Only facts dated up to it count, and every age is measured at it.",
    )


class Finding(Told):
    """What one rule said."""

    rule: str = Field(examples=["IT-RPO-01"])
    outcome: FindingOutcome
    reason: Reason | None
    detail: str
    citation: str
    evidence: str | None = Field(
        description="What it rested on: `entry:…`, `snapshot:…`, `batch:…`, `decision:…`."
    )


class Judged(Told):
    """What would be decided; the same as `vaglio check --json`."""

    verdict: Verdict
    reason: Reason = Field(examples=["OPPOSITION"])
    would_be: Reason | None = Field(description="In monitor mode: why it would be blocked.")
    number: str | None = Field(description="E.164; null for emergency, short and invalid numbers.")
    campaign: str
    controller: str | None
    jurisdiction: str | None = Field(examples=["it"])
    local_times: dict[str, str] = Field(description="Time zone → local time at which it was judged.")
    rulebook: str | None = Field(description="Version of the rulebook applied.")
    at: str
    generation: int = Field(description="Of the index; rises with every change.")
    findings: list[Finding] | None = Field(default=None, description="Every rule asked, in order.")


_Body = Annotated[
    Annotated[Question, Tag("question")]
    | Annotated[list[Question], Field(min_length=1, max_length=MOST), Tag("questions")],
    Discriminator(lambda value: "questions" if isinstance(value, list) else "question"),
    Body(
        openapi_examples={
            "one": {"value": {"number": "+393331234567", "campaign": "renewals"}},
            "several": {
                "value": [
                    {"number": "+393331234567", "campaign": "renewals"},
                    {"number": "+442079460123", "campaign": "fibre-offer", "at": "2026-03-02T10:00:00Z"},
                ]
            },
        }
    ),
]


@router.post(
    "/check",
    operation_id="check",
    summary="What would be decided for a call, and why",
    response_model=Judged | list[Judged],
    response_description="One object for one question; for a list of them a list, in its order.",
    responses=problems(body=True),
)
async def check(
    rooms: InRooms,
    caller: Annotated[Caller, allowed(Permission.CHECK)],
    asked: _Body,
    explain: Annotated[bool, Query(description="Whether to tell the findings.")] = True,  # noqa: FBT002 - a query
) -> Response:
    """One question, or up to 1,000 of them, judged as a call would be; writes nothing.

    A campaign of another controller than the key's is unknown.
    """
    if isinstance(asked, Question):
        told: Any = _judged(rooms, caller, asked, explain=explain)
    else:
        told = await _all_judged(rooms, caller, asked, explain=explain)
    return Response(orjson.dumps(told), media_type="application/json")


async def _all_judged(rooms: Rooms, caller: Caller, asked: Sequence[Question], *, explain: bool) -> list[Any]:
    told = []
    begun = time.monotonic()
    for question in asked:
        told.append(_judged(rooms, caller, question, explain=explain))
        if time.monotonic() - begun > _STRETCH:
            await asyncio.sleep(0)
            begun = time.monotonic()
    return told


def _judged(rooms: Rooms, caller: Caller, question: Question, *, explain: bool) -> dict[str, Any]:
    caller_id = question.caller_id
    if caller_id is None:
        known = rooms.index.campaign(question.campaign)
        caller_id = known.caller_ids[0] if known and caller.sees(known.controller) and known.caller_ids else ""
    judgement = rooms.screener.judge(
        question.number, question.campaign, caller_id, at=question.at, controller=caller.controller
    )
    told = explained(judgement)
    if not explain:
        del told["findings"]
    return told
