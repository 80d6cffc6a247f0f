"""Scrub by upload, in a real browser: the same results as the command, progress, and nothing left behind."""

import hashlib
import re
from http.client import HTTPConnection
from pathlib import Path

import pytest
import xlsxwriter
from playwright.sync_api import Page, expect

from lab.vaglio import Vaglio
from tests.web.console.conftest import PHONE, LogIn, Open, assert_accessible, assert_fits, keep_picture, token_of
from tests.web.console.furnishing import HOSTILE, OPPOSED
from vaglio.web.access import Role

AT = "2026-11-25T10:00"
ROWS = [OPPOSED, *(f"+3933312{place:05d}" for place in range(40)), "nothing", "+442079460000"]


@pytest.fixture
def leads(tmp_path: Path) -> Path:
    """A list with hostile cells under a hostile name."""
    file = tmp_path / f"{HOSTILE.replace('/', '')}.csv"
    lines = [f'{number},"{HOSTILE.replace(chr(34), chr(34) * 2)}",=1+1' for number in ROWS]
    file.write_text("\n".join(["telefono,name,note", *lines]) + "\n", encoding="utf-8")
    return file


def upload(page: Page, file: Path, campaign: str = "renewals", at: str = AT) -> None:
    """Send a list and wait for what comes of it; what came of an earlier one is put aside first."""
    page.goto("/scrub")
    while (button := page.locator("form[action='/scrub/remove'] button")).count():
        button.click()
        expect(page.locator("#result, .notice.bad")).to_have_count(0)
    page.locator("#f-file").set_input_files(file)
    page.locator("#f-campaign").select_option(campaign)
    page.locator("#f-at").fill(at)
    page.locator("form[action='/scrub/list'] button.main").click()
    expect(page.locator("#result, .notice.bad").first).to_be_visible(timeout=120_000)


def fetched(page: Page, which: str) -> bytes:
    """One of the two lists as downloaded."""
    with page.expect_download() as waiting:
        page.get_by_role("link", name=f"Download {which}.csv").click()
    assert waiting.value.suggested_filename == f"{which}.csv"
    return waiting.value.path().read_bytes()


def test_an_upload_comes_out_as_the_command_does_it(
    open_as: Open, furnished: Vaglio, leads: Path, tmp_path: Path
) -> None:
    """Byte for byte, with the same counts; one entry with the list's SHA-256, and the words that it is advice."""
    before = len(furnished.entries("access"))
    page = open_as(Role.CAMPAIGN_MANAGER)
    upload(page, leads)
    expect(page.get_by_text("the gate decides again at every call")).to_be_visible()
    entries = furnished.entries("access")[before:]
    assert [(one["access"], one["by"], one["via"]) for one in entries] == [
        ("scrub", "campaign-manager", "console")
    ]
    assert entries[0]["sha256"] == hashlib.sha256(leads.read_bytes()).hexdigest()
    out = tmp_path / "out"
    told = furnished.json(
        "scrub", str(leads), "--campaign", "renewals", "--out", str(out), "--at", f"{AT}:00+00:00"
    )
    assert told["leads"] == len(ROWS)
    assert told["allowed"] > 0
    for which in ("allowed", "blocked"):
        assert fetched(page, which) == (out / f"{which}.csv").read_bytes()
    figures = page.locator(".figure .value").all_inner_texts()
    assert figures == [str(told[key]) for key in ("leads", "allowed", "blocked", "later")]
    assert page.locator("svg.chart text", has_text="OPPOSITION").count() == 1


def test_a_workbook_cell_runs_in_no_spreadsheet(open_as: Open, tmp_path: Path) -> None:
    """Text that begins like a formula gets an apostrophe on its way into the CSV file."""
    file = tmp_path / "leads.xlsx"
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate([("phone", "note"), ("+393331200001", '=HYPERLINK("http://evil")')]):
            for column, cell in enumerate(cells):
                sheet.write_string(row, column, cell)
    page = open_as(Role.CAMPAIGN_MANAGER)
    upload(page, file)
    lists = fetched(page, "allowed") + fetched(page, "blocked")
    assert b"HYPERLINK" in lists
    assert not re.search(rb"(?m)(^|,|\")=HYPERLINK", lists)
    assert b"+393331200001" in lists


def test_what_cannot_be_scrubbed_is_told(open_as: Open, tmp_path: Path) -> None:
    """By the list's own name; nothing of the server's files is shown."""
    file = tmp_path / f"{HOSTILE.replace('/', '')}.txt"
    file.write_text("a,b\n1,2\n")
    page = open_as(Role.CAMPAIGN_MANAGER)
    upload(page, file)
    told = page.get_by_role("alert")
    expect(told).to_contain_text("no column holds phone numbers")
    expect(told).to_contain_text(file.name)
    expect(told).to_contain_text("with “Column of the number”")
    assert "--number-column" not in told.inner_text()
    assert "uploads" not in told.inner_text()


def test_nothing_is_left_of_a_result_that_is_deleted(
    open_as: Open, furnished: Vaglio, leads: Path, log_in: LogIn
) -> None:
    """The upload is gone when the scrub is over, the lists when the person says so; nobody else gets them."""
    page = open_as(Role.CAMPAIGN_MANAGER)
    upload(page, leads)
    kept = [one for one in (furnished.home / "uploads").rglob("*") if one.is_file()]
    assert sorted(one.name for one in kept) == ["allowed.csv", "blocked.csv"]
    assert {one.stat().st_mode & 0o007 for one in kept} == {0}
    address = page.get_by_role("link", name="Download allowed.csv").get_attribute("href")
    assert address
    assert log_in(Role.DATA_PROTECTION_OFFICER).get(address).status_code == 403
    page.get_by_role("button", name="Delete now").click()
    expect(page.locator("#result")).to_have_count(0)
    assert not [one for one in (furnished.home / "uploads").rglob("*") if one.is_file()]
    assert log_in(Role.CAMPAIGN_MANAGER).get(address).status_code == 404


def test_an_upload_is_bounded(log_in: LogIn) -> None:
    """More than `web.upload_mb` is refused before it is read."""
    client = log_in(Role.CAMPAIGN_MANAGER)
    connection = HTTPConnection(client.base_url.host, client.base_url.port or 80, timeout=60)
    size = {"content-length": str(65 * 1_000_000), "content-type": "multipart/form-data; boundary=x"}
    connection.request("POST", "/scrub/list", headers={**client.headers, **size})
    assert connection.getresponse().status == 413
    connection.close()
    assert client.post("/scrub/list", data={"token": token_of(client)}).status_code == 422


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(open_as: Open, leads: Path, scheme: str) -> None:
    """Before, and with a result; at a desk and on a phone."""
    page = open_as(Role.CAMPAIGN_MANAGER, scheme=scheme)
    page.goto("/scrub")
    assert_accessible(page)
    upload(page, leads)
    assert_accessible(page)
    keep_picture(page, f"scrub-{scheme}")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert_fits(page)
    assert_accessible(page)
    keep_picture(page, f"scrub-{scheme}-phone")
