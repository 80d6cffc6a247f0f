"""A principal's report as rows of figures; docs/reports.md tells each item."""

from collections.abc import Iterator

from vaglio.audit.canonical import timestamp
from vaglio.model import CallOutcome
from vaglio.reports.figures import Figure
from vaglio.reports.ledger import Basis, Period
from vaglio.reports.oppositions import Oppositions
from vaglio.reports.principal import CampaignFigures, PrincipalReport, RegisterFreshness


def principal_figures(report: PrincipalReport) -> Iterator[Figure]:
    """Every figure of the report, one a row."""
    yield Figure("report", "controller", report.controller.id, "id")
    yield from basis_figures(report.period, report.basis)
    yield Figure("basis", "first_entry_counted", report.first, "entry")
    yield Figure("basis", "last_entry_counted", report.last, "entry")
    for one in report.calls:
        item = f"{one.verdict}:{one.reason}" + (f":{one.would_be}" if one.would_be else "")
        yield Figure("decisions", item, one.count, "decisions", one.campaign, one.day)
    for let_out in report.let_out:
        yield Figure("let_out", "failure_policy", let_out.count, "calls", let_out.campaign, let_out.day)
    for campaign in report.campaigns:
        yield from _campaign(campaign)
    for version, amount in report.rulebooks:
        yield Figure("rulebooks", version, amount, "decisions")
    for register in report.registers:
        yield from register_figures(register)
    yield from opposition_figures(report.oppositions)
    yield Figure("oppositions", "allowed_calls_whose_number_is_gone", report.numbers_gone, "decisions")
    yield Figure("call_centre", "unscreened_calls", report.unscreened.seen, "calls")
    yield Figure("call_centre", "unscreened_calls_hung_up", report.unscreened.hung_up, "calls")
    if report.contracts is not None:
        yield Figure("contracts", "given", report.contracts.contracts, "contracts")
        yield Figure("contracts", "with_lawful_call", report.contracts.due, "contracts")
        for why, amount in report.contracts.none:
            yield Figure("contracts", f"without:{why}", amount, "contracts")


def basis_figures(period: Period, basis: Basis) -> Iterator[Figure]:
    """What every report rests on."""
    yield Figure("report", "from", timestamp(period.since), "instant")
    yield Figure("report", "to", timestamp(period.until), "instant")
    yield Figure("basis", "log", basis.origin, "name")
    yield Figure("basis", "checkpoint_size", basis.checkpoint_size, "entries")
    yield Figure("basis", "checkpoint_root", basis.checkpoint_root, "base64")
    yield Figure("basis", "first_entry_of_period", basis.first, "entry")
    yield Figure("basis", "last_entry_of_period", basis.last, "entry")
    yield Figure("basis", "entries_not_sealed_yet", basis.unsealed, "entries")


def _campaign(one: CampaignFigures) -> Iterator[Figure]:
    for item, value, unit in (
        ("allowed", one.allowed, "decisions"),
        ("blocked", one.blocked, "decisions"),
        ("monitor_only", one.monitor_only, "decisions"),
        ("let_out_by_failure_policy", one.let_out, "calls"),
        ("delivered", one.silent.delivered, "calls"),
        ("answered", one.silent.answered, "calls"),
        ("silent", one.silent.silent, "calls"),
        ("outcome_unknown", one.silent.unknown, "calls"),
        ("silent_percent", one.silent_percent, "percent"),
        ("silent_cap", one.silent.cap.percent if one.silent.cap else None, "percent"),
    ):
        yield Figure("campaigns", item, value, unit, one.campaign)
    for outcome, amount in one.outcomes:
        yield Figure("outcomes", outcome or CallOutcome.UNKNOWN.value, amount, "calls", one.campaign)


def register_figures(one: RegisterFreshness) -> Iterator[Figure]:
    """One register: its lists or batches, and the age at which they were used."""
    yield Figure("registers", f"{one.register}:max_age", one.max_age_days, "days")
    yield Figure("registers", f"{one.register}:worst_age", one.worst_age_days, "days")
    yield Figure("registers", f"{one.register}:decisions", one.decisions, "decisions")
    yield Figure("registers", f"{one.register}:stale", one.stale, "decisions")
    yield Figure("registers", f"{one.register}:never_checked", one.never_checked, "decisions")
    for use, loaded in zip(one.uses, one.taken_in, strict=True):
        source = f"{one.register}:{use.source}"
        yield Figure("register_sources", f"{source}:as_of", timestamp(use.as_of) if use.as_of else None, "instant")
        yield Figure("register_sources", f"{source}:taken_in", timestamp(loaded) if loaded else None, "instant")
        yield Figure("register_sources", f"{source}:worst_age", use.worst_age_days, "days")
        yield Figure("register_sources", f"{source}:decisions", use.decisions, "decisions")
        yield Figure("register_sources", f"{source}:opposed", use.opposed, "decisions")
        yield Figure("register_sources", f"{source}:stale", use.stale, "decisions")


def opposition_figures(found: Oppositions) -> Iterator[Figure]:
    """Oppositions, and how they bound."""
    for item, value, unit in (
        ("held", found.held, "oppositions"),
        ("recorded_to_controller", found.own, "oppositions"),
        ("recorded_to_every_principal", found.general, "oppositions"),
        ("complaints", found.complaints, "oppositions"),
        ("by_other_channels", found.other_channels, "oppositions"),
        ("lifted", found.lifted, "oppositions"),
        ("bound_median", found.bound_median_seconds, "seconds"),
        ("bound_longest", found.bound_longest_seconds, "seconds"),
        ("complaints_bound_median", found.complaints_bound_median_seconds, "seconds"),
        ("complaints_bound_longest", found.complaints_bound_longest_seconds, "seconds"),
        ("unconfirmed", found.unconfirmed, "oppositions"),
        ("calls_after", found.calls_after, "calls"),
    ):
        yield Figure("oppositions", item, value, unit)
    for within, amount in found.since_word:
        yield Figure("oppositions", f"since_word_{within}", amount, "oppositions")
    for channel, amount in found.channels:
        yield Figure("opposition_channels", channel, amount, "oppositions")
    for one in found.named:
        yield Figure("calls_after", one.decision, timestamp(one.at), "instant", one.campaign)
