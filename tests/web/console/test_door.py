"""Coming in, and what may be sent: sessions, forms of other sites, redirects, errors as pages."""

import re

import httpx
import pytest
from starlette.types import ASGIApp

from tests.web.console.people import PASSWORD, person, stranger
from tests.web.console.test_permissions import address, routes
from vaglio.errors import StoreError
from vaglio.web.access import Role
from vaglio.web.access.accounts import AccountKind
from vaglio.web.access.sessions import COOKIE
from vaglio.web.console.door import local_path
from vaglio.web.rooms import Rooms

POSTS = sorted(path for method, path in routes() if method == "POST" and path not in {"/log-in", "/look"})
SCRIPT = "\"'><script>alert(1)</script>"


def session_in(answer: httpx.Response) -> str:
    found = re.search(rf"{COOKIE}=([^;]+)", answer.headers["set-cookie"])
    assert found
    return found[1]


@pytest.mark.parametrize("path", POSTS)
async def test_a_form_without_its_token_does_nothing(app: ASGIApp, rooms: Rooms, path: str) -> None:
    """Nor one with another session's token, nor one from another site, whatever it carries."""
    officer = person(app, rooms, Role.DATA_PROTECTION_OFFICER)
    manager = person(app, rooms, Role.CAMPAIGN_MANAGER)
    where = address(path)
    before = rooms.log.size()
    for one in (officer, manager):
        other = manager if one is officer else officer
        for sent in ({"purpose": "x"}, {"token": ""}, {"token": other.token}):
            assert (await one.client.post(where, data=sent)).status_code == 403, sent
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"sec-fetch-site": "none"},
        ):
            assert (await one.post(where, headers=headers)).status_code == 403, headers
        del one.client.headers["sec-fetch-site"]  # an older browser
        for origin in ("https://evil.example", "null", "", "http://127.0.0.1:8081"):
            assert (await one.post(where, headers={"origin": origin})).status_code == 403, origin
    assert rooms.log.size() == before


@pytest.mark.parametrize("path", ["/log-in", "/look"])
async def test_no_other_site_logs_anybody_in(app: ASGIApp, path: str) -> None:
    """With an account of the attacker's own, for one."""
    client = stranger(app, **{"sec-fetch-site": "cross-site"})
    answer = await client.post(path, data={"name": "x", "password": "y"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_form_must_be_a_form(app: ASGIApp, rooms: Rooms) -> None:
    """JSON or plain text, as other sites can send without asking, is not read."""
    one = person(app, rooms, Role.AUDITOR)
    for kind in ("application/json", "text/plain", ""):
        answer = await one.client.post("/log-out", content=b"token=x", headers={"content-type": kind})
        assert answer.status_code == 415


async def test_a_session_is_always_a_new_one(app: ASGIApp, rooms: Rooms) -> None:
    """A cookie planted before the log-in opens nothing after it; a session replaced by a log-in is over."""
    one = person(app, rooms, Role.AUDITOR)
    name = rooms.accounts.all(AccountKind.USER)[0].name
    planted = stranger(app, cookie=f"{COOKIE}=planted")
    answer = await planted.post("/log-in", data={"name": name, "password": PASSWORD})
    assert session_in(answer) != "planted"
    planted.headers["cookie"] = f"{COOKIE}=planted"
    planted.cookies.clear()
    assert (await planted.get("/account")).status_code == 303
    again = await one.client.post("/log-in", data={"name": name, "password": PASSWORD})
    one.client.cookies.clear()
    assert session_in(again) != one.cookie
    assert (await one.get("/account")).status_code == 303


async def test_the_cookie_is_for_this_console_alone(app: ASGIApp, rooms: Rooms) -> None:
    """No script reads it, no clear text carries it, no other site's form brings it, no other host sets it."""
    person(app, rooms, Role.AUDITOR)
    name = rooms.accounts.all(AccountKind.USER)[0].name
    answer = await stranger(app).post("/log-in", data={"name": name, "password": PASSWORD})
    told = answer.headers["set-cookie"].lower()
    assert told.startswith("__host-vaglio=")
    assert {"httponly", "secure", "path=/", "samesite=lax"} <= set(told.split("; "))
    assert "domain" not in told


async def test_a_log_out_ends_the_session(app: ASGIApp, rooms: Rooms) -> None:
    """Whoever kept the cookie has nothing."""
    one = person(app, rooms, Role.AUDITOR)
    assert (await one.post("/log-out")).headers["location"] == "/log-in"
    one.client.cookies.clear()
    assert (await one.get("/account")).status_code == 303


async def test_a_refusal_tells_nothing(app: ASGIApp, rooms: Rooms) -> None:
    """Unknown name and wrong password read alike; after five tries the door is shut, with the time to wait."""
    person(app, rooms, Role.AUDITOR)
    name = rooms.accounts.all(AccountKind.USER)[0].name
    client = stranger(app)
    told = []
    for who in (name, "nobody"):
        answer = await client.post("/log-in", data={"name": who, "password": "wrong"})
        assert answer.status_code == 401
        told.append(answer.text.replace(who, ""))
    assert told[0] == told[1]
    for _ in range(4):
        await client.post("/log-in", data={"name": name, "password": "wrong"})
    shut = await client.post("/log-in", data={"name": name, "password": PASSWORD})
    assert shut.status_code == 429
    assert int(shut.headers["retry-after"]) > 60


@pytest.mark.parametrize(
    "wished",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "/\t/evil.example",
        "/ok\r\nset-cookie: x=y",
        "javascript:alert(1)",
        "",
        "evil.example",
        "/log-in",
        "/" + "a" * 600,
    ],
)
async def test_a_log_in_leads_to_this_console_only(app: ASGIApp, rooms: Rooms, wished: str) -> None:
    """Whatever the address says."""
    assert local_path(wished) == "/"
    person(app, rooms, Role.AUDITOR)
    name = rooms.accounts.all(AccountKind.USER)[0].name
    fields = {"name": name, "password": PASSWORD, "next": wished}
    answer = await stranger(app).post("/log-in", data=fields)
    assert answer.headers.get("location", "/") == "/"
    answer = await stranger(app).post("/look", data={"language": "it", "next": wished})
    assert answer.headers.get("location", "/") in {"/", "/log-in"}


def test_a_page_of_this_console_is_remembered() -> None:
    """With its query."""
    assert local_path("/decisions?reason=CONSENT&since=2026-03-02") == "/decisions?reason=CONSENT&since=2026-03-02"


async def test_a_new_password_ends_the_other_sessions(app: ASGIApp, rooms: Rooms) -> None:
    """The one that changed it goes on with a new cookie; a wrong, short or unlike one changes nothing."""
    one = person(app, rooms, Role.AUDITOR)
    wrong = [
        {"old": "no", "new": "another long password", "again": "another long password"},
        {"old": PASSWORD, "new": "short", "again": "short"},
        {"old": PASSWORD, "new": "another long password", "again": "yet another password"},
        {},
    ]
    for fields in wrong:
        assert (await one.post("/account/password", fields)).status_code == 422
    answer = await one.post(
        "/account/password", {"old": PASSWORD, "new": "another long password", "again": "another long password"}
    )
    assert answer.status_code == 303
    one.client.cookies.clear()
    assert (await one.get("/account")).status_code == 303
    one.client.headers["cookie"] = f"{COOKIE}={session_in(answer)}"
    assert (await one.get("/account?changed=yes")).status_code == 200
    assert rooms.log.tail(1)[0].body["done"] == "new-password"


@pytest.mark.parametrize(
    "path",
    [
        "/log-in?next=" + SCRIPT,
        "/decisions?" + "&".join(f"{name}={SCRIPT}" for name in ("kind", "since", "until", "verdict", "call")),
        f"/decisions?campaign={SCRIPT}",
        f"/decisions?controller={SCRIPT}&reason=x",
        f"/decisions?cursor={SCRIPT}",
        f"/decisions/{SCRIPT}",
        f"/today?day={SCRIPT[:10]}",
        f"/checkpoints?cursor={SCRIPT[:20]}",
        f"/{SCRIPT}",
    ],
)
async def test_nothing_of_an_address_becomes_markup(app: ASGIApp, rooms: Rooms, path: str) -> None:
    """Every parameter is shown as text, or not at all."""
    one = person(app, rooms, Role.AUDITOR)
    answer = await one.get(path)
    assert answer.status_code < 500
    assert "<script" not in answer.text
    assert "'><" not in answer.text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/log-in", {"name": SCRIPT, "password": SCRIPT, "next": SCRIPT}),
        ("/decisions/number", {"number": SCRIPT, "region": "IT"}),
        ("/decisions/number", {"number": "+393331234567", "region": SCRIPT}),
        ("/decisions/1/unseal", {"purpose": SCRIPT}),
        ("/account/password", {"old": SCRIPT, "new": SCRIPT, "again": "x"}),
        ("/look", {"language": SCRIPT, "theme": SCRIPT, "zone": SCRIPT, "next": SCRIPT}),
    ],
)
async def test_nothing_of_a_form_becomes_markup(
    app: ASGIApp, rooms: Rooms, path: str, fields: dict[str, str]
) -> None:
    """Every field comes back as text, or not at all."""
    one = person(app, rooms, Role.DATA_PROTECTION_OFFICER)
    answer = await one.post(path, fields)
    assert answer.status_code < 500
    assert "<script" not in answer.text
    assert "<script" not in str(answer.headers)


