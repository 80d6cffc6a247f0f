"""What a route asks for: the open rooms, and a caller who may do what it does."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from vaglio.web.access.caller import Caller
from vaglio.web.access.doorkeeper import RefusedError
from vaglio.web.access.roles import Permission
from vaglio.web.problems import ProblemError
from vaglio.web.rooms import Rooms
from vaglio.web.threshold import address_of

_BEARER = HTTPBearer(auto_error=False, description="An API key, made by `vaglio api-key add`.")


def rooms_of(request: Request) -> Rooms:
    """The rooms of this process."""
    rooms: Rooms = request.app.state.rooms
    return rooms


async def _in_rooms(request: Request) -> Rooms:
    """A dependency that is no coroutine would cost each request a thread."""
    return rooms_of(request)


InRooms = Annotated[Rooms, Depends(_in_rooms)]


async def _by_key(
    request: Request, rooms: InRooms, shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> Caller:
    if shown is None:
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "no API key; send `Authorization: Bearer KEY`, a key made by `vaglio api-key add`",
            headers={"www-authenticate": "Bearer"},
        )
    try:
        return await rooms.doorkeeper.by_key(shown.credentials, address_of(request))
    except RefusedError as refused:
        raise _refusal(refused) from None


def allowed(permission: Permission) -> Any:  # noqa: ANN401 - FastAPI's dependencies have no type of their own
    """A dependency: the API's caller, who may do this.

    Raises, when asked for: ProblemError 401 without a valid key, 429 after too many wrong ones, 403 when the role
    does not grant it.
    """
    return Depends(_granting(permission))


def _granting(permission: Permission) -> Callable[[Caller], Awaitable[Caller]]:
    async def granted(caller: Annotated[Caller, Depends(_by_key)]) -> Caller:
        if not caller.may(permission):
            raise ProblemError(
                HTTPStatus.FORBIDDEN, f"the role {caller.account.role} of this key does not grant {permission}"
            )
        return caller

    return granted


def _refusal(refused: RefusedError) -> ProblemError:
    if refused.retry_after is not None:
        seconds = max(1, int(refused.retry_after.total_seconds()))
        return ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"too many wrong keys from this address; wait {seconds} s",
            headers={"retry-after": str(seconds)},
        )
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "the API key is wrong, expired or revoked; `vaglio api-key list` shows which are valid",
        headers={"www-authenticate": "Bearer"},
    )
