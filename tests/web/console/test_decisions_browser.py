"""Today, decisions, proofs and checkpoints in a real browser, on a day of real decisions."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lab.vaglio import Vaglio
from tests.web.console.conftest import PHONE, Open, assert_accessible, assert_fits, keep_picture
from tests.web.console.furnishing import CALLS, HOSTILE, OPPOSED, yesterday
from vaglio.audit.proof import verify_proof
from vaglio.site import Site
from vaglio.web.access import Role

pytestmark = pytest.mark.timeout(300)  # a browser, on whatever machine
DAY = f"{yesterday():%Y-%m-%d}"


def opposed_decision(page: Page) -> None:
    """Go to a decision about a person who has opposed, by the filter."""
    page.goto("/decisions")
    page.get_by_label("Reason").select_option("OPPOSITION")
    page.get_by_role("button", name="Find").first.click()
    page.get_by_role("rowheader").get_by_role("link").first.click()


def test_today_shows_the_days_figures(open_as: Open) -> None:
    """Calls, verdicts by reason, answer times, what went past, the registers, the silent calls."""
    page = open_as(Role.OPS)
    page.goto(f"/today?day={DAY}")
    figures = page.locator("dl.figures")
    expect(figures).to_contain_text(f"Calls decided{CALLS}")
    expect(figures).to_contain_text("Failures let through1")
    expect(figures).to_contain_text("Unscreened calls1")
    expect(figures).to_contain_text("no answer")  # nobody serves calls in this test
    expect(page.get_by_role("table", name="Verdicts by reason")).to_contain_text("The person opposed such calls.")
    expect(page.get_by_role("table", name="Registers now")).to_contain_text("tps")
    expect(page.get_by_role("table", name="Silent calls")).to_contain_text("renewals")
    expect(page.get_by_role("img", name=re.compile("Bar chart"))).to_be_visible()
    assert page.locator("svg.chart rect.rect").count() > 10
    page.get_by_role("link", name="Day before").click()
    expect(page.get_by_text("No call was decided on this day.").first).to_be_visible()


def test_decisions_are_found_and_explained(open_as: Open) -> None:
    """By filter to the decision, its rules with their citation, the entry it rests on, what became of the call."""
    page = open_as(Role.AUDITOR)
    opposed_decision(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("…567")
    expect(page.locator(".outcome")).to_contain_text("blocked")
    rules = page.get_by_role("table", name="Rules asked")
    expect(rules).to_contain_text("GDPR")
    expect(page.get_by_text("Verdict delivered")).to_be_visible()
    assert OPPOSED not in page.content()
    rules.get_by_role("link", name="entry:").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Change")


def test_a_call_is_found_by_its_id(open_as: Open) -> None:
    """And a number typed there by mistake is not sent."""
    page = open_as(Role.AUDITOR)
    page.goto("/decisions")
    page.get_by_label("Call id").fill(OPPOSED)
    page.get_by_role("button", name="Find").first.click()
    assert OPPOSED not in page.url
    begin = int(yesterday().timestamp()) + 7 * 3600 + 450
    page.get_by_label("Call id").fill(f"pbx-{begin}.1")
    page.get_by_role("button", name="Find").first.click()
    expect(page.get_by_role("rowheader")).to_have_count(1)


def test_pages_of_decisions_follow_one_another(open_as: Open) -> None:
    """Every decision once, newest first."""
    page = open_as(Role.AUDITOR)
    page.goto("/decisions")
    seen = page.get_by_role("rowheader").get_by_role("link").evaluate_all("all => all.map(one => one.href)")
    while page.get_by_role("link", name="Older entries").count():
        page.get_by_role("link", name="Older entries").click()
        seen += page.get_by_role("rowheader").get_by_role("link").evaluate_all("all => all.map(one => one.href)")
    assert len(seen) == len(set(seen)) == CALLS


def test_a_search_by_number_is_an_entry(open_as: Open, furnished: Vaglio) -> None:
    """The number never stands in an address; the search stands in the log with the name of who searched."""
    before = len(furnished.entries("access"))
    page = open_as(Role.AUDITOR)
    page.goto("/decisions")
    page.get_by_role("textbox", name="Number").fill("333 123 4567")
    page.get_by_label("Country").select_option("IT")
    page.get_by_role("button", name="Find").last.click()
    expect(page.get_by_role("heading", name="Entries about")).to_contain_text("…567")
    assert page.get_by_role("rowheader").count() > CALLS // 12
    assert "333" not in page.url
    added = furnished.entries("access")[before:]
    assert [(one["access"], one["by"], one["via"]) for one in added] == [("search", "auditor", "console")]
    page.get_by_role("textbox", name="Number").fill("12")
    page.get_by_role("button", name="Find").last.click()
    expect(page.get_by_text("That is no number that can be called")).to_be_visible()
    assert len(furnished.entries("access")) == before + 1


def test_a_proof_is_verified_and_taken_away(open_as: Open, furnished: Vaglio, tmp_path: Path) -> None:
    """Step by step in the page; the downloaded file convinces whoever has the public key."""
    page = open_as(Role.AUDITOR)
    opposed_decision(page)
    page.get_by_role("link", name="Verify the proof").click()
    expect(page.get_by_role("status")).to_contain_text("Proven.")
    expect(page.locator(".steps .badge.good")).to_have_count(2)
    assert_accessible(page)
    keep_picture(page, "proof")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download .tlog-proof").click()
    file = tmp_path / "taken.tlog-proof"
    download.value.save_as(file)
    proof = verify_proof(file.read_bytes(), Site.at(furnished.configuration).keys().verifier)
    assert proof.record["reason"] == "OPPOSITION"
    assert proof.record["id"] in download.value.suggested_filename


def test_only_the_data_protection_officer_unseals(open_as: Open, furnished: Vaglio) -> None:
    """With a purpose that the log keeps; nobody else even sees the form."""
    page = open_as(Role.AUDITOR)
    opposed_decision(page)
    expect(page.get_by_role("button", name=re.compile("Unseal"))).to_have_count(0)
    page = open_as(Role.DATA_PROTECTION_OFFICER)
    opposed_decision(page)
    page.get_by_label("Purpose").fill("complaint 12/2026")
    page.get_by_role("button", name=re.compile("Unseal")).click()
    expect(page.get_by_role("status").filter(has_text="The number is")).to_contain_text(OPPOSED)
    entry = furnished.entries("access")[-1]
    assert (entry["access"], entry["by"], entry["purpose"]) == (
        "unseal",
        "data-protection-officer",
        "complaint 12/2026",
    )
    page.goto(page.url.removesuffix("/unseal"))
    assert OPPOSED not in page.content()


def test_the_log_is_verified_from_the_console(open_as: Open) -> None:
    """In a process of its own; who asked and what was found is kept."""
    page = open_as(Role.PRINCIPAL_AUDITOR)
    page.goto("/checkpoints")
    page.get_by_role("button", name="Verify the whole log now").click()
    expect(page.get_by_text("Intact.")).to_be_visible(timeout=90_000)
    expect(page.locator("#verification")).to_contain_text("principal-auditor · at the console")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the public key").click()
    assert "+" in download.value.path().read_text()
    with page.expect_download() as download:
        page.get_by_role("row").get_by_role("link").first.click()
    assert download.value.path().read_text().count("\n") >= 4


def test_a_principals_auditor_sees_one_principal_only(open_as: Open) -> None:
    """In the list, in the figures; another's decision is not there, however its address came to be known."""
    page = open_as(Role.AUDITOR)
    opposed_decision(page)
    others = page.url
    page = open_as(Role.PRINCIPAL_AUDITOR)
    assert page.goto(others).status == 404  # type: ignore[union-attr]
    expect(page.get_by_role("heading", level=1)).to_have_text("Not here")
    page.goto("/decisions")
    assert set(page.locator("tbody td:nth-child(4)").all_inner_texts()) == {"luce-casa"}
    page.goto(f"/today?day={DAY}")
    expect(page.get_by_text("Only the calls of borea.")).to_be_visible()
    expect(page.get_by_text("Unscreened calls")).to_have_count(0)


