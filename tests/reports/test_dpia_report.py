"""What the evidence for an impact assessment says, against the installation it says it of."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.reports.conftest import OCTOBER, Town, made
from vaglio.audit.erasing import DEFAULT_RETENTION_DAYS, OTHER_DAYS
from vaglio.reports.documents import figures_csv, render_html
from vaglio.reports.dpia import DpiaReport, dpia_report
from vaglio.reports.principal import principal_report
from vaglio.site import Site


@pytest.fixture(scope="module")
def report(town: Town) -> DpiaReport:
    return dpia_report(town.site, OCTOBER)


def test_tables_and_rows_are_those_of_the_databases(town: Town, report: DpiaReport) -> None:
    """Every column and every count is read from the files themselves; none that holds numbers is left out."""
    told = {(one.file, one.table): one for one in report.holdings}
    for file in (town.site.index_file, town.site.log_file):
        with closing(sqlite3.connect(file)) as database:
            for (name, table), one in told.items():
                if name == file.name:
                    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
                    assert list(one.columns) == columns
                    assert one.rows == database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            personal = {
                row[0]
                for row in database.execute(
                    "SELECT m.name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c"
                    " WHERE m.type = 'table' AND c.name IN ('number', 'token', 'sealed')"
                )
            }
            # A tile's number is its place in the tree.
            assert personal - {"tile"} <= {table for name, table in told if name == file.name}


def test_figures_are_those_of_all_principals_together(town: Town, report: DpiaReport) -> None:
    """Decisions, calls without a verdict and oppositions of each principal add up to the whole."""
    each = [principal_report(town.site, one.id, OCTOBER) for one in report.controllers]
    assert report.decisions == sum(one.decisions for one in each)
    assert report.let_out == sum(one.failed_open for one in each)
    assert report.monitor_only == sum(one.monitor_only for one in each)
    assert report.unscreened == each[0].unscreened
    assert report.oppositions.own == sum(one.oppositions.own for one in each)
    assert report.oppositions.calls_after == sum(one.oppositions.calls_after for one in each)
    assert dict(report.rulebooks_used) == sum((Counter(dict(one.rulebooks)) for one in each), Counter())


def test_entries_are_counted_by_kind_and_change(town: Town, report: DpiaReport) -> None:
    """Changes, accesses and alarms of the period as the log has them."""
    expected: Counter[tuple[str, str | None]] = Counter()
    for one in town.records():
        if one.kind not in {"decision", "delivery", "outcome"} and OCTOBER.since <= one.at < OCTOBER.until:
            what = one.body.get("access") or one.body.get("change") or one.body.get("fault")
            expected[one.kind, what] += 1
    assert {(one.kind, one.what): one.count for one in report.told} == expected


def configured(home: Path) -> Site:
    """An installation that has set what the report tells of."""
    town = made(home)
    (home / "secret").write_text("s3cret-word\n")
    with (home / "vaglio.toml").open("a") as file:
        file.write(
            """
[audit]
retention_days = { it = 400, "*" = 100 }

[[pbx]]
name = "berlin"
username = "vaglio"
secret_file = "secret"
hang_up_unscreened = true

[[source]]
name = "crm"
kind = "consents"
url = "sftp://files.example.org/out/*.csv"
every = "15m"

[[anchor]]
name = "drawer"
kind = "http"
url = "https://anchors.example.org/checkpoints"
secret_file = "secret"
"""
        )
    town.seal()
    return Site.at(home / "vaglio.toml")


def test_what_is_told_is_what_is_configured(tmp_path: Path) -> None:
    """Retention by country, PBXs, sources, anchors, failing campaigns; no secret and no path of a URL."""
    report = dpia_report(configured(tmp_path / "site"), OCTOBER)
    kept = {one.country: (one.days, one.configured) for one in report.retention}
    assert kept["IT"] == (400, True)
    assert kept[None] == (100, True)
    assert kept["US"] == (DEFAULT_RETENTION_DAYS["US"], False)
    assert [(one.name, one.watched, one.hang_up_unscreened) for one in report.measures.pbxs] == [
        ("berlin", True, True)
    ]
    assert [(one.name, one.kind, one.scheme, one.host) for one in report.sources] == [
        ("crm", "consents", "sftp", "files.example.org")
    ]
    assert [(one.name, one.host, one.size) for one in report.measures.anchors] == [
        ("drawer", "anchors.example.org", 0)
    ]
    assert [name for name, _ in report.measures.failing_open] == ["renewals"]
    assert report.measures.monitor_campaigns == ("trial",)
    told = render_html(report) + figures_csv(report).decode()
    assert "s3cret-word" not in told
    assert "out/*.csv" not in told


def test_what_is_not_configured_is_told_as_missing(town: Town, report: DpiaReport) -> None:
    """Without an anchor the page says what that means, and the shipped retention is named as such."""
    assert not report.measures.anchors
    assert "No anchor is configured" in render_html(report)
    assert {one.country: one.days for one in report.retention}[None] == OTHER_DAYS
    assert report.measures.keys_apart
    with closing(sqlite3.connect(town.site.log_file)) as database:
        rows = database.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        assert set(report.measures.log_triggers) == {name for (name,) in rows}
