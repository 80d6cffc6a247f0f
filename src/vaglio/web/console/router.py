"""All pages of the console: one file a page group, each with its own router."""

from typing import Final

from fastapi import FastAPI

from vaglio.web.console import (
    account,
    campaigns,
    checkpoints,
    decisions,
    door,
    number,
    pack,
    registers,
    reports,
    rulebooks,
    scrub,
    today,
)
from vaglio.web.console.errors import tell_people

_FORM_BYTES: Final = 100_000
"""What a form adds to a file."""
GROUPS: Final = (
    door.router,
    account.router,
    today.router,
    decisions.router,
    number.router,
    registers.router,
    campaigns.router,
    rulebooks.router,
    scrub.router,
    reports.router,
    pack.router,
    checkpoints.router,
)
"""The routers of the page groups."""


def install(app: FastAPI) -> None:
    """Add the console to the application, after everything for programs."""
    for group in GROUPS:
        app.include_router(group, include_in_schema=False)
    tell_people(app)


def larger(lists: int) -> dict[str, int]:
    """The paths that take files, and how many bytes each may be sent; `lists` is for lists."""
    return {scrub.UPLOAD_PATH: lists + _FORM_BYTES, campaigns.IMPORT_PATH: campaigns.IMPORT_BYTES}
