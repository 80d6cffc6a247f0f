"""Decisions over the API: found page by page, explained, proven by the public key, unsealed by one role."""

from typing import Any

import pytest

from tests.web.conftest import Client, MakeClient
from tests.web.decided import decide
from vaglio.audit.erasing import erase
from vaglio.audit.note import Verifier
from vaglio.audit.proof import verify_proof
from vaglio.audit.sealing import Sealer
from vaglio.web.access import Role
from vaglio.web.rooms import Rooms

NUMBERS = [f"+3933312345{place:02d}" for place in range(5)]


@pytest.fixture
async def auditor(client: MakeClient) -> Client:
    return await client(Role.AUDITOR)


@pytest.fixture
async def decided(rooms: Rooms) -> list[str]:
    return await decide(rooms.site, *NUMBERS, NUMBERS[0])


def accesses(rooms: Rooms) -> list[dict[str, Any]]:
    return [one.body for one in rooms.log.tail(rooms.log.size()) if one.kind == "access"]


async def found(client: Client, **asked: object) -> list[str]:
    answer = await client.post("/v1/decisions/search", json=asked)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["decisions"]]


async def test_pages_go_back_to_the_first(auditor: Client, decided: list[str]) -> None:
    """Newest first, each decision once, numbers by their last three digits."""
    seen: list[str] = []
    cursor = None
    while True:
        answer = (await auditor.post("/v1/decisions/search", json={"limit": 2, "cursor": cursor})).json()
        assert all(len(one["number"]["last3"]) == 3 for one in answer["decisions"])
        seen += [one["id"] for one in answer["decisions"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert seen == decided[::-1]


async def test_decisions_are_found_by_what_is_known_of_them(auditor: Client, decided: list[str]) -> None:
    """Call, campaign, verdict, reason, time."""
    assert await found(auditor, uniqueid="1772355602.2") == []  # that call began long before it was decided
    assert await found(auditor, campaign="renewals", verdict="allow") == decided[::-1]
    assert await found(auditor, reason="OPPOSITION") == []
    assert await found(auditor, controller="borealis") == []
    assert await found(auditor, until="2026-01-01T00:00:00Z") == []
    assert await found(auditor, since="2026-01-01T00:00:00Z", limit=1) == decided[:-2:-1]


async def test_a_search_by_number_is_an_entry_first(auditor: Client, rooms: Rooms, decided: list[str]) -> None:
    """With who asked; the entry itself is no decision and is not found."""
    assert await found(auditor, number=NUMBERS[0]) == [decided[5], decided[0]]
    assert await found(auditor, number=NUMBERS[0], reason="OPPOSITION") == []
    told = accesses(rooms)
    assert [(one["access"], one["by"], one["number"]["last3"]) for one in told] == [
        ("search", "auditor-0", "500")
    ] * 2
    manager_like = await auditor.post("/v1/decisions/search", json={"number": "+39"})
    assert manager_like.status_code == 422
    assert len(accesses(rooms)) == 2


async def test_a_search_by_number_wants_a_role_of_its_own(client: MakeClient, rooms: Rooms) -> None:
    """Who may see decisions may not yet look up a person."""
    manager = await client(Role.CAMPAIGN_MANAGER)
    refused = await manager.post("/v1/decisions/search", json={"number": NUMBERS[0]})
    assert (refused.status_code, "number-search" in refused.json()["detail"]) == (403, True)
    assert accesses(rooms) == []


async def test_a_decision_is_explained_by_the_law_it_names(auditor: Client, decided: list[str]) -> None:
    """Every finding has the citation of its rule."""
    told = (await auditor.get(f"/v1/decisions/{decided[0]}")).json()
    assert (told["verdict"], told["campaign"], told["number"]["last3"]) == ("allow", "renewals", "500")
    assert told["findings"]
    assert all(one["citation"] for one in told["findings"])
    assert (told["delivered_after_us"], told["outcome"], told["followed_by"]) == (None, None, [])
    assert (await auditor.get("/v1/decisions/01M8ANWZYXREEW41R1FAC8YA0N")).status_code == 404


async def test_a_proof_holds_by_the_public_key_alone(auditor: Client, rooms: Rooms, decided: list[str]) -> None:
    """Until a checkpoint covers the decision it is told to wait."""
    early = await auditor.get(f"/v1/decisions/{decided[0]}/proof")
    assert (early.status_code, "checkpoint" in early.json()["detail"]) == (409, True)
    with Sealer(rooms.site.log_file, rooms.keys) as sealer:
        sealer.step(now=True)
    answer = await auditor.get(f"/v1/decisions/{decided[0]}/proof")
    assert answer.headers["content-disposition"] == f'attachment; filename="{decided[0]}.tlog-proof"'
    key = Verifier.parse((await auditor.get("/v1/checkpoints/public-key")).text)
    assert verify_proof(answer.content, key).record["id"] == decided[0]
    latest = (await auditor.get("/v1/checkpoints/latest")).text
    (listed,) = (await auditor.get("/v1/checkpoints")).json()["checkpoints"]
    assert (listed["note"], listed["size"]) == (latest, int(latest.splitlines()[1]))


async def test_checkpoints_come_in_pages(auditor: Client, rooms: Rooms) -> None:
    """Newest first, each once."""
    with Sealer(rooms.site.log_file, rooms.keys) as sealer:
        for _ in range(3):
            sealer.step(now=True)
    first = (await auditor.get("/v1/checkpoints?limit=2")).json()
    second = (await auditor.get(f"/v1/checkpoints?limit=2&cursor={first['next']}")).json()
    sizes = [one["size"] for one in (*first["checkpoints"], *second["checkpoints"])]
    assert (len(sizes), sizes, second["next"]) == (3, sorted(sizes, reverse=True), None)


async def test_an_unsealing_is_told_before_it_shows(client: MakeClient, rooms: Rooms, decided: list[str]) -> None:
    """Whose decision, and by whom; a number that was erased is gone."""
    officer = await client(Role.DATA_PROTECTION_OFFICER)
    answer = await officer.post(f"/v1/decisions/{decided[1]}/unseal")
    assert answer.json() == {"id": decided[1], "number": NUMBERS[1]}
    (told,) = accesses(rooms)
    assert (told["access"], told["by"], told["ref"]) == ("unseal", "data-protection-officer-0", decided[1])
    followed = (await officer.get(f"/v1/decisions/{decided[1]}")).json()["followed_by"]
    assert [one["kind"] for one in followed] == ["access"]
    erase(rooms.site.log_file, rooms.keys, NUMBERS[1], rooms.log.show(decided[1]).at)
    gone = await officer.post(f"/v1/decisions/{decided[1]}/unseal")
    assert gone.status_code == 410
    assert len(accesses(rooms)) == 1
