"""What a reader is handed: pages, PDFs and CSV files, whatever names the data brings along."""

import csv
import dataclasses
import io
import os
import re
import string
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from pypdf import PdfReader

from tests.reports.conftest import FOREIGN, OCTOBER, Town
from vaglio.changes import Change
from vaglio.errors import ConfigError
from vaglio.model import (
    CallOutcome,
    CampaignMode,
    DialMode,
    OnFailure,
    Purpose,
    Reason,
    Verdict,
)
from vaglio.reports.cells import neutral, visible
from vaglio.reports.documents import figures_csv, render_html, render_pdf
from vaglio.reports.dpia import dpia_report
from vaglio.reports.handing_over import rendered
from vaglio.reports.oppositions import LATER, WITHIN
from vaglio.reports.principal import PrincipalReport, principal_report
from vaglio.reports.settlement import NoCommission
from vaglio.reports.wording import Wording, texts
from vaglio.rules import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterable

SCRIPT = "<script>alert(1)</script>\"' onload=x"
FORMULA = '=HYPERLINK("http://evil.example","x")'
BIDI = "safe\u202egnp.exe\u2066\u0000"


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._quiet = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._quiet = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._quiet = self._quiet and tag != "style"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._quiet else data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def report(town: Town) -> PrincipalReport:
    return principal_report(town.site, "acme", OCTOBER)


@pytest.fixture(scope="module")
def hostile(report: PrincipalReport) -> PrincipalReport:
    """The same with everything that comes from outside named by an attacker."""
    names = (SCRIPT, FORMULA, BIDI)
    campaigns = tuple(
        dataclasses.replace(
            one,
            campaign=names[place % 3],
            definition=one.definition and dataclasses.replace(one.definition, id=SCRIPT, caller_org=BIDI),
        )
        for place, one in enumerate(report.campaigns)
    )
    calls = tuple(
        dataclasses.replace(one, campaign=names[place % 3], reason=SCRIPT if place % 5 == 0 else one.reason)
        for place, one in enumerate(report.calls)
    )
    controller = dataclasses.replace(report.controller, name=SCRIPT + FORMULA + BIDI)
    return dataclasses.replace(report, controller=controller, campaigns=campaigns, calls=calls)


