"""The report that a principal, or its monitoring body, is handed: what was called in its name, and on which basis.

It holds nothing of other controllers. What the call centre sees and cannot attribute to anybody, calls past the
gate, is told as such.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from vaglio.audit import Reader as LogReader
from vaglio.clock import now
from vaglio.errors import NotFoundError
from vaglio.index.definitions import definitions
from vaglio.index.overview import taken_in
from vaglio.index.reader import Reader as IndexReader
from vaglio.model import Campaign, Controller, Reason, Verdict
from vaglio.redaction import redact
from vaglio.reports.contracts import Contract
from vaglio.reports.decisions import CallCount, Decisions, RegisterUse, read_decisions
from vaglio.reports.ledger import Basis, Ledger, OnProgress, Period, opened
from vaglio.reports.oppositions import Oppositions, read_oppositions
from vaglio.reports.settlement import WINDOW_DAYS, CampaignTotal, Gone, NoCommission, count, settle
from vaglio.reports.silent_calls import SilentCalls, silent_figures
from vaglio.rules.jurisdiction import campaign_zones
from vaglio.site import Site

_FAILOPEN: Final = """
SELECT campaign, day(at, campaign), count(*) FROM entry
WHERE kind NOT IN ('decision', 'delivery', 'outcome') AND kind = 'failopen' AND seq <= :size
  AND at >= :since AND at < :until AND (:controller IS NULL OR controller = :controller)
GROUP BY 1, 2 ORDER BY 1, 2"""
_UNSCREENED: Final = """
SELECT count(*), ifnull(sum(CAST(body AS TEXT) ->> '$.hang_up'), 0) FROM entry
WHERE kind NOT IN ('decision', 'delivery', 'outcome') AND kind = 'unscreened-call' AND seq <= :size
  AND at >= :since AND at < :until"""


@dataclass(frozen=True, slots=True)
class LetOut:
    """Calls that the failure policy let out on one day, because no verdict could be had."""

    campaign: str | None
    day: str
    count: int


@dataclass(frozen=True, slots=True)
class Unscreened:
    """Calls seen on a trunk of the whole call centre without a pass; they name no campaign."""

    seen: int
    hung_up: int


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """One campaign's calls over the period."""

    campaign: str
    definition: Campaign | None
    """As it stands now; None when it is no longer there."""
    allowed: int
    blocked: int
    monitor_only: int
    """Of the allowed ones, those that would have been blocked."""
    let_out: int
    """By the failure policy, without a verdict."""
    outcomes: tuple[tuple[str | None, int], ...]
    """What became of the allowed calls that the PBX took; None where it never told."""
    silent: SilentCalls
    silent_percent: float | None
    """Of a hundred answered calls."""
    above_cap: bool

    @property
    def decisions(self) -> int:
        """Questions that were answered."""
        return self.allowed + self.blocked


@dataclass(frozen=True, slots=True)
class RegisterFreshness:
    """How old one register was while calls rested on it."""

    register: str
    max_age_days: int | None
    """As configured here; the law's own limit is in the rulebook. None when it is no longer configured."""
    uses: tuple[RegisterUse, ...]
    """By list or batch, the oldest first."""
    taken_in: tuple[datetime | None, ...]
    """When each of these was loaded; None where the index no longer knows."""
    never_checked: int
    """Decisions about numbers that it was never asked about."""

    @property
    def decisions(self) -> int:
        """How many rested on it."""
        return sum(use.decisions for use in self.uses)

    @property
    def stale(self) -> int:
        """How many found it too old."""
        return sum(use.stale for use in self.uses)

    @property
    def worst_age_days(self) -> float | None:
        """The greatest age at which any decision used it."""
        return max((use.worst_age_days for use in self.uses if use.worst_age_days is not None), default=None)


@dataclass(frozen=True, slots=True)
class ContractsGiven:
    """A file of contracts to hold against the calls."""

    contracts: Iterable[Contract]
    window: timedelta = timedelta(days=WINDOW_DAYS)


@dataclass(frozen=True, slots=True)
class ContractFigures:
    """The controller's contracts of a file; those of others are left out, uncounted."""

    contracts: int
    due: int
    """With a lawful call before them."""
    none: tuple[tuple[str, int], ...]
    """Why no call proves them → how many, the most first."""
    window_days: int
    without_basis: tuple[Mapping[str, str | int | None], ...]
    """Rows of `settlement.COLUMNS`; never a number in clear."""


