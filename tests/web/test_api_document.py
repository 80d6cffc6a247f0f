"""The OpenAPI document, held against the application by requests made from it, right ones and wrong ones."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import load_all_checks
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from tests.web.conftest import ORIGIN, MakeClient
from tests.web.decided import decide
from vaglio.audit.sealing import Sealer
from vaglio.web.access import Role
from vaglio.web.api.bulk import MEDIA_TYPE
from vaglio.web.rooms import Rooms

EXAMPLES = 8
"""Requests an operation and sort."""
NUMBERS = [f"+39333123450{last}" for last in range(10)]
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
KNOWN = {"campaign": "renewals", "controller": "aurora", "jurisdiction": "it"}
"""What right requests name, for what is not here is only ever answered by 404."""

ENUMERATED = {"purpose", "dial_mode", "mode", "on_failure"}
CAMPAIGN = {
    "id": KNOWN["campaign"],
    "controller": KNOWN["controller"],
    "caller_org": "callright",
    "sector": "telecom",
    "region": "IT",
    "accepted_risk": "known",
}
"""Of a right campaign, what its other fields must go with."""

Ask = Callable[[schemathesis.Case[Any]], Response]

load_all_checks()
schemathesis.openapi.format("e164", st.sampled_from(NUMBERS))
schemathesis.openapi.format(
    "date-time",
    st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat),  # noqa: DTZ001
)


@schemathesis.serializer(MEDIA_TYPE)
def lines(_: schemathesis.SerializationContext, value: object) -> bytes:
    """NDJSON as it stands: to the document it is a text."""
    return str(value).encode()


def hold(operation: Any, mode: schemathesis.GenerationMode, known: dict[str, str], ask: Ask) -> None:
    """Ask one operation rightly or wrongly and hold the answers to the document."""
    names = {parameter.name for parameter in operation.path_parameters}
    path = {name: value for name, value in known.items() if name in names} if mode is POSITIVE else {}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode, **({"path_parameters": path} if path else {})))
    def asked(case: schemathesis.Case[Any]) -> None:
        if mode is POSITIVE and isinstance(case.body, dict):
            case.body |= {key: known[key] for key in case.body.keys() & {"controller", "campaign"}}
            if case.method == "PUT":
                case.body = {**{key: case.body[key] for key in case.body.keys() & ENUMERATED}, **CAMPAIGN}
        # Beyond form: a number of no country, a campaign's dates in the wrong order.
        case.validate_response(ask(case), excluded_checks=[positive_data_acceptance, ignored_auth])

    asked()


async def test_every_answer_is_as_documented(client: MakeClient, rooms: Rooms) -> None:
    """No 5xx, no status, type or field that the document does not tell, and no wrong request let in."""
    officer, manager = await client(Role.DATA_PROTECTION_OFFICER), await client(Role.CAMPAIGN_MANAGER)
    known = {**KNOWN, "decision": (await decide(rooms.site, NUMBERS[0]))[0]}
    with Sealer(rooms.site.log_file, rooms.keys) as sealer:
        sealer.step(now=True)
    project = ProjectConfig(
        generation=GenerationConfig(with_security_parameters=False, allow_extra_parameters=False)
    )
    schema = schemathesis.openapi.from_dict(
        (await officer.get("/openapi.json")).json(),
        config=SchemathesisConfig(projects=ProjectsConfig(default=project)),
    )
    loop = asyncio.get_running_loop()
    told: Counter[tuple[str, int]] = Counter()

    def ask(case: schemathesis.Case[Any]) -> Response:
        who = manager if case.method == "PUT" else officer  # nobody may do everything
        sent = {**case.as_transport_kwargs(base_url=ORIGIN)}
        sent.pop("cookies", None)
        if isinstance(sent.get("data"), str | bytes):
            sent["content"] = sent.pop("data")
        request = httpx.Request(**sent)
        request.headers["authorization"] = who.headers["authorization"]
        answer = asyncio.run_coroutine_threadsafe(who.send(request), loop).result(30)
        told[case.operation.label, answer.status_code] += 1
        return Response.from_httpx(answer, verify=True)

    failures = []
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
    for operation in operations:
        for mode in (POSITIVE, NEGATIVE):
            if operation.path.endswith("/bulk") and mode is NEGATIVE:
                continue  # any text is lines, and a wrong line is no wrong request
            try:
                await asyncio.to_thread(hold, operation, mode, known, ask)
            except Unsatisfiable:
                assert mode is NEGATIVE  # an operation without parameters cannot be asked wrongly
            except (FailureGroup, Failure) as failure:
                failures.append(f"{operation.label}, {mode.value}: {failure}")
    assert not failures, "\n".join(failures)
    never = {one.label for one in operations} - {label for label, status in told if status < 300}
    assert never == set()


async def test_every_operation_is_told_in_full(anybody: httpx.AsyncClient) -> None:
    """Id, tag, summary, description; a key where one is needed; problems by their type; bodies with examples."""
    document = (await anybody.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    tags = {one["name"] for one in document["tags"]}
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    ids = [one["operationId"] for one in operations.values()]
    assert len(set(ids)) == len(ids)
    for name, operation in operations.items():
        assert set(operation["tags"]) <= tags, name
        assert operation["summary"], name
        assert operation["description"], name
        assert ("security" in operation) == (name not in {"GET /livez", "GET /readyz"}), name
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and name != "GET /readyz":
                assert set(answer["content"]) == {"application/problem+json"}, (name, status)
    schemas = document["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    asked = {one: schemas[one] for one in schemas if one.startswith(("New", "Lift", "Search", "ConsentWith"))}
    assert len(asked) >= 8
    assert all(one["examples"] for name, one in asked.items() if name != "Lifted")
    assert all(one["additionalProperties"] is False for one in asked.values())


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "PUT"])
async def test_a_method_nobody_has_is_a_problem(anybody: httpx.AsyncClient, method: str) -> None:
    """405, and which there are."""
    answer = await anybody.request(method, "/v1/check")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/problem+json"
