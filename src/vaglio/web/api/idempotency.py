"""`Idempotency-Key`: what a route that changes facts asks for, so that a repeated request changes them once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from vaglio.clock import now
from vaglio.web.access.answered import Answer, KeyReusedError
from vaglio.web.access.caller import Caller
from vaglio.web.access.roles import Permission
from vaglio.web.callers import InRooms, allowed
from vaglio.web.problems import ProblemError
from vaglio.web.rooms import Rooms

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern="^[!-~]{1,128}$",
        description="Drawn anew for each request, kept for 24 hours: the same request under the same key is "
        "answered as the first time and changes nothing more; another request under it is refused with 422.",
    ),
]


@dataclass(frozen=True, slots=True)
class Writing:
    """A caller who may change facts, and the request that does."""

    rooms: Rooms
    caller: Caller
    request: Request
    key: str | None

    def check_owns(self, controller: str) -> None:
        """Refuse to change another principal's facts, and those of all.

        Raises:
            ProblemError: 403, whether or not that controller exists.
        """
        if not self.caller.owns(controller):
            raise ProblemError(
                HTTPStatus.FORBIDDEN, f"this key changes what {self.caller.controller} holds, and nobody else's"
            )

    async def once(
        self, status: HTTPStatus, work: Callable[[datetime], Awaitable[BaseModel]], content: bytes | None = None
    ) -> Response:
        """Do the work and answer with what it returned, or with the answer to the same request before.

        `work` gets the time of the request. `content` stands for the body where the body was read as a stream.

        Raises:
            ProblemError: 422 when the key stands for another request.
        """

        async def made(at: datetime) -> Answer:
            return Answer(status, (await work(at)).model_dump_json().encode())

        if self.key is None:
            answer = await made(now())
        else:
            body = await self.request.body() if content is None else content
            asked = f"{self.request.method} {self.request.url.path}\n".encode() + body
            try:
                answer = await self.rooms.answered.once(self.caller.name, self.key, asked, made)
            except KeyReusedError:
                raise ProblemError(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    "Idempotency-Key: used for another request; draw a new one for each",
                ) from None
        return Response(answer.body, answer.status, media_type="application/json")


async def _writing(
    request: Request, rooms: InRooms, caller: Annotated[Caller, allowed(Permission.FACTS_WRITE)], key: Key = None
) -> Writing:
    return Writing(rooms, caller, request, key)


MayWrite = Annotated[Writing, Depends(_writing)]
