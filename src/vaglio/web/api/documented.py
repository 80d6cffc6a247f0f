"""What the OpenAPI document says of every route alike: the problems it may answer with, in RFC 9457's own type."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from vaglio.web.problems import MEDIA_TYPE, Problem

_WHEN: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "The body could not be read as what it says it is.",
        401: "No key, or one that is wrong, expired or revoked.",
        403: "The key's role does not grant it, or its controller is another.",
        404: "Not here, or not for this key: the two are not told apart.",
        408: "The body stopped coming.",
        409: "Not possible as things stand; the detail says what is in the way.",
        410: "The number was erased, or its retention has ended.",
        413: "The body is larger than it may be.",
        415: "Another media type is expected.",
        421: "The request names a host that this service does not go by.",
        422: "A field is not what it must be; nothing was done.",
        429: "Too many wrong keys from this address, or too many at once; see Retry-After.",
        503: "The index or the log cannot be read or written now, or is damaged; nothing was shown.",
    }
)
_ALWAYS: Final = (401, 403, 421, 422, 429, 503)
_WITH_BODY: Final = (400, 408, 413)


def problems(*others: int, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: what every one may answer, what those with a body may, and these."""
    statuses = sorted({*_ALWAYS, *(_WITH_BODY if body else ()), *others})
    return {status: _response(status) for status in statuses}


def unguarded() -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that asks for no key."""
    return {421: _response(421), 503: _response(503)}


def _response(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    told: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}. {_WHEN[status]}",
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        told["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return told


def document(app: FastAPI, tags: list[dict[str, str]]) -> None:
    """Have the application describe itself so, made once."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
                tags=tags,
                license_info=app.license_info,
                separate_input_output_schemas=False,
            )
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(problem.pop("$defs", {}))
            schemas["Problem"] = problem
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
