"""Who looks at a page: somebody logged in who may, or a guest at the door. Every route asks for one of them.

    @router.get("/registers")
    async def registers(visit: Annotated[Visit, visiting(Permission.REGISTERS_READ)]) -> Response:
        return visit.page("registers.html", registers=...)

A route that changes something asks for the same and is a POST; its form carries `{{ form_token() }}`. By the time
the route runs, session, permission, origin and form token have been checked, and `visit.text("field")` reads.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from vaglio.web.access import Permission
from vaglio.web.access.caller import Caller
from vaglio.web.access.doorkeeper import RefusedError
from vaglio.web.access.sessions import COOKIE
from vaglio.web.callers import InRooms
from vaglio.web.console import forms
from vaglio.web.console.look import Look, look_of
from vaglio.web.console.pages import rendered
from vaglio.web.problems import ProblemError
from vaglio.web.rooms import Rooms
from vaglio.web.threshold import address_of

_SAFE: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is logged in and may make it."""

    request: Request = field(repr=False)
    rooms: Rooms = field(repr=False)
    caller: Caller
    cookie: str = field(repr=False)
    look: Look
    form: FormData = field(repr=False)
    """Empty unless something is sent."""

    def text(self, name: str, *, most: int = forms.LONGEST) -> str:
        """A field of the form; see `forms.text_of`."""
        return forms.text_of(self.form, name, most=most)

    def asked(self, name: str, *, most: int = forms.LONGEST) -> str:
        """A parameter of the address, without spaces around it; empty when absent. Never a number.

        Raises:
            ProblemError: 422 when it is longer than `most` characters.
        """
        value = self.request.query_params.get(name, "")
        if len(value) > most:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}: expected at most {most} characters")
        return value.strip()

    def page(
        self,
        template: str,
        *,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> Response:
        """The page of a template with these values; see `pages.rendered` for what every template has."""
        return rendered(
            self.request,
            self.look,
            template,
            values,
            caller=self.caller,
            cookie=self.cookie,
            status=status,
            headers=headers,
        )

    def require(self, permission: Permission) -> None:
        """Refuse what the role does not grant.

        Raises:
            ProblemError: 403.
        """
        if not self.caller.may(permission):
            raise ProblemError(
                HTTPStatus.FORBIDDEN, f"the role {self.caller.account.role} does not grant {permission}"
            )


@dataclass(frozen=True, slots=True)
class Guest:
    """One request of anybody: the log-in page, the look."""

    request: Request = field(repr=False)
    rooms: Rooms = field(repr=False)
    look: Look

    def page(self, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: object) -> Response:
        """The page of a template, without navigation."""
        return rendered(self.request, self.look, template, values, status=status)


async def guest(request: Request, rooms: InRooms) -> Guest:
    """A dependency: anybody; a form only from a page of ours."""
    if request.method not in _SAFE:
        forms.check_origin(request)
    return Guest(request, rooms, look_of(request))


AnyGuest = Annotated[Guest, Depends(guest)]


def visiting(permission: Permission | None = None, *, files: int = 0) -> Any:  # noqa: ANN401 - as `callers.allowed`
    """A dependency: a visitor whose role grants this; None: whoever is logged in.

    A form may hold as many files as `files` says. Raises, when asked for: ProblemError 401 without a session (a
    browser is led to the log-in page), 403 when the role does not grant it or the form came from elsewhere.
    """
    return Depends(_admitting(permission, files))


def _admitting(permission: Permission | None, files: int) -> Callable[[Request, Rooms], Awaitable[Visit]]:
    async def admitted(request: Request, rooms: InRooms) -> Visit:
        cookie = request.cookies.get(COOKIE, "")
        try:
            caller = await rooms.doorkeeper.by_cookie(cookie, address_of(request))
        except RefusedError:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "log in first") from None
        visit = Visit(request, rooms, caller, cookie, look_of(request), FormData())
        if permission is not None:
            visit.require(permission)
        if request.method in _SAFE:
            return visit
        forms.check_origin(request)
        form = await forms.read_form(request, cookie, files=files)
        return Visit(request, rooms, caller, cookie, visit.look, form)

    return admitted


def led_to(path: str) -> Response:
    """A redirect after a form, to a page that can be reloaded."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)
