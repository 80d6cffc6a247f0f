"""People at the console of an application in this process: logged in, with the headers a browser sends."""

from collections.abc import Mapping

import httpx
from starlette.types import ASGIApp

from tests.web.conftest import ORIGIN
from vaglio.clock import now
from vaglio.web.access import Account, AccountKind, Role
from vaglio.web.access.sessions import COOKIE, begin, form_token
from vaglio.web.rooms import Rooms

PASSWORD = "a long password for tests"
BROWSER = {"accept": "text/html,*/*;q=0.8", "sec-fetch-site": "same-origin", "origin": ORIGIN}


class Person:
    """Somebody with a session."""

    def __init__(self, client: httpx.AsyncClient, cookie: str) -> None:
        self.client = client
        self.cookie = cookie
        client.headers["cookie"] = f"{COOKIE}={cookie}"

    @property
    def token(self) -> str:
        """What this session's forms carry."""
        return form_token(self.cookie)

    async def get(self, path: str) -> httpx.Response:
        """Open a page."""
        return await self.client.get(path)

    async def post(self, path: str, fields: Mapping[str, str] | None = None, **more: object) -> httpx.Response:
        """Send a form as a page of the console does."""
        return await self.client.post(path, data={"token": self.token, **(fields or {})}, **more)  # type: ignore[arg-type]


def stranger(app: ASGIApp, **headers: str) -> httpx.AsyncClient:
    """A browser without a session; an error inside becomes an answer, as in the real server."""
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 40002), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=BROWSER | headers)


def person(app: ASGIApp, rooms: Rooms, role: Role, controller: str | None = None) -> Person:
    """Make an account of the role and begin a session with it, as a log-in does."""
    name = f"{role}-{len(rooms.accounts.all(AccountKind.USER))}"
    rooms.accounts.add(Account(name, AccountKind.USER, role, controller, now(), None, None), PASSWORD)
    return Person(stranger(app), begin(rooms.access, name, now()))
