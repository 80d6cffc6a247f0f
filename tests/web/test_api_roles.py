"""Who may do what, and to whose data: one table of every route of the API."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.web.conftest import Client, MakeClient
from tests.web.decided import decide
from vaglio.audit.sealing import Sealer
from vaglio.changes import Change
from vaglio.index.campaigns import definition_json
from vaglio.model import Controller
from vaglio.web.access import Role
from vaglio.web.app import documented
from vaglio.web.rooms import Rooms

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE = """
route                                | ops | manager | data-entry | auditor | principal | officer | another's data
GET /livez                           | yes | yes     | yes        | yes     | yes       | yes     | nobody's
GET /readyz                          | yes | yes     | yes        | yes     | yes       | yes     | nobody's
GET /metrics                         | yes | yes     | no         | yes     | yes       | yes     | nobody's
POST /v1/check                       | yes | yes     | yes        | yes     | yes       | yes     | as absent
POST /v1/oppositions                 | no  | no      | yes        | no      | no        | yes     | refused
POST /v1/oppositions/lift            | no  | no      | yes        | no      | no        | yes     | refused
POST /v1/oppositions/show            | no  | no      | yes        | yes     | yes       | yes     | as absent
POST /v1/oppositions/bulk            | no  | no      | yes        | no      | no        | yes     | rejected
POST /v1/consents                    | no  | no      | yes        | no      | no        | yes     | refused
POST /v1/consents/withdraw           | no  | no      | yes        | no      | no        | yes     | refused
POST /v1/consents/show               | no  | no      | yes        | yes     | yes       | yes     | as absent
POST /v1/consents/bulk               | no  | no      | yes        | no      | no        | yes     | rejected
POST /v1/withdrawals                 | no  | no      | yes        | no      | no        | yes     | refused
POST /v1/withdrawals/show            | no  | no      | yes        | yes     | yes       | yes     | as absent
POST /v1/withdrawals/bulk            | no  | no      | yes        | no      | no        | yes     | rejected
POST /v1/relationships               | no  | no      | yes        | no      | no        | yes     | refused
POST /v1/relationships/show          | no  | no      | yes        | yes     | yes       | yes     | as absent
POST /v1/relationships/bulk          | no  | no      | yes        | no      | no        | yes     | rejected
POST /v1/contacts                    | no  | no      | yes        | no      | no        | yes     | refused
POST /v1/contacts/show               | no  | no      | yes        | yes     | yes       | yes     | as absent
POST /v1/contacts/bulk               | no  | no      | yes        | no      | no        | yes     | rejected
GET /v1/registers                    | yes | yes     | yes        | yes     | yes       | yes     | as absent
GET /v1/sources                      | yes | yes     | yes        | yes     | yes       | yes     | nobody's
GET /v1/campaigns                    | yes | yes     | yes        | yes     | yes       | yes     | as absent
GET /v1/campaigns/{campaign}         | yes | yes     | yes        | yes     | yes       | yes     | as absent
PUT /v1/campaigns/{campaign}         | no  | yes     | no         | no      | no        | no      | refused
GET /v1/controllers                  | yes | yes     | yes        | yes     | yes       | yes     | as absent
GET /v1/controllers/{controller}     | yes | yes     | yes        | yes     | yes       | yes     | as absent
GET /v1/rulebooks                    | yes | yes     | no         | yes     | yes       | yes     | nobody's
GET /v1/rulebooks/{jurisdiction}     | yes | yes     | no         | yes     | yes       | yes     | nobody's
POST /v1/decisions/search            | yes | yes     | no         | yes     | yes       | yes     | as absent
GET /v1/decisions/{decision}         | yes | yes     | no         | yes     | yes       | yes     | as absent
GET /v1/decisions/{decision}/proof   | yes | yes     | no         | yes     | yes       | yes     | as absent
POST /v1/decisions/{decision}/unseal | no  | no      | no         | no      | no        | yes     | as absent
GET /v1/checkpoints                  | yes | yes     | no         | yes     | yes       | yes     | nobody's
GET /v1/checkpoints/latest           | yes | yes     | no         | yes     | yes       | yes     | nobody's
GET /v1/checkpoints/public-key       | yes | yes     | no         | yes     | yes       | yes     | nobody's
"""
"""The last column: what a key of another controller finds of this one's data. *As absent* is the very answer
that it gets where there is nothing; *refused* is 403 whether or not the other is there; *rejected* each line."""

COLUMNS = {
    Role.OPS: "ops",
    Role.CAMPAIGN_MANAGER: "manager",
    Role.DATA_ENTRY: "data-entry",
    Role.AUDITOR: "auditor",
    Role.PRINCIPAL_AUDITOR: "principal",
    Role.DATA_PROTECTION_OFFICER: "officer",
}
NUMBER, STRANGER = "+393331234501", "+393331234599"
OTHER, NOBODY = "borealis", "nimbus"
"""Another principal, and one that is not here."""
NDJSON = {"content-type": "application/x-ndjson"}
WHEN = "2026-03-01T09:00:00Z"


def rows() -> dict[str, dict[str, str]]:
    head, *lines = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]
    return {line[0]: dict(zip(head[1:], line[1:], strict=True)) for line in lines}


def fact(kind: str, controller: str, number: str = NUMBER) -> dict[str, Any]:
    fields: Mapping[str, dict[str, Any]] = {
        "oppositions": {"purpose": "*", "opposed_at": WHEN},
        "consents": {"purpose": "marketing", "given_at": WHEN, "method": "web-form"},
        "withdrawals": {"purpose": "marketing", "withdrawn_at": WHEN},
        "relationships": {"kind": "contract", "started_at": WHEN},
        "contacts": {"region": "IT"},
    }
    return {"number": number, "controller": controller, **fields[kind]}


def body_of(route: str, controller: str, campaign: dict[str, Any], number: str) -> dict[str, Any]:
    """What a right request to a route sends, about that controller's data."""
    about = {"number": number, "controller": controller}
    document: dict[str, Any] | None
    match route.removeprefix("POST /v1/").split("/"):
        case [kind, "bulk"]:
            line = httpx.Request("POST", "http://x", json=fact(kind, controller, number)).content
            return {"content": line, "headers": NDJSON}
        case [_, "show"]:
            document = {"number": number}
        case ["oppositions", "lift"]:
            document = {**about, "evidence_uri": "letter:1"}
        case ["consents", "withdraw"]:
            document = {**about, "purpose": "marketing"}
        case ["check"]:
            document = {"number": number, "campaign": campaign["id"], "at": WHEN}
        case ["decisions", "search"]:
            document = {}
        case [kind] if kind in {"oppositions", "consents", "withdrawals", "relationships", "contacts"}:
            document = fact(kind, controller, number)
        case _:
            document = campaign if route.startswith("PUT") else None
    return {} if document is None else {"json": document}