@dataclass(frozen=True, slots=True)
class PrincipalReport:
    """All figures; made by `principal_report`."""

    controller: Controller
    period: Period
    made_at: datetime
    basis: Basis
    first: int | None
    """Sequence number of the first entry about a call of this controller that was counted."""
    last: int | None
    calls: tuple[CallCount, ...]
    """The finest grain: campaign, day, verdict, reason."""
    campaigns: tuple[CampaignFigures, ...]
    let_out: tuple[LetOut, ...]
    rulebooks: tuple[tuple[str, int], ...]
    registers: tuple[RegisterFreshness, ...]
    oppositions: Oppositions
    unscreened: Unscreened
    numbers_gone: int
    """Allowed calls whose number was erased or purged: not held against the oppositions."""
    contracts: ContractFigures | None

    @property
    def decisions(self) -> int:
        """Questions that were answered."""
        return self.allowed + self.blocked

    @property
    def allowed(self) -> int:
        """Verdicts to let the call go out."""
        return sum(one.allowed for one in self.campaigns)

    @property
    def blocked(self) -> int:
        """Verdicts to stop it."""
        return sum(one.blocked for one in self.campaigns)

    @property
    def monitor_only(self) -> int:
        """Of the allowed ones, those that would have been blocked."""
        return sum(one.monitor_only for one in self.campaigns)

    @property
    def failed_open(self) -> int:
        """Calls that the failure policy let out."""
        return sum(one.count for one in self.let_out)

    @property
    def delivered(self) -> int:
        """Allowed calls whose verdict the PBX took."""
        return sum(one.silent.delivered for one in self.campaigns)

    def reasons(self, verdict: Verdict) -> list[tuple[str, int]]:
        """Why calls were allowed, or blocked → how many, the most first."""
        found: Counter[str] = Counter()
        for one in self.calls:
            if one.verdict == verdict:
                found[one.reason] += one.count
        return found.most_common()

    def would_be(self) -> list[tuple[str, int]]:
        """Monitor mode: for which reasons calls would have been blocked."""
        found: Counter[str] = Counter()
        for one in self.calls:
            if one.reason == Reason.MONITOR_ONLY:
                found[str(one.would_be)] += one.count
        return found.most_common()

    def outcomes(self) -> list[tuple[str | None, int]]:
        """What became of the calls that went out, the most first."""
        found: Counter[str | None] = Counter()
        for one in self.campaigns:
            found.update(dict(one.outcomes))
        return found.most_common()


def principal_report(
    site: Site,
    controller: str,
    period: Period,
    *,
    contracts: ContractsGiven | None = None,
    at: datetime | None = None,
    on_progress: OnProgress | None = None,
) -> PrincipalReport:
    """The figures of one controller over a period; blocking, to be called off the event loop.

    Reads both databases and writes nothing: whoever hands the report on appends the entry that tells so
    (`vaglio.reports.handing_over`).

    Args:
        site: the installation.
        controller: whose calls.
        period: by the decisions' instants.
        contracts: to be settled; those of other controllers are passed over.
        at: when it is made; now if left out.
        on_progress: told how far it is.

    Raises:
        NotFoundError: when the controller is unknown, or no checkpoint was signed yet.
        StoreError: when a database cannot be read.
    """
    with IndexReader.open(site.index_file) as index:
        known = index.controller(controller)
        campaigns = {one.id: one for one in index.campaigns()}
    if known is None:
        raise NotFoundError(f"no controller {redact(controller[:64])!r}; `vaglio controller list` shows all")
    with opened(site.log_file, period, zones(campaigns)) as ledger:
        decisions = read_decisions(ledger, controller, on_progress)
        let_out = read_let_out(ledger, controller)
        with LogReader(site.log_file) as log:
            outcomes = log.outcomes(period.since, period.until, controller, ledger.checkpoint.size)
        return PrincipalReport(
            controller=known,
            period=period,
            made_at=at or now(),
            basis=ledger.basis,
            first=decisions.first,
            last=decisions.last,
            calls=decisions.counts,
            campaigns=campaign_figures(decisions, let_out, outcomes, campaigns),
            let_out=let_out,
            rulebooks=decisions.rulebooks,
            registers=freshness(site, decisions),
            oppositions=read_oppositions(ledger, site.index_file, site.keys(), campaigns, controller, on_progress),
            unscreened=read_unscreened(ledger),
            numbers_gone=decisions.numbers_gone,
            contracts=None if contracts is None else _settled(site, controller, contracts),
        )


