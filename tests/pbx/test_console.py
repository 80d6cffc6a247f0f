"""Real calls and the console: from the PBX to the page, and from the page to the next call."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from lab.chromium import chromium, find
from lab.errors import ChromiumUnavailable
from lab.house import House

pytestmark = [pytest.mark.pbx, pytest.mark.timeout(300)]


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A Chromium; without one the test skips, and fails where CI is set."""
    try:
        find()
    except ChromiumUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"browser tests cannot run: {error}")
        pytest.skip(f"BROWSER TESTS DO NOT RUN: {error}")
    with chromium() as running:
        yield running


def test_a_call_just_made_is_found_explained_and_proven(house: House, number: str, browser: Browser) -> None:
    """The service is ready, the decision was delivered, and the next checkpoint proves it."""
    house.dial(number)
    decision = house.decision(number)
    told = house.vaglio.json("account", "add", "anna", "--role", "auditor")
    with house.vaglio.web:
        page = browser.new_page(base_url=f"http://127.0.0.1:{house.vaglio.web.port}")
        page.set_default_timeout(60_000)
        page.goto("/")
        page.get_by_label("Name", exact=True).fill("anna")
        page.get_by_label("Password").fill(told["password"])
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("dl.figures")).to_contain_text("Serviceready")
        page.get_by_role("link", name="Decisions").click()
        page.locator(f'a[href="/decisions/{decision["id"]}"]').click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(number[-3:])
        expect(page.get_by_text("Verdict delivered").locator("xpath=following-sibling::dd[1]")).to_contain_text(
            "ms"
        )
        house.vaglio.run("audit", "checkpoint")
        page.get_by_role("link", name="Verify the proof").click()
        expect(page.get_by_role("status")).to_contain_text("Proven.")
        page.close()


def test_an_opposition_recorded_in_the_page_blocks_the_next_call(
    house: House, number: str, browser: Browser
) -> None:
    """The call before goes out; the one after it does not, as soon as the page has said so."""
    told = house.vaglio.json("account", "add", "carla", "--role", "data-entry")
    assert house.dial(number).status == 200
    with house.vaglio.web:
        page = browser.new_page(base_url=f"http://127.0.0.1:{house.vaglio.web.port}", locale="en")
        page.set_default_timeout(60_000)
        page.goto("/number")
        page.get_by_label("Name", exact=True).fill("carla")
        page.get_by_label("Password").fill(told["password"])
        page.get_by_role("button", name="Log in").click()
        page.get_by_label("Number", exact=True).fill(number)
        page.get_by_role("button", name="Look it up").click()
        page.get_by_label("Principal", exact=True).select_option("aurora")
        page.get_by_role("button", name="Record the opposition").click()
        expect(page.get_by_role("status").first).to_contain_text("It binds from the next call on")
        assert house.dial(number).status == 603
        page.close()
    assert len(house.pbx.saw(number)) == 1
    assert house.decision(number)["reason"] == "OPPOSITION"