class World:
    """A principal's data of every kind, and the ids by which a route names them."""

    def __init__(self, decision: str, campaign: dict[str, Any]) -> None:
        self.decision = decision
        self.campaign = campaign

    async def ask(
        self,
        client: Client,
        route: str,
        *,
        controller: str = "aurora",
        number: str = NUMBER,
        absent: bool = False,
    ) -> httpx.Response:
        """One request to a route about this principal's data; with `absent`, about what nobody has."""
        campaign = {**self.campaign, "controller": controller, **({"id": "no-such"} if absent else {})}
        method, path = route.split()
        path = path.format(
            campaign=campaign["id"],
            controller=NOBODY if absent else "aurora",
            jurisdiction="it",
            decision="01M8ANWZYXREEW41R1FAC8YA0N" if absent else self.decision,
        )
        return await client.request(method, path, **body_of(route, controller, campaign, number))


@pytest.fixture
async def world(rooms: Rooms, client: MakeClient) -> World:
    await rooms.changes.make(
        Change.CAMPAIGNS,
        {},
        lambda entry: rooms.store.put_controllers_and_campaigns(
            [Controller(OTHER, "Borealis Energia")], (), entry=entry
        ),
    )
    (decision,) = await decide(rooms.site, NUMBER)
    with Sealer(rooms.site.log_file, rooms.keys) as sealer:
        sealer.step(now=True)
    entry = await client(Role.DATA_ENTRY)
    for kind in ("consents", "withdrawals", "relationships", "contacts", "oppositions"):
        assert (await entry.post(f"/v1/{kind}", json=fact(kind, "aurora"))).status_code == 201
    renewals = rooms.index.campaign("renewals")
    assert renewals is not None
    campaign = httpx.Response(200, content=definition_json(renewals).encode()).json()
    return World(decision, campaign)


async def test_the_table_tells_of_every_route(rooms: Rooms) -> None:
    """A new route is in the table, or this fails."""
    document = documented(rooms).openapi()
    found = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert found == set(rows())


