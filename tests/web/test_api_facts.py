"""Facts over the API: recorded, ended, shown, taken in by the thousand, each told by the log."""

import json
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Scope

from tests.web.conftest import Client, MakeClient
from vaglio.index.records import FactKind
from vaglio.web.access import Role
from vaglio.web.api import bulk
from vaglio.web.rooms import Rooms

NUMBER = "+393331234501"
NDJSON = {"content-type": "application/x-ndjson; charset=utf-8"}
OPPOSED = {"controller": "aurora", "purpose": "*", "opposed_at": "2026-03-01T09:00:00Z"}


@pytest.fixture
async def clerk(client: MakeClient) -> Client:
    return await client(Role.DATA_ENTRY)


def entries(rooms: Rooms, kind: str) -> list[dict[str, Any]]:
    return [one.body for one in rooms.log.tail(rooms.log.size()) if one.kind == kind]


async def verdict(client: Client, number: str = NUMBER, campaign: str = "renewals") -> str:
    answer = await client.post("/v1/check?explain=false", json={"number": number, "campaign": campaign})
    return str(answer.json()["reason"])


async def test_an_opposition_binds_the_next_question(clerk: Client, rooms: Rooms) -> None:
    """And the log says by whom it came in, and by which door, before it does."""
    assert await verdict(clerk) == "NO_RESTRICTION"
    answer = await clerk.post("/v1/oppositions", json={"number": NUMBER, "controller": "aurora"})
    assert (answer.status_code, answer.json()["new"], answer.json()["number"]) == (201, 1, "…501")
    assert await verdict(clerk) == "OPPOSITION"
    announced = entries(rooms, "change-announced")[-1]
    assert announced["id"] == answer.json()["entry"]
    assert (announced["by"], announced["via"], announced["channel"]) == ("data-entry-0", "api", "api")
    assert entries(rooms, "change-confirmed")[-1]["ref"] == announced["id"]


async def test_a_lifted_opposition_opens_the_number(clerk: Client) -> None:
    """Once; lifting what is not there tells so and changes nothing."""
    lift = {"number": NUMBER, "controller": "aurora", "evidence_uri": "letter:7"}
    assert (await clerk.post("/v1/oppositions/lift", json=lift)).json()["lifted"] == 0
    await clerk.post("/v1/oppositions", json={"number": NUMBER, "controller": "aurora"})
    assert (await clerk.post("/v1/oppositions/lift", json=lift)).json()["lifted"] == 1
    assert await verdict(clerk) == "NO_RESTRICTION"
    (shown,) = (await clerk.post("/v1/oppositions/show", json={"number": NUMBER})).json()["facts"]
    assert shown["lifted_evidence_uri"] == "letter:7"


async def test_a_withdrawn_consent_stays_on_record(clerk: Client) -> None:
    """Its withdrawal is a fact of its own."""
    given = {"number": NUMBER, "controller": "aurora", "purpose": "marketing"}
    consent = {**given, "given_at": "2026-03-01T09:00:00+01:00", "method": "web-form"}
    assert (await clerk.post("/v1/consents", json=consent)).json()["new"] == 1
    assert (await clerk.post("/v1/consents", json=consent)).json()["unchanged"] == 1
    corrected = await clerk.post("/v1/consents", json={**consent, "method": "paper"})
    assert corrected.json()["corrected"] == 1
    assert (await clerk.post("/v1/consents/withdraw", json=given)).status_code == 200
    shown = (await clerk.post("/v1/consents/show", json={"number": NUMBER})).json()["facts"]
    assert [one["method"] for one in shown] == ["paper", "web-form"]
    assert len((await clerk.post("/v1/withdrawals/show", json={"number": NUMBER})).json()["facts"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("oppositions", {"number": "3331234501", "controller": "aurora"}, "number"),
        ("oppositions", {"number": "+39", "controller": "aurora"}, "number"),
        ("oppositions", {"number": NUMBER, "controller": "nimbus"}, "controller"),
        (
            "oppositions",
            {"number": NUMBER, "controller": "aurora", "opposed_at": "2026-03-01T09:00:00"},
            "opposed_at",
        ),
        ("oppositions", {"number": NUMBER, "controller": "aurora", "colour": "red"}, "colour"),
        ("contacts", {"number": NUMBER, "controller": "aurora", "timezone": "Europe/Roma"}, "timezone"),
        ("consents", {"number": NUMBER, "controller": "aurora", "purpose": "marketing"}, "given_at"),
        ("relationships", {"number": NUMBER, "controller": "aurora", "kind": "friend"}, "kind"),
    ],
)
async def test_what_is_wrong_is_named_and_never_quoted(
    clerk: Client, rooms: Rooms, path: str, body: dict[str, Any], field: str
) -> None:
    """422 with the field; nothing is recorded or told to the log."""
    before = rooms.log.size()
    answer = await clerk.post(f"/v1/{path}", json=body)
    assert answer.status_code == 422
    assert field in answer.json()["detail"]
    assert body["number"].lstrip("+") not in answer.text or len(body["number"]) < 4
    assert rooms.log.size() == before


