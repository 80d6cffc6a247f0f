"""Decisions: found, explained, proven; and every other entry of the log, shown as it stands."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter
from fastapi.responses import Response

from vaglio.audit import EntryKind, Record
from vaglio.audit.proof import SUFFIX, prove
from vaglio.audit.search import Page, Wanted, search, search_number
from vaglio.errors import NotFoundError, VerificationError
from vaglio.model import Reason, Verdict
from vaglio.reports.examined import Examined, examined
from vaglio.rules.jurisdiction import regions
from vaglio.site import Site
from vaglio.web.access import Permission
from vaglio.web.console.explained import explained_entry
from vaglio.web.console.scope import visible
from vaglio.web.console.typed import typed_moment, typed_number
from vaglio.web.console.visit import Visit, visiting
from vaglio.web.problems import ProblemError

router = APIRouter()
Reading = Annotated[Visit, visiting(Permission.DECISIONS_READ)]
Searching = Annotated[Visit, visiting(Permission.NUMBER_SEARCH)]
Proving = Annotated[Visit, visiting(Permission.PROOFS_READ)]
Unsealing = Annotated[Visit, visiting(Permission.UNSEAL)]

_A_PAGE: Final = 50
_ENTRY: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|[1-9]\d{0,11}", re.ASCII)
_CALL: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_-]{0,40}-)?\d{9,11}\.\d{1,10}", re.ASCII)
CALL_PATTERN: Final = r"([A-Za-z0-9][A-Za-z0-9_\-]{0,40}-)?[0-9]{9,11}\.[0-9]{1,10}"
"""The same for browsers: a number typed there by mistake must not come to stand in an address."""
_CURSOR: Final = re.compile(r"[1-9]\d{0,17}", re.ASCII)
_KINDS: Final = (
    EntryKind.DECISION,
    EntryKind.FAILOPEN,
    EntryKind.UNSCREENED_CALL,
    EntryKind.CHANGE_ANNOUNCED,
    EntryKind.ACCESS,
    EntryKind.ACCOUNT,
    EntryKind.ALARM,
    EntryKind.ERASURE,
    EntryKind.PURGE,
    EntryKind.CONFIG,
    EntryKind.KEY_ROTATION,
)
_OF_CONTROLLERS: Final = (EntryKind.DECISION, EntryKind.FAILOPEN, EntryKind.CHANGE_ANNOUNCED)
"""The kinds that can name a controller."""
_FILTERS: Final = ("kind", "since", "until", "campaign", "controller", "verdict", "reason", "call")


@router.get("/decisions")
async def decisions(visit: Reading) -> Response:
    """The newest decisions that fit the filter."""
    asked = {name: value for name in _FILTERS if (value := visit.asked(name, most=128))}
    faults: list[str] = []
    wanted = _wanted(visit, asked, faults)
    page = Page((), None)
    if not faults:
        cursor = _cursor(visit.asked("cursor", most=20))
        page = await asyncio.to_thread(search, visit.rooms.site.log_file, wanted, _A_PAGE, cursor)
    older = None if page.next is None else f"/decisions?{urlencode({**asked, 'cursor': page.next})}"
    return _list(visit, page, asked=asked, faults=faults, older=older, status=_status(faults))


@router.post("/decisions/number")
async def of_number(visit: Searching) -> Response:
    """Every entry about a number, which is sent in the form's body; the search itself is an entry first."""
    text, region = visit.text("number", most=64), visit.text("region", most=2)
    number = typed_number(text, region)
    if number is None:
        return _list(
            visit, Page((), None), number=text, region=region, faults=["number"], status=_status(["number"])
        )
    await visit.rooms.note_access(visit.caller, "search", number=number)
    token = visit.rooms.keys.token(str(number.e164))
    cursor = _cursor(visit.text("cursor", most=20))
    page = await asyncio.to_thread(
        search_number, visit.rooms.site.log_file, token, _A_PAGE, cursor, visit.caller.controller
    )
    return _list(visit, page, number=text, region=region, about=number.masked)


@router.get("/decisions/{entry}")
async def decision(visit: Reading, entry: str) -> Response:
    """One decision explained; any other entry as it stands."""
    return _shown(visit, _found(visit, entry))


@router.get("/decisions/{entry}/proof")
async def proof(visit: Proving, entry: str) -> Response:
    """The entry's proof, checked here step by step."""
    record = _found(visit, entry)
    found, problem = await asyncio.to_thread(_examined, visit.rooms.site, record.id)
    return visit.page("proof.html", record=record, proof=found, problem=problem)


