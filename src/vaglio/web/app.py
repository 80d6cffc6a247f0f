"""The application: the API, the console, health, behind one threshold."""

from typing import Final

from fastapi import FastAPI
from starlette.types import ASGIApp

from vaglio import __version__
from vaglio.web import health, problems
from vaglio.web.api import router as api_router
from vaglio.web.api.documented import document
from vaglio.web.console import router as console_router
from vaglio.web.exposure import Exposure
from vaglio.web.rooms import Rooms
from vaglio.web.threshold import Threshold

_DESCRIPTION: Final = """\
Vaglio's HTTP API: the same index, rules and log as the call's path, for CRMs, diallers and auditors' programs.

Numbers are E.164 (`+39…`) and never stand in an address. Times are ISO 8601 with zone. Errors are problems as in
RFC 9457.
"""


def create_app(rooms: Rooms, reach: Exposure) -> ASGIApp:
    """The whole web on open rooms."""
    return Threshold(documented(rooms), reach, _larger(rooms))


def documented(rooms: Rooms) -> FastAPI:
    """The application without its threshold: what the OpenAPI document describes."""
    app = FastAPI(
        title="Vaglio",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,  # its pages come from the internet
        redoc_url=None,
        openapi_url="/openapi.json",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.rooms = rooms
    problems.install(app)
    rooms.metrics.watch(app)
    app.include_router(health.router)
    app.include_router(api_router.router)
    console_router.install(app)
    document(app, api_router.TAGS)
    return app


def _larger(rooms: Rooms) -> dict[str, int]:
    """The paths that take lists, and how many bytes each may be sent."""
    most = rooms.site.settings.web.upload_mb * 1_000_000
    return dict.fromkeys(api_router.BULK, most) | console_router.larger(most)