async def test_lines_load_as_rows_of_a_file_do(clerk: Client, rooms: Rooms) -> None:
    """A bad line is told by line, field and reason; the log has one entry with the body's SHA-256."""
    lines = [
        json.dumps({**OPPOSED, "number": "+393331234502"}),
        json.dumps({**OPPOSED, "number": "+393331234503", "purpose": None}),
        "",
        "{",
        "[]",
        json.dumps({**OPPOSED, "number": "+393331234504", "colour": "red"}),
        json.dumps({**OPPOSED, "number": 393331234505}),
        json.dumps({**OPPOSED, "number": "+393331234502"}),
        json.dumps({**OPPOSED, "number": "+393331234506", "controller": "nimbus"}),
        "x" * 20_000,
    ]
    answer = await clerk.post("/v1/oppositions/bulk", content="\r\n".join(lines), headers=NDJSON)
    told = answer.json()
    assert (told["read"], told["new"], told["unchanged"], told["rejected"]) == (9, 2, 1, 6)
    assert [(one["line"], one["field"]) for one in told["rejects"]] == [
        (2, "purpose"),
        (4, "line"),
        (5, "line"),
        (6, "line"),
        (7, "number"),
        (10, "line"),
    ]
    assert told["unknown_controllers"] == ["nimbus"]
    assert not any(number in answer.text for number in ("393331234503", "1234504", "1234505"))
    announced = entries(rooms, "change-announced")[-1]
    assert (announced["id"], announced["sha256"]) == (told["entry"], told["sha256"])
    assert entries(rooms, "change-confirmed")[-1]["new"] == 2
    assert await verdict(clerk, "+393331234502") == "OPPOSITION"


async def test_thousands_of_lines_load_in_short_turns(clerk: Client, rooms: Rooms) -> None:
    """In chunks, so that no other writer waits for all of them."""
    rows = "\n".join(json.dumps({**OPPOSED, "number": f"+39334{place:07d}"}) for place in range(5000))
    turns = []
    writing = rooms.store.add_chunk

    async def counted(kind: FactKind, rows: Any, *, entry: int, last: bool = False) -> Any:
        turns.append(len(rows))
        return await writing(kind, rows, entry=entry, last=last)

    rooms.store.add_chunk = counted  # type: ignore[method-assign]
    answer = await clerk.post("/v1/oppositions/bulk", content=rows, headers=NDJSON)
    told = answer.json()
    assert told["new"] + told["rejected"] == 5000
    assert told["new"] > 4000
    assert len(turns) > 2
    assert max(turns) < 5000


async def test_bounds_of_a_load_hold(clerk: Client, monkeypatch: pytest.MonkeyPatch, rooms: Rooms) -> None:
    """Too many lines, another media type, too many at once: refused before anything is loaded."""
    before = rooms.log.size()
    monkeypatch.setattr(bulk, "MOST_ROWS", 10)
    many = await clerk.post("/v1/oppositions/bulk", content="{}\n" * 11, headers=NDJSON)
    assert (many.status_code, "10 lines" in many.json()["detail"]) == (413, True)
    assert (await clerk.post("/v1/oppositions/bulk", json=[{}])).status_code == 415
    rooms.loads_under_way = 4
    busy = await clerk.post("/v1/oppositions/bulk", content="{}", headers=NDJSON)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "5")
    assert rooms.log.size() == before


async def test_who_goes_away_halfway_has_changed_nothing(app: ASGIApp, clerk: Client, rooms: Rooms) -> None:
    """A body that ends before its end is not loaded, and is no defect."""
    before = rooms.log.size()
    line = json.dumps({**OPPOSED, "number": NUMBER}).encode()
    parts = iter(({"type": "http.request", "body": line, "more_body": True}, {"type": "http.disconnect"}))
    told: list[Message] = []

    async def receive() -> Message:
        return next(parts)

    async def send(message: Message) -> None:
        told.append(message)

    request = clerk.build_request("POST", "/v1/oppositions/bulk", headers=NDJSON)
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/oppositions/bulk",
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw if name != b"Content-Length"],
        "client": ("127.0.0.1", 40002),
        "server": ("127.0.0.1", 8080),
    }
    await app(scope, receive, send)
    assert told[0]["status"] == 408
    assert (rooms.log.size(), rooms.loads_under_way) == (before, 0)


async def test_a_campaign_put_is_told_with_what_was_and_is(client: MakeClient, rooms: Rooms) -> None:
    """It binds the next question, and the dialplan's failure policy follows; the same again changes nothing."""
    manager = await client(Role.CAMPAIGN_MANAGER)
    campaign = (await manager.get("/v1/campaigns/renewals")).json()
    changed = {**campaign, "ends": "2026-01-31", "on_failure": "allow"}
    answer = await manager.put("/v1/campaigns/renewals", json=changed)
    assert (answer.status_code, answer.json()["changed"]) == (200, True)
    assert await verdict(manager) == "CAMPAIGN_NOT_ACTIVE"
    (told,) = entries(rooms, "change-announced")[-1]["campaigns"]
    assert told == {
        "id": "renewals",
        "before": {"ends": None, "on_failure": "block"},
        "after": {"ends": "2026-01-31", "on_failure": "allow"},
    }
    assert (rooms.site.policy_directory / "renewals").read_text() == "allow"
    assert (await manager.put("/v1/campaigns/renewals", json=changed)).json()["changed"] is False
    wrong = await manager.put("/v1/campaigns/renewals", json={**changed, "purpose": "marketing"})
    assert (wrong.status_code, "accepted_risk" in wrong.json()["detail"]) == (422, True)
    for twisted in ({"id": "other"}, {"controller": "nimbus"}, {"caller_ids": ["12"]}, {"colour": "red"}):
        assert (await manager.put("/v1/campaigns/renewals", json={**changed, **twisted})).status_code == 422
