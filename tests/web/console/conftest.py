"""The console in a live `vaglio web`, a Chromium that looks at it, and httpx clients that are logged in.

Tests that drive the browser are plain functions in modules of their own: nothing with an event loop may run beside
them in the same module.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page

from lab.chromium import chromium, find
from lab.errors import ChromiumUnavailable
from lab.vaglio import Vaglio
from tests.web.console.furnishing import ACCOUNTS, PASSWORD, furnish
from vaglio.web.access import Role

DESKTOP, PHONE = (1280, 900), (390, 844)
Open = Callable[..., Page]
"""`open_as(Role.AUDITOR, size=PHONE, scheme="dark", language="it")` → a page of somebody logged in."""
LogIn = Callable[..., httpx.Client]
"""`log_in(Role.AUDITOR)` → a client with a session; `client.headers` look like a browser's."""
_SERIOUS = {"serious", "critical"}
_TOKEN = re.compile(r'name="token" value="([0-9a-f]{64})"')


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaglio]:
    """The furnished site with its web running; tests may add to it, and count only what they added."""
    vaglio = furnish(tmp_path_factory.mktemp("console") / "site")
    vaglio.web.start()
    yield vaglio
    vaglio.web.stop()


@pytest.fixture(scope="session")
def origin(furnished: Vaglio) -> str:
    """Where the console is."""
    return f"http://127.0.0.1:{furnished.web.port}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of one module; without one they skip, and fail where CI is set."""
    try:
        find()
    except ChromiumUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"browser tests cannot run: {error}")
        pytest.skip(f"BROWSER TESTS DO NOT RUN: {error}")
    with chromium() as running:
        yield running


@pytest.fixture
def open_as(browser: Browser, origin: str, log_in: LogIn) -> Iterator[Open]:
    """Opens pages for roles, each in a context of its own; what breaks the CSP or runs a script fails the test."""
    with ExitStack() as stack:
        told: list[str] = []

        def dismissed(dialog: Dialog) -> None:
            told.append(f"a script ran: {dialog.message}")
            dialog.dismiss()

        def opened(
            role: Role | None, *, size: tuple[int, int] = DESKTOP, scheme: str = "light", language: str = "en"
        ) -> Page:
            context = browser.new_context(
                base_url=origin,
                viewport={"width": size[0], "height": size[1]},
                color_scheme=scheme,  # type: ignore[arg-type]
                locale=language,
            )
            stack.callback(context.close)
            context.set_default_timeout(30_000)
            if role is not None:
                cookie = log_in(role).cookies["__Host-vaglio"]
                context.add_cookies(
                    [
                        {
                            "name": "__Host-vaglio",
                            "value": cookie,
                            "url": origin.replace("http:", "https:"),
                            "secure": True,
                            "httpOnly": True,
                            "sameSite": "Lax",
                        }
                    ]
                )
            page = context.new_page()
            page.on("pageerror", lambda error: told.append(str(error)))
            page.on("console", lambda line: told.append(line.text) if "Content Security" in line.text else None)
            page.on("dialog", dismissed)
            return page

        yield opened
        assert not told


@pytest.fixture
def log_in(origin: str) -> Iterator[LogIn]:
    """Makes clients of live sessions; the log-in is the console's own."""
    with ExitStack() as stack:

        def logged_in(role: Role, password: str = PASSWORD) -> httpx.Client:
            client = stack.enter_context(visitor(origin))
            answer = client.post("/log-in", data={"name": ACCOUNTS[role], "password": password})
            assert answer.status_code == 303, answer.text
            # The cookie is Secure; httpx, unlike browsers, does not send one to a loopback address.
            client.headers["cookie"] = f"__Host-vaglio={client.cookies['__Host-vaglio']}"
            return client

        yield logged_in


def visitor(origin: str) -> httpx.Client:
    """A client that looks like a browser's form: same origin, wants pages."""
    headers = {"accept": "text/html", "sec-fetch-site": "same-origin", "origin": origin}
    return httpx.Client(base_url=origin, headers=headers, timeout=60)


def token_of(client: httpx.Client) -> str:
    """The form token of a client's session, read from a page as a browser has it."""
    found = _TOKEN.search(client.get("/account").text)
    assert found, "no form token on the page"
    return found[1]


def assert_accessible(page: Page) -> None:
    """Axe finds nothing serious or critical on the page as it stands."""
    found = [
        f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']][:3]}"
        for one in Axe().run(page).response["violations"]
        if one["impact"] in _SERIOUS
    ]
    assert not found, "\n".join(found)


def assert_fits(page: Page) -> None:
    """The page is no wider than the window."""
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window


def keep_picture(page: Page, name: str) -> None:
    """Write a screenshot where `VAGLIO_SCREENSHOTS` says, for looking at; nothing without it."""
    if directory := os.environ.get("VAGLIO_SCREENSHOTS"):
        Path(directory).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(directory) / f"{name}.png", full_page=True)
