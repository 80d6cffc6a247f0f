"""A hostile CRM: script, SQL, formulas, line ends, NUL and stranger signs through every text field."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from lab.house import SAMPLE
from lab.traces import cells, found_in
from lab.vaglio import Vaglio
from tests.web.conftest import Client, MakeClient
from tests.web.decided import decide
from vaglio.index.history import history
from vaglio.index.records import FactKind
from vaglio.site import Site
from vaglio.web.access import Role
from vaglio.web.rooms import Rooms

NUMBER = "+393331234501"
NDJSON = {"content-type": "application/x-ndjson"}
SHOWN = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "sql": "'; DROP TABLE opposition; --",
    "formula": "=cmd|'/C calc'!A1",
    "dialplan": "${SHELL(id)}),Dial(PJSIP/x)",
    "quotes": "\"'`\\",
    "astral": "\U0001f4de\U0001f4de",
}
"""Printable, so that a free text may be so: it comes back as it is, and is nowhere more than a text."""
REFUSED = {
    "header": "x\r\nSet-Cookie: a=b\r\n\r\n<html>",
    "nul": "a\0b",
    "bidi": "\u202ereversed\u2066",
    "escape": "\x1b[2J",
    "overlong": "x" * 501,
    "line separator": "a\u2028b",
}
"""What no text may hold."""
SURROGATE = '"\\ud800"'
"""Half a sign: JSON can write it, UTF-8 cannot."""

TEXTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "oppositions": ({"opposed_at": "2026-03-01T09:00:00Z", "purpose": "*"}, ("channel", "evidence_uri")),
    "consents": (
        {"purpose": "marketing", "given_at": "2026-03-01T09:00:00Z", "method": "web"},
        ("method", "evidence_uri", "notice_id", "collected_by"),
    ),
    "withdrawals": ({"purpose": "marketing", "withdrawn_at": "2026-03-01T09:00:00Z"}, ("channel", "evidence_uri")),
}
"""Kind → the rest of a fact, and its free texts."""
WORDS: dict[str, tuple[str, ...]] = {
    "oppositions": ("number", "controller", "purpose", "opposed_at"),
    "consents": (
        "number",
        "controller",
        "purpose",
        "given_at",
        "channel",
        "sector",
        "expires_at",
        "evidence_sha256",
    ),
    "withdrawals": ("number", "controller", "purpose", "withdrawn_at"),
    "relationships": ("number", "controller", "kind", "started_at", "ended_at", "sector"),
    "contacts": ("number", "controller", "region", "subdivision", "timezone", "subject_type"),
}
"""Kind → the fields with a form of their own."""


@pytest.fixture
async def officer(client: MakeClient) -> Client:
    return await client(Role.DATA_PROTECTION_OFFICER)


def whole(answer: httpx.Response) -> None:
    """JSON, with our headers and nobody else's."""
    assert answer.status_code < 500, answer.text
    assert answer.headers["content-type"] in {"application/json", "application/problem+json"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    assert not set(answer.text) & set("\r\n\0\x1b")
    answer.json()


@pytest.mark.parametrize("kind", TEXTS)
async def test_a_printable_text_is_a_text(officer: Client, rooms: Rooms, kind: str) -> None:
    """It is kept and shown as it was sent, and no table is gone."""
    rest, names = TEXTS[kind]
    for name in names:
        for place, text in enumerate(SHOWN.values()):
            number = f"+3933312345{place:02d}"
            sent = {"number": number, "controller": "aurora", **rest, name: text}
            for content, path, headers in (
                (json.dumps(sent), kind, {"content-type": "application/json"}),
                (json.dumps(sent), f"{kind}/bulk", NDJSON),
            ):
                answer = await officer.post(f"/v1/{path}", content=content, headers=headers)
                whole(answer)
                assert answer.status_code in {200, 201}, (name, text)
            shown = await officer.post(f"/v1/{kind}/show", json={"number": number})
            whole(shown)
            assert text in {one[name] for one in shown.json()["facts"]}
    assert set(history(rooms.index.path, int(NUMBER[1:]))) == set(FactKind)


@pytest.mark.parametrize("kind", TEXTS)
async def test_what_no_text_may_hold_is_refused_unquoted(officer: Client, rooms: Rooms, kind: str) -> None:
    """One by one and in lines."""
    rest, names = TEXTS[kind]
    for name in names:
        for text in REFUSED.values():
            sent = json.dumps({"number": NUMBER, "controller": "aurora", **rest, name: text})
            one = await officer.post(f"/v1/{kind}", content=sent, headers={"content-type": "application/json"})
            whole(one)
            assert one.status_code == 422, (name, text)
            many = await officer.post(f"/v1/{kind}/bulk", content=sent, headers=NDJSON)
            whole(many)
            assert many.json()["rejects"][0]["field"] == name
            for told in (one.text, many.text):
                assert "Set-Cookie" not in told
    assert not history(rooms.index.path, int(NUMBER[1:]))[FactKind(kind.removesuffix("s"))]


@pytest.mark.parametrize("kind", WORDS)
async def test_a_field_with_a_form_takes_nothing_else(officer: Client, kind: str) -> None:
    """Whatever text stands there; a name of a field as well."""
    rest = TEXTS.get(kind, ({"kind": "contract", "started_at": "2026-03-01T09:00:00Z"}, ()))[0]
    lines = []
    for name in (*WORDS[kind], "<script>", "a\r\nb: c", "+393331234567"):
        for text in (*SHOWN.values(), *REFUSED.values(), "surrogate"):
            fields = {"number": NUMBER, "controller": "aurora", **(rest if kind != "contacts" else {}), name: text}
            content = json.dumps(fields).replace('"surrogate"', SURROGATE)
            lines.append(content)
            one = await officer.post(f"/v1/{kind}", content=content, headers={"content-type": "application/json"})
            whole(one)
            assert one.status_code == 422, (name, text)
    many = await officer.post(f"/v1/{kind}/bulk", content="\n".join(lines), headers=NDJSON)
    whole(many)
    assert (many.json()["read"], many.json()["rejected"]) == (len(lines), len(lines))


async def test_questions_and_searches_take_any_text(officer: Client, client: MakeClient) -> None:
    """A question about nonsense is a block, a search for nonsense is refused or finds nothing."""
    manager = await client(Role.CAMPAIGN_MANAGER)
    campaign = (await manager.get("/v1/campaigns/renewals")).json()
    for text in (*SHOWN.values(), *REFUSED.values()):
        for name in ("number", "campaign", "caller_id", "at"):
            asked = {"number": NUMBER, "campaign": "renewals", name: text}
            answer = await officer.post("/v1/check", json=asked)
            whole(answer)
            assert answer.status_code == 422 or answer.json()["verdict"] == "block"
        for name in ("number", "since", "campaign", "controller", "verdict", "uniqueid", "cursor"):
            answer = await officer.post("/v1/decisions/search", json={name: text})
            whole(answer)
            assert answer.status_code == 422 or answer.json()["decisions"] == []
        for name in campaign:
            whole(await manager.put("/v1/campaigns/renewals", json={**campaign, name: text}))
        whole(
            await officer.request("GET", "/v1/campaigns/" + httpx.URL("", params={"a": text}).query.decode()[2:])
        )
        whole(await officer.get("/v1/checkpoints", params={"cursor": text}))


@pytest.mark.parametrize(
    ("content", "statuses"),
    [
        (b"", {422}),
        (b"{", {422}),
        (b"[" * 100_000, {400}),
        (b'{"number": "\xff\xfe", "campaign": "renewals"}', {400}),
        (b'{"number": ' + b"9" * 5000 + b', "campaign": "renewals"}', {400, 422}),
        (b'{"number": NaN, "campaign": "renewals"}', {422}),
        (b"[" + b"{}," * 1000 + b"{}]", {422}),
        (b'"x"', {422}),
    ],
)
async def test_a_body_that_is_none_is_told(officer: Client, content: bytes, statuses: set[int]) -> None:
    """Torn, too deep, not UTF-8, too many: a problem, never a defect."""
    answer = await officer.post("/v1/check", content=content, headers={"content-type": "application/json"})
    whole(answer)
    assert answer.status_code in statuses


PEOPLE = {
    "opposed": "+393397182645",
    "consenting": "+393394827163",
    "loaded": "+393398561742",
    "rejected": "+39339627185412345",
    "asked": "+393392759168",
    "searched": "+393395918276",
    "in the wrong place": "+393391864527",
    "in a key": "+393393647281",
}


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaglio]:
    vaglio = Vaglio(tmp_path_factory.mktemp("private") / "site")
    vaglio.run("campaign", "import", str(SAMPLE / "campaigns.toml"))
    try:
        yield vaglio
    finally:
        vaglio.web.stop()


