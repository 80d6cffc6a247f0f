"""`/livez`, `/readyz`, `/metrics` of the web process itself."""

from typing import Annotated

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from vaglio.errors import VaglioError
from vaglio.web.access.caller import Caller
from vaglio.web.access.roles import Permission
from vaglio.web.api.documented import problems, unguarded
from vaglio.web.callers import InRooms, allowed

router = APIRouter(tags=["health"])


@router.get(
    "/livez",
    operation_id="livez",
    response_class=PlainTextResponse,
    summary="Does the process answer?",
    responses=unguarded(),
)
async def livez() -> str:
    """Always `ok`."""
    return "ok\n"


@router.get(
    "/readyz",
    operation_id="readyz",
    response_class=PlainTextResponse,
    summary="Can it read the index and the log, and write?",
    responses={
        **unguarded(),
        503: {
            "description": "It cannot; a line a fault.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
    },
)
async def readyz(rooms: InRooms) -> Response:
    """`ok`, or what is wrong, a line each."""
    faults = []
    for read in (rooms.index.generation, rooms.log.size):
        try:
            read()
        except VaglioError as error:
            faults.append(str(error))
    if rooms.writer.failing:
        faults.append("audit.db: the last entry could not be written")
    return PlainTextResponse("\n".join(faults or ["ok"]) + "\n", 503 if faults else 200)


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Prometheus metrics of the web process",
    response_class=Response,
    responses={
        200: {
            "content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}},
            "description": "Never a number in a label.",
        },
        **problems(),
    },
)
async def metrics(rooms: InRooms, _: Annotated[Caller, allowed(Permission.STATUS)]) -> Response:
    """What Prometheus reads; give it an API key of the role `ops`."""
    return Response(generate_latest(rooms.metrics.registry), media_type=CONTENT_TYPE_LATEST)