def rows(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


@pytest.fixture
def weasyprint() -> None:
    """Skips where the PDF's libraries are missing, and fails where CI is set."""
    try:
        import weasyprint  # noqa: F401, PLC0415
    except (ImportError, OSError) as error:
        if os.environ.get("CI"):
            pytest.fail(f"tests of PDFs cannot run: {error}")
        pytest.skip(f"TESTS OF PDFS DO NOT RUN: {error}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_tells_the_figures_in_every_language(report: PrincipalReport, language: str) -> None:
    """Totals, reasons with their sentences, the log's name, checkpoint and root."""
    page, words = Page(render_html(report, language)), Wording(language)
    assert page.named("html")[0]["lang"] == language
    for wanted in (
        report.controller.name,
        words.number(report.decisions),
        words.number(report.blocked),
        report.basis.origin,
        report.basis.checkpoint_root,
        str(report.basis.checkpoint_size),
        *(words.reason(code) for code, _ in report.reasons(Verdict.BLOCK)),
        *(words.term("outcome", outcome) for outcome, _ in report.outcomes()),
    ):
        assert wanted in page.text
    assert not [word for word in FOREIGN if word in page.text]


def test_the_page_is_whole_in_itself(report: PrincipalReport, town: Town) -> None:
    """No script, nothing fetched, no address anywhere but the name of SVG."""
    for html in (render_html(report), render_html(dpia_report(town.site, OCTOBER))):
        page = Page(html)
        names = {name for name, _ in page.elements}
        assert not names & {"script", "link", "img", "iframe", "object", "embed", "a", "form", "base", "use"}
        assert not re.search(r"url\(|@import|@font-face|javascript:", html)
        assert set(re.findall(r"https?://[^\"' <]+", html)) <= {"http://www.w3.org/2000/svg"}
        attributes = {key for _, some in page.elements for key in some}
        assert not {key for key in attributes if key.startswith("on")} | attributes & {"src", "href", "srcset"}


def test_tables_can_be_read_by_ear(report: PrincipalReport, town: Town) -> None:
    """Each has a caption, its headers a scope; each chart has a name, and a table beside it tells the same."""
    for html in (render_html(report), render_html(dpia_report(town.site, OCTOBER))):
        page = Page(html)
        assert len(page.named("table")) == len(page.named("caption")) > 5
        assert all(header.get("scope") in {"col", "row"} for header in page.named("th"))
        assert all(chart.get("role") == "img" and chart.get("aria-label") for chart in page.named("svg"))
        assert page.named("html")[0]["lang"]
        assert len(page.named("h1")) == len(page.named("title")) == 1


def test_hostile_names_stay_text_on_the_page(hostile: PrincipalReport) -> None:
    """Script is shown as written, nobody's attribute or element comes into being, nothing turns a text round."""
    html = render_html(hostile)
    page = Page(html)
    assert "script" not in {name for name, _ in page.elements}
    assert not [key for _, some in page.elements for key in some if key.startswith("on")]
    assert "<script>alert(1)</script>" in page.text
    assert not set(html) & {"\u202e", "\u2066", "\u0000"}
    assert "safe\N{REPLACEMENT CHARACTER}gnp.exe" in page.text


def test_hostile_names_are_no_formulas_in_the_csv(hostile: PrincipalReport) -> None:
    """No cell begins like one, none holds what cannot be seen, and the file keeps its columns."""
    text = figures_csv(hostile)
    found = rows(text)
    assert all(len(row) == 6 and None not in row for row in found)
    assert not [
        cell for row in found for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ]
    assert f"'{FORMULA}" in {row["campaign"] for row in found}
    assert not set(text.decode()) & {"\u202e", "\u2066", "\u0000"}


@pytest.mark.parametrize("text", ["=1+1", "+39", "-2", "@x", "\tx", "\rx"])
def test_what_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    """By every character that begins a formula, and nothing else is touched."""
    assert neutral(text) == f"'{text}"
    assert neutral(f"x{text}") == f"x{text}"
    assert visible("Città, 1\u202f000 €") == "Città, 1\u202f000 €"


def test_the_csv_holds_every_figure(report: PrincipalReport) -> None:
    """Its decisions add up to the report's, by verdict; the basis is named in it."""
    found = rows(figures_csv(report))
    decisions = [row for row in found if row["section"] == "decisions"]
    assert sum(int(row["value"]) for row in decisions) == report.decisions
    allowed = sum(int(row["value"]) for row in decisions if row["item"].startswith("allow:"))
    assert allowed == report.allowed
    facts = {(row["section"], row["item"]): row["value"] for row in found}
    assert facts["basis", "checkpoint_root"] == report.basis.checkpoint_root
    assert facts["oppositions", "calls_after"] == str(report.oppositions.calls_after)


@pytest.mark.usefixtures("weasyprint")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pdf_tells_the_same(report: PrincipalReport, language: str) -> None:
    """Its text, extracted, holds name, figures and root; it is tagged and says its language."""
    words = Wording(language)
    pdf = PdfReader(io.BytesIO(render_pdf(render_html(report, language))))
    text = " ".join("".join(page.extract_text() + " " for page in pdf.pages).split())
    for wanted in (
        report.controller.name,
        words.number(report.decisions),
        words("principal.title"),
        report.basis.checkpoint_root,
        f"{len(pdf.pages)} / {len(pdf.pages)}",
    ):
        assert " ".join(wanted.split()) in text
    assert not [word for word in FOREIGN if word in text]
    catalog = pdf.trailer["/Root"]
    assert str(catalog["/Lang"]).startswith(language)  # type: ignore[index]
    assert "/StructTreeRoot" in catalog  # type: ignore[operator]


@pytest.mark.usefixtures("weasyprint")
def test_a_pdf_fetches_nothing_whatever_the_page_says(recwarn: pytest.WarningsRecorder) -> None:
    """Neither a file nor an address: what was asked for is left out."""
    asked = "<p>text<img src='file:///etc/passwd' alt='gone'><link rel=stylesheet href='http://127.0.0.1:9/x.css'>"
    pdf = PdfReader(io.BytesIO(render_pdf(f"<html lang=en><title>t</title>{asked}</html>")))
    assert not pdf.attachments
    assert "text" in pdf.pages[0].extract_text()
    assert not pdf.pages[0].images
    assert not recwarn.list


def test_without_its_libraries_the_pdf_alone_is_missing(
    report: PrincipalReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other files are there, and one line says what to install."""
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ConfigError, match="apt-get install libpango"):
        render_pdf("<p>")
    made = rendered(report, "principal-acme")
    assert set(made.files) == {"principal-acme.html", "principal-acme.csv"}
    assert made.failure is not None
    assert "\n" not in str(made.failure)


def test_every_language_has_every_text_with_the_same_places() -> None:
    """A key that one lacks, or a value that it would not show, is found here and not by an authority."""

    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english = texts("en")
    for language in LANGUAGES:
        found = texts(language)
        assert found.keys() == english.keys()
        assert {key: places(text) for key, text in found.items()} == {
            key: places(text) for key, text in english.items()
        }


def test_every_word_of_a_vocabulary_is_told_in_every_language() -> None:
    """Outcomes, purposes, modes, changes, accesses: none is left as its code."""
    groups: dict[str, Iterable[str]] = {
        "outcome": CallOutcome,
        "purpose": Purpose,
        "dial_mode": DialMode,
        "mode": CampaignMode,
        "on_failure": OnFailure,
        "change": Change,
        "no_commission": NoCommission,
        "within": [*(name for _, name in WITHIN), LATER],
        "access": ["search", "export", "settlement", "subject-report", "scrub", "report"],
    }
    for language in LANGUAGES:
        known = texts(language)
        assert not [
            f"{group}.{one}" for group, some in groups.items() for one in some if f"{group}.{one}" not in known
        ]
        assert Wording(language).reason("NOT_A_REASON") == "NOT_A_REASON"
        assert Wording(language).reason(Reason.CONSENT) != Reason.CONSENT


@pytest.mark.parametrize(
    ("language", "number", "share"),
    [("en", "1,234.5", "33.3%"), ("it", "1.234,5", "33,3%"), ("fr", "1\u202f234,5", "33,3\u202f%")],
)
def test_numbers_are_written_as_the_language_writes_them(language: str, number: str, share: str) -> None:
    """Separators and signs are the language's own; nothing of nothing is a dash, not an error."""
    words = Wording(language)
    assert words.number(1234.5, 1) == number
    assert words.percent(1, 3) == share
    assert words.percent(0, 0) == words.number(None) == words.duration(None) == "\N{EN DASH}"
    assert words.duration(0.0042) == words("unit.seconds", value=words.number(0.004, 3))
    assert words.duration(90) == words("unit.minutes", value=words.number(1.5, 1))


def test_a_report_without_a_call_is_a_whole_page(town: Town) -> None:
    """Nothing to count is said so; no section breaks."""
    empty = principal_report(town.site, "idle", OCTOBER)
    for language in LANGUAGES:
        assert Wording(language)("general.nothing") in Page(render_html(empty, language)).text
    assert rows(figures_csv(empty))


def test_a_long_period_is_drawn_by_month(report: PrincipalReport) -> None:
    """A bar a day would be a hair; every day stands in the CSV all the same."""
    calls = tuple(
        dataclasses.replace(report.calls[0], day=f"2026-{1 + place // 25:02}-{1 + place % 25:02}", count=1)
        for place in range(100)
    )
    long = dataclasses.replace(report, calls=calls)
    assert Wording("en")("chart.months") in Page(render_html(long)).text
    assert len([row for row in rows(figures_csv(long)) if row["section"] == "decisions"]) == 100