async def test_no_number_in_clear_outside_the_index(house: Vaglio) -> None:
    """Every byte of audit.db, accounts.db and the web's log, every problem and metric, after all was asked."""
    key = house.json("api-key", "add", "dpo", "--role", Role.DATA_PROTECTION_OFFICER.value)["key"]
    (decision,) = await decide(Site.at(house.configuration), PEOPLE["searched"])
    house.web.start()
    wrong = PEOPLE["in the wrong place"]
    about = {"controller": "aurora", "purpose": "marketing"}
    headers = {"authorization": f"Bearer {key}"}
    problems = []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.web.port}", headers=headers) as web:

        async def ask(path: str, body: object = None, **more: str) -> httpx.Response:
            method = "GET" if body is None else "POST"
            content = body if isinstance(body, str) else None if body is None else json.dumps(body)
            sent = {"content-type": "application/json", **more}
            answer = await web.request(method, path, content=content, headers=sent)
            if answer.status_code >= 400:
                problems.append(answer.content)
            return answer

        evidence = f"file:rec_{PEOPLE['opposed']}.wav"
        told = {"number": PEOPLE["opposed"], "controller": "aurora", "evidence_uri": evidence}
        held = {"idempotency-key": f"oppose-{PEOPLE['in a key']}"}
        assert (await ask("/v1/oppositions", told, **held)).status_code == 201
        lift = {**told, "evidence_uri": f"tel {PEOPLE['opposed']}"}
        assert (await ask("/v1/oppositions/lift", lift)).status_code == 200
        consent = {**about, "number": PEOPLE["consenting"], "given_at": "2026-03-01T09:00:00Z"}
        method = {"method": f"called from {PEOPLE['consenting']}"}
        assert (await ask("/v1/consents", {**consent, **method})).status_code == 201
        lines = "\n".join(
            json.dumps({**consent, "method": "web", "number": PEOPLE[who]}) for who in ("loaded", "rejected")
        )
        loaded = await ask("/v1/consents/bulk", lines, **NDJSON, **{"idempotency-key": PEOPLE["in a key"]})
        assert (loaded.json()["new"], loaded.json()["rejected"]) == (1, 1)
        problems.append(loaded.content)
        assert (await ask("/v1/check", {"number": PEOPLE["asked"], "campaign": "renewals"})).status_code == 200
        found = await ask("/v1/decisions/search", {"number": PEOPLE["searched"]})
        assert [one["id"] for one in found.json()["decisions"]] == [decision]
        unsealed = await ask(f"/v1/decisions/{decision}/unseal", "")
        assert unsealed.json()["number"] == PEOPLE["searched"]
        assert (
            house.entries("access")[-1] | {"by": "dpo", "ref": decision, "access": "unseal"}
            == house.entries("access")[-1]
        )
        for path, body in (
            (f"/v1/{wrong}", None),
            (f"/v1/campaigns/{wrong}", None),
            (f"/v1/decisions/{wrong}/proof?{wrong}", None),
            ("/v1/oppositions", {**told, "number": f"{wrong}99999"}),
            ("/v1/oppositions", {**told, "controller": wrong}),
            ("/v1/oppositions", {**told, "controller": wrong.removeprefix("+")}),
            ("/v1/oppositions", {**told, wrong: wrong}),
            ("/v1/oppositions", f'"{wrong}"'),
            ("/v1/check", {"number": wrong, "campaign": wrong, "at": wrong}),
        ):
            assert (await ask(path, body)).status_code in {404, 422}, path
        assert (await ask("/v1/campaigns", authorization=f"Bearer vgl_{wrong}.{wrong}")).status_code == 401
        metrics = await ask("/metrics")
    assert 'route="/v1/oppositions"' in metrics.text
    home = house.home
    files = [file for file in home.rglob("*") if file.is_file() and not file.name.startswith("index.db")]
    assert {"audit.db", "accounts.db", "web.log"} <= {file.name for file in files}
    for file in files:
        assert (file.name, found_in(file.read_bytes(), PEOPLE)) == (file.name, [])
    for database in ("audit.db", "accounts.db"):
        assert found_in(cells(home / database), PEOPLE) == []
    assert len(problems) > 8
    for shown in (*problems, metrics.content):
        assert found_in(shown, PEOPLE) == [], shown
