"""Errors as RFC 9457 tells them: `application/problem+json`, one shape for every refusal of the API."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from vaglio.errors import ConfigError, InputError, NotFoundError, StoreError, VaglioError, VerificationError
from vaglio.redaction import redact

MEDIA_TYPE: Final = "application/problem+json"
_STATUS: Final[Mapping[type[VaglioError], HTTPStatus]] = {
    InputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFoundError: HTTPStatus.NOT_FOUND,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    ConfigError: HTTPStatus.SERVICE_UNAVAILABLE,
    VerificationError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_MOST_ERRORS: Final = 20
_LONGEST_FIELD: Final = 120


class FieldError(BaseModel):
    """One field that is not what it must be."""

    field: str = Field(description="Path of the field, parts joined by dots.", examples=["numbers.3"])
    problem: str = Field(description="What was expected.")


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(default="about:blank", description="Always about:blank: the status says it.")
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="What is wrong and what to do next; never a number in clear.")
    errors: list[FieldError] | None = Field(default=None, description="Field by field, where fields are wrong.")


class ProblemError(HTTPException):
    """Raised where a request cannot be answered as asked; also while its body is still being read."""

    def __init__(self, status: HTTPStatus, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)


def problem_response(
    status: HTTPStatus,
    detail: str,
    *,
    errors: list[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer that tells of a problem; long runs of digits in `detail` are masked."""
    told = Problem(title=status.phrase, status=status, detail=_plain(detail), errors=errors)
    return JSONResponse(
        told.model_dump(exclude_none=True), status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def install(app: FastAPI) -> None:
    """Have every error of the application told so."""

    @app.exception_handler(VaglioError)
    async def _mendable(_: Request, error: VaglioError) -> Response:
        status = next((told for kind, told in _STATUS.items() if isinstance(error, kind)), HTTPStatus.CONFLICT)
        return problem_response(status, str(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        found = [_field_error(one) for one in error.errors()[:_MOST_ERRORS]]
        detail = "; ".join(f"{one.field}: {one.problem}" for one in found)
        return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=found)

    @app.exception_handler(HTTPException)
    async def _refused(_: Request, error: HTTPException) -> Response:
        return problem_response(HTTPStatus(error.status_code), str(error.detail), headers=error.headers)

    @app.exception_handler(Exception)
    async def _defect(request: Request, error: Exception) -> Response:
        structlog.get_logger("vaglio.web").error("request failed", path=request.url.path, exc_info=error)
        return problem_response(
            HTTPStatus.INTERNAL_SERVER_ERROR, "a defect of Vaglio; the service's log tells what happened"
        )


def _field_error(error: Mapping[str, Any]) -> FieldError:
    """Where, and what was expected; never what was sent."""
    field = ".".join(str(part) for part in error["loc"] if part not in {"body", "query", "path"})
    return FieldError(
        field=_plain(field)[:_LONGEST_FIELD] or "body",
        problem=_plain(str(error["msg"]).removeprefix("Value error, ")),
    )


def _plain(text: str) -> str:
    """Without numbers, and without what no text shows or no encoding takes: a field's name may be the sender's."""
    return "".join(mark if mark.isprintable() else "…" for mark in redact(text))
