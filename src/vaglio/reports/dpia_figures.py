"""The evidence for an impact assessment as rows of figures; docs/reports.md tells each item."""

from collections.abc import Iterator

from vaglio.audit.canonical import timestamp
from vaglio.reports.dpia import DpiaReport
from vaglio.reports.figures import Figure
from vaglio.reports.principal_figures import basis_figures, opposition_figures, register_figures


def dpia_figures(report: DpiaReport) -> Iterator[Figure]:
    """Every figure of the report, one a row."""
    yield from basis_figures(report.period, report.basis)
    yield from _held(report)
    yield from _told(report)
    yield from _in_force(report)
    for campaign in report.figures:
        yield Figure("campaigns", "allowed", campaign.allowed, "decisions", campaign.campaign)
        yield Figure("campaigns", "blocked", campaign.blocked, "decisions", campaign.campaign)
        yield Figure("campaigns", "silent_percent", campaign.silent_percent, "percent", campaign.campaign)
    yield from opposition_figures(report.oppositions)
    for register in report.freshness:
        yield from register_figures(register)
    yield from _risks(report)


def _held(report: DpiaReport) -> Iterator[Figure]:
    yield Figure("parties", "controllers", len(report.controllers), "controllers")
    yield Figure("parties", "campaigns", len(report.campaigns), "campaigns")
    for held in report.holdings:
        yield Figure("data", f"{held.file}:{held.table}", held.rows, "rows")
    yield Figure("data", "numbers_on_active_lists", report.listed_numbers, "numbers")
    for source in report.sources:
        yield Figure("sources", source.name, source.kind, "kind")
    for kept in report.retention:
        yield Figure("retention", kept.country or "*", kept.days, "days")


def _told(report: DpiaReport) -> Iterator[Figure]:
    for handed in report.handed_over:
        item = f"{handed.register}:{handed.controller}"
        yield Figure("handed_over", f"{item}:batches", handed.batches, "batches")
        yield Figure("handed_over", f"{item}:numbers", handed.numbers, "numbers")
    for told in report.told:
        item = f"{told.kind}:{told.what}" if told.what else told.kind
        yield Figure("entries", item, told.count, "entries")
        yield Figure("entries_last", item, timestamp(told.last), "instant")


def _in_force(report: DpiaReport) -> Iterator[Figure]:
    for book in report.rulebooks:
        yield Figure("rulebooks_in_force", book.version, book.rules, "rules")
    for version, amount in report.rulebooks_used:
        yield Figure("rulebooks", version, amount, "decisions")
    for anchor in report.measures.anchors:
        yield Figure("anchors", anchor.name, anchor.size, "entries")
    yield Figure("measures", "log_triggers", len(report.measures.log_triggers), "triggers")
    yield Figure("measures", "checkpoints_signed", report.measures.checkpoints, "checkpoints")


def _risks(report: DpiaReport) -> Iterator[Figure]:
    for item, value, unit in (
        ("decisions", report.decisions, "decisions"),
        ("unscreened_calls", report.unscreened.seen, "calls"),
        ("let_out_by_failure_policy", report.let_out, "calls"),
        ("monitor_only", report.monitor_only, "decisions"),
        ("stale", report.stale, "decisions"),
        ("campaigns_above_cap", report.above_cap, "campaigns"),
        ("alarms", report.count("alarm"), "entries"),
        ("changes_abandoned", report.count("change-abandoned"), "entries"),
        ("allowed_calls_whose_number_is_gone", report.numbers_gone, "decisions"),
    ):
        yield Figure("risks", item, value, unit)