@router.get("/decisions/{entry}/download")
async def download(visit: Proving, entry: str) -> Response:
    """The `.tlog-proof` file."""
    record = _found(visit, entry)
    made = await asyncio.to_thread(prove, visit.rooms.site.log_file, record.id)
    name = f"{record.id}{SUFFIX}"
    return Response(
        made.raw,
        media_type="application/octet-stream",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


@router.post("/decisions/{entry}/unseal")
async def unseal(visit: Unsealing, entry: str) -> Response:
    """The number behind the entry in clear, once; an entry says so first, with the purpose that was given."""
    record = _found(visit, entry)
    purpose = visit.text("purpose", most=200)
    if not purpose:
        return _shown(visit, record, unseal_fault=True, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    sealed = visit.rooms.log.sealed(record.id)
    if sealed is None:
        return _shown(visit, record, erased=True, status=HTTPStatus.NOT_FOUND)
    number = visit.rooms.keys.unseal(sealed, record.id)
    await visit.rooms.note_access(
        visit.caller, "unseal", {"ref": record.id, "purpose": purpose}, number=typed_number(number)
    )
    return _shown(visit, record, unsealed=number)


def _wanted(visit: Visit, asked: Mapping[str, str], faults: list[str]) -> Wanted:
    """What the filter means; fields that mean nothing are named in `faults`."""
    own = visit.caller.controller
    kinds = _OF_CONTROLLERS if own else _KINDS
    since = _moment(visit, asked, "since", faults)
    until = _moment(visit, asked, "until", faults)
    call = asked.get("call")
    if call is not None and not _CALL.fullmatch(call):
        faults.append("call")
        call = None
    for name, known in (("kind", kinds), ("verdict", tuple(Verdict)), ("reason", tuple(Reason))):
        if name in asked and asked[name] not in known:
            faults.append(name)
    return Wanted(
        kind=EntryKind(asked["kind"]) if "kind" in asked and "kind" not in faults else EntryKind.DECISION,
        since=since,
        until=until,
        campaign=asked.get("campaign"),
        controller=own or asked.get("controller"),
        verdict=asked.get("verdict"),
        reason=asked.get("reason"),
        uniqueid=call,
    )


def _moment(visit: Visit, asked: Mapping[str, str], name: str, faults: list[str]) -> datetime | None:
    if name not in asked:
        return None
    found = typed_moment(asked[name], visit.look, end=name == "until")
    if found is None:
        faults.append(name)
    return found


def _cursor(text: str) -> int | None:
    return int(text) if _CURSOR.fullmatch(text) else None


def _status(faults: list[str]) -> HTTPStatus:
    return HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK


def _list(
    visit: Visit,
    page: Page,
    *,
    asked: Mapping[str, str] | None = None,
    faults: list[str] | None = None,
    number: str = "",
    region: str = "",
    about: str = "",
    older: str | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    known = visit.rooms.index.campaigns()
    return visit.page(
        "decisions.html",
        status=status,
        rows=[(record, record.body) for record in page.records],
        next=page.next,
        older=older,
        asked=asked or {},
        faults=faults or [],
        number=number,
        region=region,
        about=about,
        kinds=_OF_CONTROLLERS if visit.caller.controller else _KINDS,
        verdicts=tuple(Verdict),
        reasons=tuple(Reason),
        campaigns=sorted(one.id for one in known if visit.caller.sees(one.controller)),
        controllers=sorted({one.controller for one in known if visit.caller.sees(one.controller)}),
        regions=sorted(regions()),
        call_pattern=CALL_PATTERN,
    )


def _found(visit: Visit, entry: str) -> Record:
    """The entry, if it exists for the caller."""
    if not _ENTRY.fullmatch(entry):
        raise ProblemError(HTTPStatus.NOT_FOUND, "no such entry")
    record = visit.rooms.log.show(entry)
    if not visible(visit.caller, visit.rooms.log, record):
        raise ProblemError(HTTPStatus.NOT_FOUND, "no such entry")
    return record


def _shown(
    visit: Visit,
    record: Record,
    *,
    unsealed: str = "",
    unseal_fault: bool = False,
    erased: bool = False,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    body = record.body
    log = visit.rooms.log
    values: dict[str, Any] = {
        "record": record,
        "body": body,
        "raw": orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode(),
        "followed": [(one, one.body) for one in log.about(record.id) if visible(visit.caller, log, one)],
        "has_number": bool(body.get("number", {}).get("commitment")),
        "unsealed": unsealed,
        "unseal_fault": unseal_fault,
        "erased": erased,
    }
    if record.kind != EntryKind.DECISION:
        return visit.page("entry.html", status=status, **values)
    explained = explained_entry(record, values["followed"], visit.rooms.screener.rulebooks)
    links = {reference: _link(visit, reference) for reference in explained.references}
    return visit.page("decision.html", status=status, **values, decision=explained, links=links)


def _link(visit: Visit, reference: str) -> str | None:
    """Where a reference leads (`entry:12`, `decision:01…`), if that exists for the caller."""
    kind, _, name = reference.partition(":")
    if kind not in {"entry", "decision"} or not _ENTRY.fullmatch(name):
        return None
    with suppress(NotFoundError):
        if visible(visit.caller, visit.rooms.log, visit.rooms.log.show(name)):
            return f"/decisions/{name}"
    return None


def _examined(site: Site, entry: str) -> tuple[Examined | None, str | None]:
    """The proof as an auditor checks it: built, written as bytes, read again; or why there is none yet."""
    try:
        return examined(prove(site.log_file, entry).raw, site.keys().verifier), None
    except (NotFoundError, VerificationError) as error:
        return None, str(error)
