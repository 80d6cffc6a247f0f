"""What comes in over the HTTP API binds real calls: its process, the service and the PBX are three."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import httpx
import pytest

from lab.house import House
from vaglio.web.access import Role

pytestmark = pytest.mark.pbx


@pytest.fixture(scope="session")
def crm_key(running_house: House) -> str:
    """A key of a CRM of the sample's principal."""
    made = running_house.vaglio.json(
        "api-key", "add", "crm", "--role", Role.DATA_ENTRY.value, "--controller", "aurora"
    )
    return str(made["key"])


@pytest.fixture
def crm(house: House, crm_key: str) -> Iterator[httpx.Client]:
    """That CRM, at the door of a running `vaglio web`."""
    house.vaglio.web.start()
    origin = f"http://127.0.0.1:{house.vaglio.web.port}"
    headers = {"authorization": f"Bearer {crm_key}"}
    try:
        with httpx.Client(base_url=origin, headers=headers, timeout=30) as client:
            yield client
    finally:
        house.vaglio.web.stop()


def test_an_opposition_over_the_api_blocks_the_very_next_call(
    house: House, crm: httpx.Client, number: str
) -> None:
    """Its answer means that it binds: a call dialled at once is blocked. From request to binding: a second."""
    assert house.dial(number).status == 200
    answer = crm.post("/v1/oppositions", json={"number": number, "controller": "aurora"})
    assert house.dial(number).status == 603
    assert answer.status_code == 201
    assert len(house.pbx.saw(number)) == 1
    decision = house.decision(number)
    assert decision["reason"] == "OPPOSITION"
    announced = next(
        one for one in house.vaglio.entries("change-announced") if one["id"] == answer.json()["entry"]
    )
    assert (announced["by"], announced["via"], announced["number"]["last3"]) == ("crm", "api", number[-3:])
    confirmed = next(one for one in house.vaglio.entries("change-confirmed") if one["ref"] == announced["id"])
    bound = datetime.fromisoformat(confirmed["at"]) - datetime.fromisoformat(announced["at"])
    assert bound < timedelta(seconds=1)


def test_many_oppositions_at_once_bind_as_fast(house: House, crm: httpx.Client, number: str, other: str) -> None:
    """Each line of a load, from its answer on; and a lift opens the number again."""
    lines = "\n".join(
        f'{{"number": "{one}", "controller": "aurora", "purpose": "*", "opposed_at": "2026-03-01T09:00:00Z"}}'
        for one in (number, other)
    )
    loaded = crm.post("/v1/oppositions/bulk", content=lines, headers={"content-type": "application/x-ndjson"})
    assert loaded.json()["new"] == 2
    assert house.dial(number).status == 603
    assert house.dial(other).status == 603
    lift = {"number": other, "controller": "aurora", "evidence_uri": "letter:9"}
    assert crm.post("/v1/oppositions/lift", json=lift).json()["lifted"] == 1
    assert house.dial(other).status == 200


def test_the_api_tells_what_a_call_is_told(house: House, crm: httpx.Client, number: str) -> None:
    """The same question has the same answer, and asking leaves nothing in the log."""
    before = house.vaglio.entries("decision")
    asked = {"number": number, "campaign": "renewals"}
    judged = crm.post("/v1/check", json=asked).json()
    assert house.vaglio.entries("decision") == before
    assert house.dial(number).status == 200
    decision = house.decision(number)
    assert (decision["verdict"], decision["reason"]) == (judged["verdict"], judged["reason"])
    told = [(one["rule"], one["outcome"]) for one in judged["findings"]]
    assert [(one["rule"], one["outcome"]) for one in decision["findings"]] == told