@pytest.mark.parametrize("role", Role)
async def test_a_role_may_what_the_table_says(role: Role, client: MakeClient, world: World) -> None:
    """Granted is answered with success, anything else with 403 and nothing more."""
    caller = await client(role, "aurora" if role is Role.PRINCIPAL_AUDITOR else None)
    for route, row in rows().items():
        answer = await world.ask(caller, route)
        told = f"{route} as {role}: {answer.status_code} {answer.text[:200]}"
        if row[COLUMNS[role]] == "yes":
            assert answer.status_code < 300, told
        else:
            assert answer.status_code == 403, told
            assert answer.headers["content-type"] == "application/problem+json", told
            assert role.value in answer.json()["detail"], told


async def test_without_a_key_nothing_is_open(anybody: Client, world: World) -> None:
    """401 with the scheme to use, before anything else is looked at."""
    for route in set(rows()) - {"GET /livez", "GET /readyz"}:
        answer = await world.ask(anybody, route)
        assert (route, answer.status_code) == (route, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("role", Role)
async def test_another_principals_data_are_as_the_table_says(
    role: Role, client: MakeClient, world: World, rooms: Rooms
) -> None:
    """A key of one controller learns nothing of another's: not even whether it is there."""
    caller = await client(role, OTHER)
    before = rooms.index.generation()
    for route, row in rows().items():
        if row[COLUMNS[role]] == "no":
            continue
        answer = await world.ask(caller, route)
        told = f"{route} as {role}: {answer.status_code} {answer.text[:300]}"
        match row["another's data"]:
            case "refused":
                assert answer.status_code == 403, told
                other = await world.ask(caller, route, controller=NOBODY)
                assert (other.status_code, other.text) == (403, answer.text), told
            case "rejected":
                assert (answer.json()["rejected"], answer.json()["new"]) == (1, 0), told
                assert answer.json()["rejects"][0]["field"] == "controller", told
            case "as absent":
                assert "aurora" not in answer.text.casefold().replace('"campaign":"aurora"', ""), told
                nothing = await world.ask(caller, route, number=STRANGER, absent=True)
                assert (answer.status_code, shape(answer)) == (nothing.status_code, shape(nothing)), told
            case told_of_nobody:
                assert told_of_nobody == "nobody's"
                assert answer.status_code < 300, told
                assert "aurora" not in answer.text, told
    assert lines_only(rooms.index.generation() - before)


def lines_only(risen: int) -> bool:
    """Whether nothing but loads whose every line was rejected have touched the index: five, where allowed."""
    return risen in {0, 5}


def shape(answer: httpx.Response) -> object:
    """An answer without what the asker itself named and without the clock."""
    document = answer.json()
    if isinstance(document, dict):
        for own in ("number", "campaign", "at", "local_times", "generation"):
            document.pop(own, None)
        for finding in document.get("findings", ()):
            finding["detail"] = finding["detail"].replace("renewals", "…").replace("no-such", "…")
        for register in document.get("registers", ()):
            register.pop("age_days", None)
            register.pop("days_left", None)
    return document


async def test_a_bound_key_puts_campaigns_of_its_own_alone(client: MakeClient, world: World) -> None:
    """It may not take over another's id by naming itself, nor oppose for everybody."""
    manager = await client(Role.CAMPAIGN_MANAGER, OTHER)
    own = {**world.campaign, "id": "solar", "controller": OTHER}
    assert (await manager.put("/v1/campaigns/solar", json=own)).status_code == 200
    taken = await manager.put("/v1/campaigns/renewals", json={**world.campaign, "controller": OTHER})
    assert (taken.status_code, "aurora" in taken.text) == (409, False)
    clerk = await client(Role.DATA_ENTRY, OTHER)
    refused = await clerk.post("/v1/oppositions", json={"number": NUMBER, "controller": "*"})
    assert refused.status_code == 403


@pytest.mark.usefixtures("world")
async def test_an_opposition_to_everybody_is_seen_by_everybody(client: MakeClient) -> None:
    """It binds their calls too."""
    officer = await client(Role.DATA_PROTECTION_OFFICER)
    assert (await officer.post("/v1/oppositions", json={"number": STRANGER, "controller": "*"})).status_code == 201
    clerk = await client(Role.DATA_ENTRY, OTHER)
    (fact_,) = (await clerk.post("/v1/oppositions/show", json={"number": STRANGER})).json()["facts"]
    assert fact_["controller"] == "*"
