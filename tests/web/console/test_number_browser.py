"""A number, in a real browser: looked up, judged, opposed, lifted, reported."""

import json

import pytest
from playwright.sync_api import Page, expect

from lab.vaglio import Vaglio
from tests.web.console.conftest import PHONE, Open, assert_accessible, assert_fits, keep_picture
from tests.web.console.furnishing import HOSTILE, OPPOSED
from vaglio.web.access import Role


def ask(page: Page, number: str, campaign: str = "") -> None:
    """Fill in the form of a number and send it."""
    page.goto("/number")
    page.get_by_label("Number", exact=True).fill(number)
    page.get_by_label("Campaign", exact=True).select_option(campaign)
    page.get_by_role("button", name="Look it up").click()


def test_a_number_is_explained(open_as: Open) -> None:
    """What would be decided with the rule that blocks and its citation, what is held, what was decided."""
    page = open_as(Role.AUDITOR)
    ask(page, OPPOSED, "renewals")
    judged = page.locator("section", has=page.get_by_role("heading", name="Now, for renewals"))
    expect(judged.get_by_text("blocked", exact=True)).to_be_visible()
    expect(judged.locator("tr", has_text="blocks").first).to_contain_text("art. 21")
    held = page.locator("section", has=page.get_by_role("heading", name="What is held"))
    expect(held.get_by_role("table").first).to_contain_text("aurora")
    decided = page.locator("section", has=page.get_by_role("heading", name="What was decided"))
    expect(decided.get_by_role("row").nth(1)).to_be_visible()
    expect(page.get_by_role("button", name="Record the opposition")).to_have_count(0)
    expect(page.get_by_role("button", name="Download as text")).to_have_count(0)


def test_an_opposition_is_recorded_and_lifted(open_as: Open, furnished: Vaglio) -> None:
    """It binds at once, the log says by whom and by which door, and only evidence lifts it."""
    page = open_as(Role.DATA_PROTECTION_OFFICER)
    number = "+393339000001"
    ask(page, number, "renewals")
    page.get_by_label("Principal", exact=True).select_option("aurora")
    page.get_by_label("Channel", exact=True).select_option("complaint")
    page.locator("#f-oppose-evidence").fill(HOSTILE)
    page.get_by_role("button", name="Record the opposition").click()
    expect(page.get_by_role("status").first).to_contain_text("It binds from the next call on")
    told = furnished.entries("change-announced")[-1]
    assert (told["change"], told["by"], told["via"]) == ("opposition", "data-protection-officer", "console")
    assert told["controller"] == "aurora"
    expect(page.get_by_text(HOSTILE)).to_be_visible()
    assert furnished.json("check", number, "--campaign", "renewals", codes=(1,))["reason"] == "OPPOSITION"
    page.locator("#f-lift-evidence").fill("ticket:17")
    page.get_by_role("button", name="Lift the opposition").click()
    expect(page.get_by_role("status").first).to_contain_text("The opposition is lifted")
    assert furnished.entries("change-announced")[-1]["evidence_uri"] == "ticket:17"
    found = furnished.json("opposition", "show", number)
    assert [(one["channel"], one["lifted_evidence_uri"]) for one in found] == [("complaint", "ticket:17")]


def test_a_consent_is_withdrawn(open_as: Open, furnished: Vaglio) -> None:
    """The consent stays on record, and is offered no more."""
    number = "+393339000002"
    given = ("--given-at", "2026-01-02T10:00:00Z", "--method", "paper")
    furnished.run("consent", "add", number, "--controller", "aurora", "--purpose", "marketing", *given)
    page = open_as(Role.DATA_ENTRY)
    ask(page, number)
    page.get_by_role("button", name="Record the withdrawal").click()
    expect(page.get_by_role("status").first).to_contain_text("The withdrawal is recorded")
    expect(page.get_by_role("button", name="Record the withdrawal")).to_have_count(0)
    assert furnished.entries("change-announced")[-1]["change"] == "consent-withdrawn"


@pytest.mark.parametrize(("button", "ending"), [("Download as text", "txt"), ("Download as JSON", "json")])
def test_the_report_for_the_person_is_downloaded(
    open_as: Open, furnished: Vaglio, button: str, ending: str
) -> None:
    """In clear, under a name without the number; the log says so first."""
    page = open_as(Role.DATA_PROTECTION_OFFICER)
    ask(page, OPPOSED)
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    assert waiting.value.suggested_filename == f"subject-report-{OPPOSED[-3:]}.{ending}"
    text = waiting.value.path().read_text(encoding="utf-8")
    assert OPPOSED in text
    assert ending == "txt" or json.loads(text)["held"] is True
    told = furnished.entries("access")[-1]
    assert (told["access"], told["by"], told["via"]) == ("subject-report", "data-protection-officer", "console")


def test_what_is_no_number_is_told_at_the_field(open_as: Open) -> None:
    """With what to do instead."""
    page = open_as(Role.CAMPAIGN_MANAGER)
    ask(page, HOSTILE)
    expect(page.get_by_label("Number", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("write it as +…")).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("it", "dark"), ("fr", "light")])
def test_the_page_is_accessible(open_as: Open, language: str, scheme: str) -> None:
    """In every language, light and dark, at a desk and on a phone."""
    page = open_as(Role.DATA_PROTECTION_OFFICER, scheme=scheme, language=language)
    page.goto("/number")
    page.locator("#f-number").fill(OPPOSED)
    page.locator("#f-campaign").select_option("renewals")
    page.locator("main button.main").first.click()
    expect(page.locator("#decided")).to_be_visible()
    assert_accessible(page)
    keep_picture(page, f"number-{scheme}-{language}")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert_fits(page)
    assert_accessible(page)
    keep_picture(page, f"number-{scheme}-{language}-phone")
