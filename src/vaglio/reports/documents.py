"""Reports as documents: one page serves the browser and, printed by WeasyPrint, the PDF.

The functions take reports and give text or bytes; the command line and the console call the same ones:
`principal_report(…)` or `dpia_report(…)`, then `render_html`, `render_pdf`, `figures_csv`.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from vaglio.errors import ConfigError
from vaglio.model import Reason, Verdict
from vaglio.reports.cells import visible
from vaglio.reports.dpia import DpiaReport
from vaglio.reports.dpia_figures import dpia_figures
from vaglio.reports.figures import rows_csv
from vaglio.reports.oppositions import Oppositions
from vaglio.reports.principal import PrincipalReport
from vaglio.reports.principal_figures import principal_figures
from vaglio.reports.wording import Wording

if TYPE_CHECKING:
    import jinja2

_SHOWN: Final = 60
"""Rows of a table that grows with the data; the others are in the CSV alone."""
_DAYS_SHOWN: Final = 400
_BARS: Final = 62
"""Days drawn one by one; longer periods are drawn by month."""
_PDF_NEEDS: Final = (
    "PDF needs WeasyPrint and Pango: pip install 'vaglio[pdf]' and "
    "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"
)


def render_html(report: PrincipalReport | DpiaReport, language: str = "en") -> str:
    """The report as one self-contained page: no script, nothing fetched, every text from outside escaped."""
    words = Wording(language)
    if isinstance(report, PrincipalReport):
        return _environment().get_template("principal.html").render(_principal(report, words))
    return _environment().get_template("dpia.html").render(_dpia(report, words))


def require_pdf() -> None:
    """Make sure that PDFs can be made here; blocking: the first time loads WeasyPrint.

    Raises:
        ConfigError: when WeasyPrint or a library that it needs is missing; it says what to install.
    """
    try:
        import weasyprint  # noqa: F401, PLC0415 - an extra, and a second of loading
    except (ImportError, OSError) as error:
        raise ConfigError(f"{_PDF_NEEDS} ({type(error).__name__})") from error


def render_pdf(html: str) -> bytes:
    """The page as a tagged PDF; nothing is fetched whatever the page says.

    Raises:
        ConfigError: as `require_pdf`.
    """
    require_pdf()
    from weasyprint import HTML  # noqa: PLC0415 - as above
    from weasyprint.urls import URLFetcher  # noqa: PLC0415 - as above

    class _Nothing(URLFetcher):  # type: ignore[misc] # untyped
        def fetch(self, url: str, headers: object = None) -> object:
            del url, headers
            raise ValueError("a report fetches nothing")

    page = HTML(string=html, url_fetcher=_Nothing(allowed_protocols=()), base_url=None)
    made: bytes = page.write_pdf(pdf_variant="pdf/ua-1")
    return made


def figures_csv(report: PrincipalReport | DpiaReport) -> bytes:
    """All figures of a report, one a row: section, campaign, day, item, value, unit."""
    found = principal_figures(report) if isinstance(report, PrincipalReport) else dpia_figures(report)
    return rows_csv(found)


@lru_cache(maxsize=1)
def _environment() -> "jinja2.Environment":
    import jinja2  # noqa: PLC0415 - with the charts a quarter of a second, for which no other command should wait

    return jinja2.Environment(
        loader=jinja2.PackageLoader("vaglio.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:  # noqa: ANN401 - whatever a template prints
    """What a template prints, without characters that nobody sees."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _stamp(at: datetime) -> str:
    """An instant as a command takes it."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _common(report: PrincipalReport | DpiaReport, words: Wording) -> dict[str, Any]:
    return {"report": report, "t": words, "stamp": _stamp, "limit": _SHOWN, "day_limit": _DAYS_SHOWN}


def _principal(report: PrincipalReport, words: Wording) -> dict[str, Any]:
    from vaglio.reports import charts  # noqa: PLC0415 - see `_environment`

    days = _days(report)
    span = {day for _, day in days}
    monthly = len(span) > _BARS
    title = words("chart.months" if monthly else "chart.days")
    blocked = report.reasons(Verdict.BLOCK)
    return _common(report, words) | {
        "points": list(_points(report, words)),
        "days": [{"campaign": campaign, "day": day, **counts} for (campaign, day), counts in sorted(days.items())],
        "chart": charts.stacked(title, *_drawn(days, words, monthly=monthly)) if days else None,
        "chart_title": title,
        "allowed": report.reasons(Verdict.ALLOW),
        "blocked": blocked,
        "reasons_chart": charts.bars(words("chart.reasons"), dict(blocked)) if blocked else None,
        "opposition_rows": list(_opposition_rows(report.oppositions, words)),
        "sources": [
            (register.register, use, loaded)
            for register in report.registers
            for use, loaded in zip(register.uses, register.taken_in, strict=True)
        ],
    }


def _days(report: PrincipalReport) -> dict[tuple[str, str], dict[str, int]]:
    """Campaign and day → what became of the questions."""
    found: dict[tuple[str, str], dict[str, int]] = {}

    def at(campaign: str | None, day: str) -> dict[str, int]:
        fresh = {"allowed": 0, "blocked": 0, "monitor_only": 0, "let_out": 0}
        return found.setdefault((campaign or "", day), fresh)

    for one in report.calls:
        counts = at(one.campaign, one.day)
        counts["allowed" if one.verdict == Verdict.ALLOW else "blocked"] += one.count
        counts["monitor_only"] += one.count if one.reason == Reason.MONITOR_ONLY else 0
    for out in report.let_out:
        at(out.campaign, out.day)["let_out"] += out.count
    return found


def _drawn(
    days: dict[tuple[str, str], dict[str, int]], words: Wording, *, monthly: bool
) -> tuple[list[str], dict[str, list[int]]]:
    """Labels and series of the chart of days, or of months."""
    names = ("allowed", "blocked", "monitor_only", "let_out")
    sums: dict[str, Counter[str]] = {}
    for (_, day), counts in days.items():
        sums.setdefault(day[:7] if monthly else day, Counter()).update(counts)
    labels = sorted(sums)
    for one in sums.values():
        one["allowed"] -= one["monitor_only"]  # drawn apart
    series = {words(f"column.{name}"): [sums[label][name] for label in labels] for name in names}
    return labels if monthly else [label[5:] for label in labels], series


def _points(report: PrincipalReport, words: Wording) -> Iterator[str]:
    """What a reader should look at first, where it is so."""
    contracts = report.contracts
    for key, count in (
        ("calls_after", report.oppositions.calls_after),
        ("above_cap", sum(one.above_cap for one in report.campaigns)),
        ("stale", sum(one.stale for one in report.registers)),
        ("monitor_only", report.monitor_only),
        ("let_out", report.failed_open),
        ("unscreened", report.unscreened.seen),
        ("no_basis", contracts.contracts - contracts.due if contracts else 0),
        ("unconfirmed", report.oppositions.unconfirmed),
        ("numbers_gone", report.numbers_gone),
        ("unsealed", report.basis.unsealed),
    ):
        if count:
            yield words(f"attention.{key}", count=words.number(count))


def _opposition_rows(found: Oppositions, words: Wording) -> Iterator[tuple[str, str, bool]]:
    for key, count in (
        ("held", found.held),
        ("own", found.own),
        ("general", found.general),
        ("complaints", found.complaints),
        ("lifted", found.lifted),
    ):
        yield words(f"principal.{key}"), words.number(count), False
    yield words("principal.bound_median"), words.duration(found.bound_median_seconds), False
    yield words("principal.bound_longest"), words.duration(found.bound_longest_seconds), False
    if found.complaints:
        told = found.complaints_bound_median_seconds, found.complaints_bound_longest_seconds
        yield words("principal.complaints_bound_median"), words.duration(told[0]), False
        yield words("principal.complaints_bound_longest"), words.duration(told[1]), False
    for within, count in found.since_word:
        name = words("principal.since_word", within=words.term("within", within))
        yield name, words.number(count), False
    yield words("principal.unconfirmed"), words.number(found.unconfirmed), found.unconfirmed > 0
    yield words("principal.calls_after"), words.number(found.calls_after), found.calls_after > 0


def _dpia(report: DpiaReport, words: Wording) -> dict[str, Any]:
    found = report.measures

    def yes(value: bool) -> str:  # noqa: FBT001 - a predicate's word
        return words("general.yes" if value else "general.no")

    def named(names: tuple[str, ...]) -> str:
        return ", ".join(names) or words("general.none")

    failing = tuple(f"{name} ({risk})" if risk else name for name, risk in found.failing_open)
    return _common(report, words) | {
        "measure_rows": (
            (words("dpia.m_triggers"), words.number(len(found.log_triggers)), False),
            (words("dpia.m_checkpoints"), words.number(found.checkpoints), False),
            (words("dpia.m_keys"), yes(found.keys_apart), not found.keys_apart),
            (words("dpia.m_secret"), yes(found.secret_set), False),
            (words("dpia.m_peers"), named(found.peers), False),
            (words("dpia.m_monitor"), named(found.monitor_campaigns), bool(found.monitor_campaigns)),
            (words("dpia.m_failing"), named(failing), bool(failing)),
        ),
        "risk_rows": tuple(_risk_rows(report, words)),
    }


def _risk_rows(report: DpiaReport, words: Wording) -> Iterator[tuple[str, str, bool]]:
    yield words("dpia.r_decisions"), words.number(report.decisions), False
    for key, count in (
        ("after", report.oppositions.calls_after),
        ("unscreened", report.unscreened.seen),
        ("let_out", report.let_out),
        ("monitor", report.monitor_only),
        ("stale", report.stale),
        ("above", report.above_cap),
        ("alarms", report.count("alarm")),
        ("abandoned", report.count("change-abandoned")),
        ("unconfirmed", report.oppositions.unconfirmed),
        ("gone", report.numbers_gone),
        ("unsealed", report.basis.unsealed),
    ):
        yield words(f"dpia.r_{key}"), words.number(count), count > 0
    yield words("dpia.bound_longest"), words.duration(report.oppositions.bound_longest_seconds), False