@pytest.mark.parametrize("language", ["it", "fr"])
def test_pages_speak_the_persons_language(open_as: Open, language: str) -> None:
    """Reasons included."""
    page = open_as(Role.AUDITOR, language=language)
    page.goto(f"/today?day={DAY}")
    told = {"it": "La persona si è opposta", "fr": "La personne s.est opposée"}[language]
    expect(page.get_by_text(re.compile(told)).first).to_be_visible()


def decision_path(page: Page) -> str:
    opposed_decision(page)
    return page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["today", "decisions", "decision", "proof", "checkpoints", "entry", "fault"])
def test_pages_are_accessible_and_fit(open_as: Open, name: str, scheme: str) -> None:
    """On a desktop and on phones, light and dark; a hostile PBX and campaign change nothing."""
    page = open_as(Role.DATA_PROTECTION_OFFICER, scheme=scheme)
    paths = {
        "today": f"/today?day={DAY}",
        "decisions": "/decisions",
        "checkpoints": "/checkpoints",
        "fault": "/decisions?since=x&call=y",
    }
    if name in paths:
        page.goto(paths[name])
    else:
        opposed_decision(page)
        if name == "proof":
            page.get_by_role("link", name="Verify the proof").click()
        if name == "entry":
            page.get_by_role("table", name="Rules asked").get_by_role("link").first.click()
    assert_accessible(page)
    keep_picture(page, f"{name}-{scheme}")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert_fits(page)
    assert_accessible(page)
    keep_picture(page, f"{name}-{scheme}-phone")
    page.set_viewport_size({"width": 360, "height": 700})
    assert_fits(page)


def test_what_a_hostile_pbx_wrote_is_only_text(open_as: Open) -> None:
    """Campaign, PBX and outcome hold a script; the page shows it and runs nothing."""
    page = open_as(Role.AUDITOR)
    page.goto("/decisions?reason=CAMPAIGN_UNKNOWN&until=" + DAY)
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    page.get_by_role("rowheader").get_by_role("link").last.click()
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
