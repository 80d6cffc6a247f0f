"""One's own account: what it may do, and its password."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from vaglio.audit import EntryKind, make
from vaglio.clock import now
from vaglio.errors import InputError
from vaglio.web.access import GRANTS
from vaglio.web.access.doorkeeper import RefusedError
from vaglio.web.access.secrets import LONGEST_SECRET, SHORTEST_PASSWORD, checked_password
from vaglio.web.console.door import set_session
from vaglio.web.console.visit import Visit, led_to, visiting

router = APIRouter()
Anybody = Annotated[Visit, visiting()]
_MOST: Final = LONGEST_SECRET + 1


@router.get("/account")
async def account(visit: Anybody, request: Request) -> Response:
    """The account, and the form for a new password."""
    return _page(visit, changed=request.query_params.get("changed") == "yes")


@router.post("/account/password")
async def change_password(visit: Anybody) -> Response:
    """Take a new password for the account; every other session of it ends."""
    old, new, again = (visit.text(name, most=_MOST) for name in ("old", "new", "again"))
    if new != again:
        return _page(visit, problem="unlike")
    try:
        checked_password(new)
    except InputError:
        return _page(visit, problem="short")
    door, rooms = visit.rooms.doorkeeper, visit.rooms
    try:
        await door.log_out(await door.log_in(visit.caller.name, old, visit.caller.address))
    except RefusedError as refused:
        return _page(visit, problem="locked" if refused.retry_after is not None else "old")
    told = {"done": "new-password", "account": visit.caller.name, **visit.caller.origin}
    await rooms.writer.append(make(EntryKind.ACCOUNT, now(), told))
    await asyncio.to_thread(rooms.accounts.set_secret, visit.caller.name, new)
    answer = led_to("/account?changed=yes")
    set_session(answer, await door.log_in(visit.caller.name, new, visit.caller.address))
    return answer


def _page(visit: Visit, *, problem: str = "", changed: bool = False) -> Response:
    return visit.page(
        "account.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        problem=problem,
        changed=changed,
        shortest=SHORTEST_PASSWORD,
        grants=sorted(GRANTS[visit.caller.account.role]),
    )
