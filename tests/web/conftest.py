"""The web in process: open rooms on an installation of its own, and clients that speak to its doors."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from lab.house import SAMPLE
from vaglio.changes import Change
from vaglio.clock import now
from vaglio.index.campaigns import load
from vaglio.site import Site, init
from vaglio.web.access import Account, AccountKind, Role
from vaglio.web.access.secrets import new_key
from vaglio.web.app import create_app
from vaglio.web.exposure import exposure
from vaglio.web.rooms import Rooms, open_rooms

ORIGIN = "http://127.0.0.1:8080"

Client = httpx.AsyncClient
MakeClient = Callable[..., Awaitable[Client]]
"""`await client(Role.AUDITOR, controller="acme")` → a client with a key of that role."""


@pytest.fixture(scope="session")
def empty_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation as `init` makes it, to be copied."""
    home = tmp_path_factory.mktemp("template") / "site"
    init(home)
    return home


@pytest.fixture
def site(empty_site: Path, tmp_path: Path) -> Site:
    """This test's own installation."""
    home = Path(shutil.copytree(empty_site, tmp_path / "site"))
    return Site.at(home / "vaglio.toml")


@pytest.fixture
async def rooms(site: Site) -> AsyncIterator[Rooms]:
    """Open rooms with the sample's controllers and campaigns."""
    async with open_rooms(site) as opened:
        sample = load(SAMPLE / "campaigns.toml")
        await opened.changes.make(
            Change.CAMPAIGNS,
            {},
            lambda entry: opened.store.put_controllers_and_campaigns(
                sample.controllers, sample.campaigns, entry=entry
            ),
        )
        yield opened


@pytest.fixture
def app(rooms: Rooms) -> ASGIApp:
    """The whole web, threshold included."""
    return create_app(rooms, exposure(rooms.site.settings))


@pytest.fixture
async def anybody(app: ASGIApp) -> AsyncIterator[Client]:
    """A client without a key."""
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 40000))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as one:
        yield one


@pytest.fixture
async def client(app: ASGIApp, rooms: Rooms) -> AsyncIterator[MakeClient]:
    """Makes clients with keys of their own."""
    made: list[Client] = []

    async def make(role: Role, controller: str | None = None) -> Client:
        name = f"{role}-{len(made)}"
        key = new_key(name)
        rooms.accounts.add(Account(name, AccountKind.KEY, role, controller, now(), None, None), key)
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 40001))
        one = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"authorization": f"Bearer {key}"})
        made.append(one)
        return one

    yield make
    for one in made:
        await one.aclose()
