"""All pages of the console: one file a page group, each with its own router."""

from fastapi import APIRouter, FastAPI

from vaglio.web.console import (
    account,
    campaigns,
    checkpoints,
    decisions,
    door,
    number,
    registers,
    reports,
    rulebooks,
    scrub,
    today,
)
from vaglio.web.console.errors import tell_people

router = APIRouter(include_in_schema=False)
for _group in (
    door,
    account,
    today,
    decisions,
    number,
    registers,
    campaigns,
    rulebooks,
    scrub,
    reports,
    checkpoints,
):
    router.include_router(_group.router)


def install(app: FastAPI) -> None:
    """Add the console to the application, after everything for programs."""
    app.include_router(router)
    tell_people(app)
