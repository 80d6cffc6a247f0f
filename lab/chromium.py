"""A real Chromium, the distribution's own, driven over its debugging protocol."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from lab.errors import ChromiumUnavailable

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str:
    """The program.

    Raises:
        ChromiumUnavailable: when there is none.
    """
    for name in _PROGRAMS:
        if (found := shutil.which(name)) is not None:
            return found
    raise ChromiumUnavailable("no Chromium here; run scripts/test-parts, or apt-get install chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser; no test that needs an event loop may run in the same thread meanwhile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()