async def test_people_are_told_of_errors_in_pages(
    app: ASGIApp, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their language; programs in problems; a store that fails and a defect are told without their innards."""
    one = person(app, rooms, Role.AUDITOR)
    one.client.headers["accept-language"] = "it"
    for path, title in (("/nothing", "Non trovato"), ("/decisions/999999", "Non trovato")):
        answer = await one.get(path)
        assert answer.status_code == 404
        assert f"<h1>{title}</h1>" in answer.text
    assert (await one.client.get("/nothing", headers={"accept": "*/*"})).json()["status"] == 404
    assert (await one.client.get("/v1/nothing")).headers["content-type"] == "application/problem+json"

    def fails(_: object) -> None:
        raise StoreError("/secret/place/audit.db: disk I/O error about +393331234567")

    monkeypatch.setattr(rooms.log.__class__, "show", lambda _, name: fails(name))
    answer = await one.get("/decisions/1")
    assert answer.status_code == 503
    assert "<h1>Ora non è possibile</h1>" in answer.text
    assert "3331234567" not in answer.text

    def breaks(_: object) -> None:
        raise RuntimeError("innards")

    monkeypatch.setattr(rooms.log.__class__, "show", lambda _, name: breaks(name))
    answer = await one.get("/decisions/1")
    assert answer.status_code == 500
    assert "innards" not in answer.text
    assert "text/html" in answer.headers["content-type"]


async def test_static_files_are_few_and_known(app: ASGIApp) -> None:
    """Nothing else of the package can be read, and the address changes with the content."""
    client = stranger(app)
    page = (await client.get("/log-in")).text
    found = re.search(r'href="(/static/[0-9a-f]{12}/console\.css)"', page)
    assert found
    answer = await client.get(found[1])
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["cache-control"] == "public, max-age=86400, immutable"
    for path in (
        "/static/x/console.css",
        "/static/x/..%2frouter.py",
        "/static/x/__init__.py",
        "/static/../router.py",
    ):
        assert (await client.get(path)).status_code in {404, 303}
