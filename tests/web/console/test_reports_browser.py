"""Reports, in a real browser: shown, downloaded, entered into the log."""

import csv
import hashlib
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from lab.vaglio import Vaglio
from tests.audit import independent
from tests.web.console.conftest import PHONE, LogIn, Open, assert_accessible, assert_fits, keep_picture, token_of
from tests.web.console.furnishing import yesterday
from vaglio.site import Site
from vaglio.web.access import Role


def fill(page: Page, of: str) -> None:
    """Ask for yesterday."""
    page.goto("/reports")
    page.locator("#f-of").select_option(of)
    page.locator("#f-since").fill(f"{yesterday():%Y-%m-%d}")
    page.locator("#f-until").fill(f"{yesterday():%Y-%m-%d}")


def test_a_report_is_shown_in_the_chosen_language(open_as: Open, furnished: Vaglio) -> None:
    """With the principal's campaigns and no other's; nothing in it runs, and the log tells who took it."""
    page = open_as(Role.PRINCIPAL_AUDITOR)
    fill(page, "principal:borea")
    page.locator("#f-language").select_option("it")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("html")).to_have_attribute("lang", "it")
    expect(page.locator("body")).to_contain_text("luce-casa")
    expect(page.locator("body")).not_to_contain_text("renewals")
    told = furnished.entries("access")[-1]
    assert (told["access"], told["report"], told["controller"]) == ("report", "principal", "borea")
    assert (told["by"], told["via"]) == ("principal-auditor", "console")


@pytest.mark.parametrize(
    ("button", "begin"), [("Download PDF", b"%PDF-"), ("Download figures (CSV)", b"section,")]
)
def test_a_report_is_downloaded(open_as: Open, furnished: Vaglio, button: str, begin: bytes) -> None:
    """As a PDF or as figures; the entry holds the SHA-256 of what was sent."""
    page = open_as(Role.CAMPAIGN_MANAGER)
    fill(page, "principal:aurora")
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    content = waiting.value.path().read_bytes()
    assert content.startswith(begin)
    told = furnished.entries("access")[-1]
    sent = {"file": waiting.value.suggested_filename, "sha256": hashlib.sha256(content).hexdigest()}
    assert told["files"] == [sent]


def test_the_whole_installations_report_is_for_who_sees_all_of_it(log_in: LogIn) -> None:
    """An account of one controller can ask neither for it nor for another principal's."""
    day = {"since": f"{yesterday():%Y-%m-%d}", "until": f"{yesterday() + timedelta(days=1):%Y-%m-%d}"}
    asked = {**day, "language": "en", "format": "csv"}
    for role, of, status in (
        (Role.PRINCIPAL_AUDITOR, "dpia", 404),
        (Role.PRINCIPAL_AUDITOR, "principal:aurora", 404),
        (Role.PRINCIPAL_AUDITOR, "principal:borea", 200),
        (Role.DATA_PROTECTION_OFFICER, "dpia", 200),
        (Role.OPS, "dpia", 403),
    ):
        client = log_in(role)
        answer = client.post("/reports", data={**asked, "of": of, "token": token_of(client)})
        assert answer.status_code == status, (role, of)


def test_a_principals_pack_is_downloaded_and_checked_without_vaglio(
    open_as: Open, furnished: Vaglio, tmp_path: Path
) -> None:
    """Its auditor is offered that one alone; the second verifier holds it, and nothing in it is another's."""
    before = len(furnished.entries("access"))
    page = open_as(Role.PRINCIPAL_AUDITOR)
    page.goto("/reports")
    expect(page.locator("#f-pack-of option")).to_have_count(1)
    for field in ("since", "until"):
        page.locator(f"#f-pack-{field}").fill(f"{yesterday():%Y-%m-%d}")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the pack (.zip)").click()
    assert waiting.value.suggested_filename == "monitoring-body-borea.zip"
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    pack = tmp_path / "monitoring-body-borea"
    trusted = Site.at(furnished.configuration).keys().verifier.vkey
    with (pack / "log" / "records.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert independent.check_bundle(pack / "log", trusted) == len(rows) > 0
    assert {row["controller"] for row in rows} <= {"borea", ""}
    assert {row["campaign"] for row in rows} <= {"luce-casa", ""}
    (report,) = (pack / "reports").glob("*.html")
    assert "renewals" not in report.read_text(encoding="utf-8")
    entries = furnished.entries("access")[before:]
    told = [(one["report"], one["controller"], one["by"], one["via"]) for one in entries]
    assert told == [("monitoring-body", "borea", "principal-auditor", "console")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(open_as: Open, scheme: str) -> None:
    """At a desk and on a phone."""
    page = open_as(Role.AUDITOR, scheme=scheme)
    page.goto("/reports")
    assert_accessible(page)
    keep_picture(page, f"reports-{scheme}")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert_fits(page)
    assert_accessible(page)
    keep_picture(page, f"reports-{scheme}-phone")