def zones(campaigns: Mapping[str, Campaign]) -> Callable[[str | None], ZoneInfo | None]:
    """In which zone a campaign's days are counted: its region's main one."""

    def zone_of(campaign: str | None) -> ZoneInfo | None:
        known = campaigns.get(campaign or "")
        return next(iter(campaign_zones(known.region)), None) if known is not None else None

    return zone_of


def read_let_out(ledger: Ledger, controller: str | None) -> tuple[LetOut, ...]:
    """The calls that the failure policy let out, by campaign and day; None is every controller's."""
    rows = ledger.rows(_FAILOPEN, {"controller": controller})
    return tuple(
        LetOut(None if campaign is None else str(campaign), str(day), int(str(amount)))
        for campaign, day, amount in rows
    )


def read_unscreened(ledger: Ledger) -> Unscreened:
    """The calls seen on trunks without a pass."""
    seen, hung_up = next(ledger.rows(_UNSCREENED))
    return Unscreened(int(str(seen)), int(str(hung_up)))


def campaign_figures(
    decisions: Decisions,
    let_out: Iterable[LetOut],
    outcomes: Iterable[tuple[str, str | None, int]],
    campaigns: Mapping[str, Campaign],
) -> tuple[CampaignFigures, ...]:
    """Everything that is told by campaign, in the order of their ids."""
    counted: dict[str, Counter[str]] = {}
    for one in decisions.counts:
        tally = counted.setdefault(one.campaign or "", Counter())
        tally[one.verdict] += one.count
        tally[one.reason] += one.count
    for gone_out in let_out:
        counted.setdefault(gone_out.campaign or "", Counter())["let out"] += gone_out.count
    became: dict[str, list[tuple[str | None, int]]] = {}
    told = list(outcomes)
    for campaign, outcome, amount in told:
        became.setdefault(campaign, []).append((outcome, amount))
    silent = {one.campaign: one for one in silent_figures(told, campaigns)}
    return tuple(
        _figures(name, counted[name], became.get(name, []), silent.get(name), campaigns.get(name))
        for name in sorted(counted)
    )


def _figures(
    name: str,
    tally: Counter[str],
    became: list[tuple[str | None, int]],
    silent: SilentCalls | None,
    campaign: Campaign | None,
) -> CampaignFigures:
    calls = silent or silent_figures([(name, None, 0)], {name: campaign} if campaign else {})[0]
    return CampaignFigures(
        campaign=name,
        definition=campaign,
        allowed=tally[Verdict.ALLOW],
        blocked=tally[Verdict.BLOCK],
        monitor_only=tally[Reason.MONITOR_ONLY],
        let_out=tally["let out"],
        outcomes=tuple(sorted(became, key=lambda one: (-one[1], one[0] or ""))),
        silent=calls,
        silent_percent=calls.percent,
        above_cap=calls.above,
    )


def freshness(site: Site, decisions: Decisions) -> tuple[RegisterFreshness, ...]:
    """How old each register was when it was used.

    Raises:
        StoreError: when the index cannot be read.
    """
    known = definitions(site.settings.registers)
    loaded = taken_in(site.index_file)
    found = []
    for name in sorted({use.register for use in decisions.registers}):
        of_it = [use for use in decisions.registers if use.register == name]
        uses = tuple(use for use in of_it if use.source is not None)
        found.append(
            RegisterFreshness(
                name,
                known[name].max_age_days if name in known else None,
                uses,
                tuple(loaded.get((name, str(use.source))) for use in uses),
                sum(use.decisions for use in of_it if use.source is None),
            )
        )
    return tuple(found)


def _settled(site: Site, controller: str, given: ContractsGiven) -> ContractFigures:
    totals: dict[tuple[str, str], CampaignTotal] = {}
    without: list[Mapping[str, str | int | None]] = []
    own = (contract for contract in given.contracts if contract.controller == controller)
    with LogReader(site.log_file) as log:
        for one in settle(own, log, site.keys(), Gone.of(site.log_file), given.window):
            if one.reason is NoCommission.OTHER_CONTROLLER:  # that somebody else called is not for this principal
                one = replace(one, reason=NoCommission.NO_CALL)  # noqa: PLW2901 - the same contract, told less
            count(totals, one)
            if not one.due:
                without.append(one.row)
    none: Counter[str] = Counter()
    for total in totals.values():
        none.update(total.none)
    return ContractFigures(
        sum(total.contracts for total in totals.values()),
        sum(total.due for total in totals.values()),
        tuple(none.most_common()),
        given.window.days,
        tuple(without),
    )
