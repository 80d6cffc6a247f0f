"""Every route of the console and every role: who gets in, who is turned away, who is led to the log-in page."""

import pytest
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from tests.web.console.people import person, stranger
from vaglio.web.access import GRANTS, Permission, Role
from vaglio.web.console.router import GROUPS
from vaglio.web.rooms import Rooms

OPEN = "open"
"""Anybody."""
LOGGED_IN = None
"""Whoever is logged in."""
ROUTES: dict[tuple[str, str], Permission | str | None] = {
    ("GET", "/"): LOGGED_IN,
    ("GET", "/log-in"): OPEN,
    ("POST", "/log-in"): OPEN,
    ("POST", "/log-out"): LOGGED_IN,
    ("POST", "/look"): OPEN,
    ("GET", "/static/{fingerprint}/{name}"): OPEN,
    ("GET", "/robots.txt"): OPEN,
    ("GET", "/account"): LOGGED_IN,
    ("POST", "/account/password"): LOGGED_IN,
    ("GET", "/today"): Permission.STATUS,
    ("GET", "/decisions"): Permission.DECISIONS_READ,
    ("POST", "/decisions/number"): Permission.NUMBER_SEARCH,
    ("GET", "/decisions/{entry}"): Permission.DECISIONS_READ,
    ("GET", "/decisions/{entry}/proof"): Permission.PROOFS_READ,
    ("GET", "/decisions/{entry}/download"): Permission.PROOFS_READ,
    ("POST", "/decisions/{entry}/unseal"): Permission.UNSEAL,
    ("GET", "/checkpoints"): Permission.PROOFS_READ,
    ("POST", "/checkpoints/verify"): Permission.PROOFS_READ,
    ("GET", "/checkpoints/key"): Permission.PROOFS_READ,
    ("GET", "/checkpoints/{size:int}/download"): Permission.PROOFS_READ,
    ("GET", "/number"): Permission.CHECK,
    ("POST", "/number"): Permission.CHECK,
    ("POST", "/number/oppose"): Permission.FACTS_WRITE,
    ("POST", "/number/withdraw"): Permission.FACTS_WRITE,
    ("POST", "/number/lift"): Permission.FACTS_WRITE,
    ("POST", "/number/report"): Permission.SUBJECT_REPORT,
    ("GET", "/registers"): Permission.REGISTERS_READ,
    ("GET", "/campaigns"): Permission.CAMPAIGNS_READ,
    ("GET", "/campaigns/{campaign}"): Permission.CAMPAIGNS_READ,
    ("POST", "/campaigns/import"): Permission.CAMPAIGNS_WRITE,
    ("GET", "/rulebooks"): Permission.RULES_READ,
    ("POST", "/rulebooks"): Permission.RULES_READ,
    ("GET", "/rulebooks/rules/{rule}"): Permission.RULES_READ,
    ("GET", "/scrub"): Permission.SCRUB,
    ("POST", "/scrub/list"): Permission.SCRUB,
    ("GET", "/scrub/progress"): Permission.SCRUB,
    ("GET", "/scrub/{job}/{which}.csv"): Permission.SCRUB,
    ("POST", "/scrub/remove"): Permission.SCRUB,
    ("GET", "/reports"): Permission.REPORTS,
    ("POST", "/reports"): Permission.REPORTS,
    ("POST", "/reports/pack"): Permission.EXPORT,
}
"""The one table; a route that is not in it fails the first test."""
FILLED = {
    "{entry}": "1",
    "{size:int}": "1",
    "{fingerprint}": "x",
    "{name}": "x",
    "{campaign}": "renewals",
    "{rule}": "IT-COC-02",
    "{job}": "x",
    "{which}": "allowed",
}
"""What stands for a route's parameters."""


def routes() -> list[tuple[str, str]]:
    """Method and path of every route of the console."""
    found = [route for group in GROUPS for route in group.routes if isinstance(route, APIRoute)]
    return [(method, route.path) for route in found for method in sorted(route.methods or ())]


def address(path: str) -> str:
    for name, value in FILLED.items():
        path = path.replace(name, value)
    return path


def test_the_table_holds_every_route() -> None:
    """So that no page is added without saying for whom."""
    assert set(routes()) == ROUTES.keys()


@pytest.mark.parametrize("role", Role)
async def test_a_role_opens_what_it_grants_and_nothing_else(app: ASGIApp, rooms: Rooms, role: Role) -> None:
    """Turned away with a page that says so; let in otherwise, whatever the page then finds."""
    controller = "aurora" if role is Role.PRINCIPAL_AUDITOR else None
    one = person(app, rooms, role, controller)
    for (method, path), permission in ROUTES.items():
        if path in {"/log-out", "/log-in", "/look"}:
            continue
        answer = await (one.get(address(path)) if method == "GET" else one.post(address(path)))
        granted = permission in {LOGGED_IN, OPEN} or permission in GRANTS[role]
        assert (answer.status_code != 403) == granted, (role, method, path, answer.status_code)
        assert answer.status_code < 500, (role, method, path, answer.text)
        if not granted:
            assert "text/html" in answer.headers["content-type"]


async def test_nobody_without_a_session_gets_in(app: ASGIApp) -> None:
    """Pages lead to the log-in page and remember where one wanted to go; forms only lead there."""
    client = stranger(app, cookie="__Host-vaglio=invented")
    for (method, path), permission in ROUTES.items():
        answer = await client.request(method, address(path))
        if permission == OPEN:
            assert answer.headers.get("location") in {None, "/"}
        else:
            assert answer.status_code == 303, (method, path)
            assert answer.headers["location"].startswith("/log-in"), (method, path)
    there = (await client.get("/today?day=2026-03-02")).headers["location"]
    assert there == "/log-in?next=%2Ftoday%3Fday%3D2026-03-02"


async def test_the_navigation_shows_what_the_role_grants(app: ASGIApp, rooms: Rooms) -> None:
    """And the first page is the first of them."""
    clerk = person(app, rooms, Role.DATA_ENTRY)
    page = (await clerk.get("/account")).text
    assert 'href="/number"' in page
    assert 'href="/decisions"' not in page
    assert (await clerk.get("/")).headers["location"] == "/number"
    officer = person(app, rooms, Role.OPS)
    assert (await officer.get("/")).headers["location"] == "/today"
