"""Idempotency keys: the same request under the same key does its work once, whatever happens in between."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.web.conftest import Client, MakeClient
from vaglio.clock import now
from vaglio.errors import StoreError
from vaglio.index.history import history
from vaglio.index.records import FactKind
from vaglio.web.access import Role
from vaglio.web.access.answered import KEPT, Answer, Answered
from vaglio.web.rooms import Rooms

NUMBER = "+393331234501"
KEY = {"idempotency-key": "4f1b0c52-7d0e-4d3a-9c1b-0242ac120002"}
OPPOSITION = {"number": NUMBER, "controller": "aurora"}


@pytest.fixture
async def clerk(client: MakeClient) -> Client:
    return await client(Role.DATA_ENTRY)


def announcements(rooms: Rooms) -> int:
    return sum(one.kind == "change-announced" for one in rooms.log.tail(rooms.log.size()))


def oppositions(rooms: Rooms) -> list[dict[str, object]]:
    return history(rooms.index.path, int(NUMBER[1:]), (FactKind.OPPOSITION,))[FactKind.OPPOSITION]


async def test_the_same_request_again_gets_the_same_answer(clerk: Client, rooms: Rooms) -> None:
    """And is told to the log once."""
    first = await clerk.post("/v1/oppositions", json=OPPOSITION, headers=KEY)
    told = announcements(rooms)
    again = await clerk.post("/v1/oppositions", json=OPPOSITION, headers=KEY)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert (announcements(rooms), len(oppositions(rooms))) == (told, 1)


async def test_another_request_under_the_key_is_refused(clerk: Client, client: MakeClient) -> None:
    """Another body or another path; somebody else's key of the same name is another one."""
    await clerk.post("/v1/oppositions", json=OPPOSITION, headers=KEY)
    for path, body in (("/v1/oppositions", {**OPPOSITION, "purpose": "marketing"}), ("/v1/contacts", OPPOSITION)):
        refused = await clerk.post(path, json=body, headers=KEY)
        assert (refused.status_code, "Idempotency-Key" in refused.json()["detail"]) == (422, True)
    other = await client(Role.DATA_ENTRY)
    assert (await other.post("/v1/contacts", json=OPPOSITION, headers=KEY)).status_code == 201


async def test_two_at_the_same_time_do_the_work_once(clerk: Client, rooms: Rooms) -> None:
    """The second waits for the first and gets its answer."""
    before = announcements(rooms)
    answers = await asyncio.gather(
        *(clerk.post("/v1/oppositions", json=OPPOSITION, headers=KEY) for _ in range(8))
    )
    assert {one.content for one in answers} == {answers[0].content}
    assert (announcements(rooms) - before, len(oppositions(rooms))) == (1, 1)


async def test_a_refused_request_leaves_the_key_free(clerk: Client) -> None:
    """Nothing was done, so the corrected request may use it."""
    wrong = await clerk.post("/v1/oppositions", json={**OPPOSITION, "controller": "nimbus"}, headers=KEY)
    assert wrong.status_code == 422
    assert (await clerk.post("/v1/oppositions", json=OPPOSITION, headers=KEY)).status_code == 201


@pytest.mark.parametrize("after", ["before the change", "after the change"])
async def test_a_crash_in_between_makes_no_second_fact(clerk: Client, rooms: Rooms, after: str) -> None:
    """The repeated request goes on with the time of the first, so that it makes the same fact."""
    make = rooms.changes.make

    async def dies(*args: Any, **kwargs: Any) -> Any:
        if after == "after the change":
            await make(*args, **kwargs)
        raise StoreError("the disk is gone")

    rooms.changes.make = dies  # type: ignore[method-assign]
    assert (await clerk.post("/v1/oppositions", json=OPPOSITION, headers=KEY)).status_code == 503
    rooms.changes.make = make  # type: ignore[method-assign]
    again = await clerk.post("/v1/oppositions", json=OPPOSITION, headers=KEY)
    assert (again.status_code, again.json()["new"]) == (201, int(after == "before the change"))
    assert len(oppositions(rooms)) == 1


async def test_loads_are_answered_once_too(clerk: Client, rooms: Rooms) -> None:
    """By the digest of their body."""
    line = (
        '{"number": "+393331234501", "controller": "aurora", "purpose": "*", "opposed_at": "2026-03-01T09:00:00Z"}'
    )
    headers = {**KEY, "content-type": "application/x-ndjson"}
    first = await clerk.post("/v1/oppositions/bulk", content=line, headers=headers)
    again = await clerk.post("/v1/oppositions/bulk", content=line, headers=headers)
    assert (first.json()["new"], again.content) == (1, first.content)
    assert (await clerk.post("/v1/oppositions/bulk", content=f"{line}\n", headers=headers)).status_code == 422
    assert announcements(rooms) == 2


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 129])
async def test_a_key_that_is_none_is_refused(clerk: Client, key: str) -> None:
    """One to 128 visible characters of ASCII."""
    headers = httpx.Headers({"idempotency-key": key}, encoding="utf-8")
    assert (await clerk.post("/v1/oppositions", json=OPPOSITION, headers=headers)).status_code == 422


async def test_answers_are_forgotten_after_a_day(rooms: Rooms) -> None:
    """Then the same key is a new one; neither key nor request can be read in the file."""
    at = now()
    answered = Answered(rooms.access, rooms.keys, lambda: at)
    done: list[int] = []

    def work(place: int) -> Callable[[Any], Awaitable[Answer]]:
        async def made(_: Any) -> Answer:
            done.append(place)
            return Answer(201, b"{}")

        return made

    await answered.once("crm", f"oppose-{NUMBER}", NUMBER.encode(), work(1))
    await answered.once("crm", f"oppose-{NUMBER}", NUMBER.encode(), work(2))
    content = b"".join(file.read_bytes() for file in rooms.access.path.parent.glob("accounts.db*"))
    assert NUMBER[-7:].encode() not in content
    at += KEPT + timedelta(seconds=1)
    await answered.once("crm", f"oppose-{NUMBER}", NUMBER.encode(), work(3))
    assert done == [1, 3]
