"""Registers, campaigns and rulebooks, in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from lab.vaglio import Vaglio
from tests.web.console.conftest import PHONE, Open, assert_accessible, assert_fits, keep_picture
from tests.web.console.furnishing import HOSTILE
from vaglio.web.access import Role

SUMMER = """
[[campaign]]
id = "summer"
controller = "borea"
caller_org = "<b>callright</b><script>alert(1)</script>"
purpose = "{purpose}"
sector = "energy"
dial_mode = "preview"
region = "IT"
caller_ids = ["+390612345678"]
script_version = "1"
notice_version = "1"
"""
BOOK = Path(__file__).parents[3] / "src" / "vaglio" / "rules" / "rulebooks"


def test_registers_tell_how_fresh_they_are(open_as: Open) -> None:
    """The list that was taken in, its days left and the campaign that asks it; another never was."""
    page = open_as(Role.OPS)
    page.goto("/registers")
    tps = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="tps", exact=True))
    expect(tps).to_contain_text("fresh")
    expect(tps.get_by_role("link", name="fibre-offer")).to_be_visible()
    rpo = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="rpo", exact=True))
    expect(rpo).to_contain_text("never taken in")
    tps.get_by_role("link", name="fibre-offer").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("fibre-offer")


def test_campaigns_are_imported_whole_or_not_at_all(open_as: Open, furnished: Vaglio, tmp_path: Path) -> None:
    """A bad file changes nothing and says why; a good one tells what was and who did it; hostile text is inert."""
    page = open_as(Role.CAMPAIGN_MANAGER)
    page.goto("/campaigns")
    file = tmp_path / f"{HOSTILE.replace('/', '')}.toml"
    file.write_text(SUMMER.format(purpose="service") + SUMMER.format(purpose="nonsense").replace("summer", "bad"))
    page.locator("#f-file").set_input_files(file)
    page.get_by_role("button", name="Import the file").click()
    expect(page.get_by_role("alert")).to_contain_text("campaign bad: purpose")
    expect(page.get_by_role("alert")).to_contain_text(file.name)
    assert "summer" not in [one["id"] for one in furnished.json("campaign", "list")]
    for purpose in ("service", "marketing"):
        file.write_text(SUMMER.format(purpose=purpose))
        page.locator("#f-file").set_input_files(file)
        page.get_by_role("button", name="Import the file").click()
        expect(page.get_by_role("status").first).to_contain_text("The file is taken over")
    page.get_by_role("link", name="summer", exact=True).click()
    change = page.locator("article").first
    expect(change).to_contain_text("by campaign-manager")
    expect(change.get_by_role("row", name="purpose service marketing")).to_be_visible()
    expect(page.locator("article")).to_have_count(2)
    expect(page.get_by_text("<b>callright</b>").first).to_be_visible()
    told = furnished.entries("change-announced")[-1]
    assert (told["by"], told["via"], told["file"]) == ("campaign-manager", "console", file.name)


def test_the_law_of_a_day_is_shown_and_compared(open_as: Open) -> None:
    """With citation and how sure; what changed between two days; each rule whole."""
    page = open_as(Role.AUDITOR)
    page.goto("/rulebooks")
    page.locator("#f-book").select_option("it")
    page.locator("#f-at").fill("2026-09-01")
    page.locator("#f-since").fill("2025-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="What changed in it from 2025-01-01 to 2026-09-01")).to_be_visible()
    expect(page.locator("article").first).to_contain_text("added")
    page.get_by_role("row").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="As its file says it")).to_be_visible()
    expect(page.locator("main")).to_contain_text("citation")


def test_a_file_of_rules_is_tried_and_not_taken_over(open_as: Open, tmp_path: Path) -> None:
    """What it would change is told; what is no such file is refused by its own name."""
    page = open_as(Role.AUDITOR)
    changed = (BOOK / "gb.toml").read_text(encoding="utf-8")
    summary = next(line for line in changed.splitlines() if line.startswith("summary = "))
    file = tmp_path / f"{HOSTILE.replace('/', '')}.toml"
    file.write_text(changed.replace(summary, 'summary = "<script>alert(2)</script>"', 1), encoding="utf-8")
    for text in (None, "nonsense = ["):
        if text is not None:
            file.write_text(text)
        page.goto("/rulebooks")
        page.locator("#f-try-book").select_option("gb")
        page.locator("#f-file").set_input_files(file)
        page.get_by_role("button", name="Compare").click()
        if text is None:
            expect(page.locator("article")).to_have_count(1)
            expect(page.locator("article")).to_contain_text("<script>alert(2)</script>")
        else:
            expect(page.get_by_role("alert")).to_contain_text(file.name)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        "/registers",
        "/campaigns",
        "/campaigns/renewals",
        "/rulebooks?book=it&since=2025-01-01&at=2026-09-01",
        "/rulebooks/rules/IT-COC-02",
    ],
)
def test_the_pages_are_accessible(open_as: Open, path: str, scheme: str) -> None:
    """Light and dark, at a desk and on a phone."""
    page = open_as(Role.CAMPAIGN_MANAGER, scheme=scheme)
    page.goto(path)
    assert_accessible(page)
    name = path.partition("?")[0].strip("/").replace("/", "-")
    keep_picture(page, f"{name}-{scheme}")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert_fits(page)
    assert_accessible(page)
    keep_picture(page, f"{name}-{scheme}-phone")
