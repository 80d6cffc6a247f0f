"""Evidence for a data-protection impact assessment (GDPR art. 35): its factual part, and nothing but facts.

Every statement is read from the configuration, the two databases or the rulebooks in force; what only people know
(necessity, proportionality, the assessment itself) is left to them.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from vaglio.audit import EntryKind
from vaglio.audit import Reader as LogReader
from vaglio.audit.anchors.state import read_state
from vaglio.audit.canonical import time_of
from vaglio.audit.erasing import DEFAULT_RETENTION_DAYS, OTHER_DAYS
from vaglio.clock import now
from vaglio.index import database
from vaglio.index.definitions import definitions
from vaglio.index.overview import RegisterInfo, registers
from vaglio.index.reader import Reader as IndexReader
from vaglio.model import Campaign, CampaignMode, Controller
from vaglio.reports.decisions import read_decisions
from vaglio.reports.ledger import Basis, Ledger, OnProgress, Period, opened
from vaglio.reports.oppositions import Oppositions, read_oppositions
from vaglio.reports.principal import (
    CampaignFigures,
    RegisterFreshness,
    Unscreened,
    campaign_figures,
    freshness,
    read_let_out,
    read_unscreened,
    zones,
)
from vaglio.rules import Rulebooks
from vaglio.site import Site

INDEX_TABLES: Final = ("contact", "consent", "withdrawal", "relationship", "opposition", "former")
"""Tables of index.db with a row a person's fact."""
REGISTER_TABLES: Final = ("register_verdict",)
LOG_TABLES: Final = ("entry", "subject", "attempt")

_RARE: Final = """
SELECT kind, coalesce(
    CAST(body AS TEXT) ->> '$.access', CAST(body AS TEXT) ->> '$.change', CAST(body AS TEXT) ->> '$.fault'),
  count(*), max(at)
FROM entry WHERE kind NOT IN ('decision', 'delivery', 'outcome') AND seq <= :size
  AND at >= :since AND at < :until
GROUP BY 1, 2 ORDER BY 1, 2"""
_HANDED: Final = """
SELECT register, controller, count(*), sum(numbers), sum(answered_at IS NOT NULL) FROM batch
WHERE requested_at >= :since AND requested_at < :until GROUP BY 1, 2 ORDER BY 1, 2"""
_LISTS: Final = "SELECT ifnull(sum(entries), 0) FROM register_snapshot WHERE state = 'active'"
_TRIGGERS: Final = "SELECT name FROM sqlite_schema WHERE type = 'trigger' ORDER BY name"


@dataclass(frozen=True, slots=True)
class Holding:
    """One table that holds personal data, as the database has it."""

    file: str
    table: str
    columns: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class SourceConfigured:
    """Where data comes in by itself."""

    name: str
    kind: str
    scheme: str
    host: str
    every: str


@dataclass(frozen=True, slots=True)
class Told:
    """Entries of one kind over the period."""

    kind: str
    what: str | None
    """Of an access, a change or an alarm: which."""
    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Numbers given to a register's keeper, to be checked."""

    register: str
    controller: str
    batches: int
    numbers: int
    answered: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the number behind an entry is kept."""

    country: str | None
    """None: every other country."""
    days: int
    configured: bool
    """By this site; else the shipped policy."""


@dataclass(frozen=True, slots=True)
class AnchorConfigured:
    """A place outside that checkpoints go to."""

    name: str
    kind: str
    host: str
    size: int
    """Entries under the last checkpoint that arrived there; 0 before the first."""
    at: datetime | None


@dataclass(frozen=True, slots=True)
class PbxConfigured:
    """One PBX."""

    name: str
    watched: bool
    """Whether the guard watches it over its manager interface."""
    encrypted: bool
    hang_up_unscreened: bool


@dataclass(frozen=True, slots=True)
class RulebookInForce:
    """The law as applied now."""

    jurisdiction: str
    name: str
    version: str
    rules: int
    decisions: int
    """Of the period, by exactly this version."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What protects the data, as found."""

    log_triggers: tuple[str, ...]
    """In audit.db: they refuse changing and deleting entries."""
    checkpoints: int
    """Signed in the period, as heartbeats tell."""
    keys_apart: bool
    """Whether the keys' directory is another than the databases'."""
    secret_set: bool
    """Whether a PBX must name a secret."""
    peers: tuple[str, ...]
    """Networks that may ask."""
    pbxs: tuple[PbxConfigured, ...]
    anchors: tuple[AnchorConfigured, ...]
    overrides: tuple[tuple[str, str], ...]
    """Shipped rules that this site loosened: rule, reason given."""
    monitor_campaigns: tuple[str, ...]
    """Whose blocks do not bind."""
    failing_open: tuple[tuple[str, str | None], ...]
    """Campaigns that let calls out without a verdict, and the risk accepted in words."""


@dataclass(frozen=True, slots=True)
class DpiaReport:
    """All facts; made by `dpia_report`."""

    period: Period
    made_at: datetime
    basis: Basis
    controllers: tuple[Controller, ...]
    campaigns: tuple[Campaign, ...]
    holdings: tuple[Holding, ...]
    listed_numbers: int
    """On the active lists of registers."""
    registers: tuple[RegisterInfo, ...]
    """As they stand now."""
    sources: tuple[SourceConfigured, ...]
    told: tuple[Told, ...]
    handed_over: tuple[HandedOver, ...]
    retention: tuple[Retention, ...]
    rulebooks: tuple[RulebookInForce, ...]
    rulebooks_used: tuple[tuple[str, int], ...]
    """By decisions of the period."""
    measures: Measures
    figures: tuple[CampaignFigures, ...]
    freshness: tuple[RegisterFreshness, ...]
    oppositions: Oppositions
    unscreened: Unscreened
    let_out: int
    numbers_gone: int

    def of_kind(self, kind: str) -> list[Told]:
        """What the log tells of one kind of entry."""
        return [one for one in self.told if one.kind == kind]

    def count(self, kind: str) -> int:
        """How many entries of one kind."""
        return sum(one.count for one in self.of_kind(kind))

    @property
    def decisions(self) -> int:
        """Questions that were answered."""
        return sum(one.decisions for one in self.figures)

    @property
    def monitor_only(self) -> int:
        """Calls let out in monitor mode that would have been blocked."""
        return sum(one.monitor_only for one in self.figures)

    @property
    def stale(self) -> int:
        """Decisions that found a register too old."""
        return sum(one.stale for one in self.freshness)

    @property
    def above_cap(self) -> int:
        """Campaigns whose silent calls exceed their cap."""
        return sum(one.above_cap for one in self.figures)


def dpia_report(
    site: Site, period: Period, *, at: datetime | None = None, on_progress: OnProgress | None = None
) -> DpiaReport:
    """The facts of the whole installation; blocking, to be called off the event loop. Writes nothing.

    Args:
        site: the installation.
        period: of the figures; configuration and databases are told as they stand now.
        at: when it is made; now if left out.
        on_progress: told how far it is.

    Raises:
        ConfigError: when something configured is wrong.
        NotFoundError: when no checkpoint was signed yet.
        StoreError: when a database cannot be read.
    """
    made_at = at or now()
    with IndexReader.open(site.index_file) as index:
        controllers, series = index.controllers(), index.campaigns()
    campaigns = {one.id: one for one in series}
    known = definitions(site.settings.registers)
    with opened(site.log_file, period, zones(campaigns)) as ledger:
        decisions = read_decisions(ledger, None, on_progress)
        let_out = read_let_out(ledger, None)
        with LogReader(site.log_file) as log:
            outcomes = log.outcomes(period.since, period.until, size=ledger.checkpoint.size)
        told = tuple(_told(ledger))
        rulebooks = site.rulebooks()
        return DpiaReport(
            period=period,
            made_at=made_at,
            basis=ledger.basis,
            controllers=controllers,
            campaigns=series,
            holdings=(*_index_holdings(site.index_file), *_log_holdings(ledger)),
            listed_numbers=_listed(site.index_file),
            registers=tuple(one for one in registers(site.index_file, known, made_at) if _in_use(one)),
            sources=tuple(_sources(site)),
            told=told,
            handed_over=tuple(_handed(site.index_file, ledger)),
            retention=tuple(_retention(site.settings.audit.retention_days)),
            rulebooks=tuple(_in_force(rulebooks, dict(decisions.rulebooks))),
            rulebooks_used=decisions.rulebooks,
            measures=_measures(site, ledger, told, rulebooks, series),
            figures=campaign_figures(decisions, let_out, outcomes, campaigns),
            freshness=freshness(site, decisions),
            oppositions=read_oppositions(ledger, site.index_file, site.keys(), campaigns, None, on_progress),
            unscreened=read_unscreened(ledger),
            let_out=sum(one.count for one in let_out),
            numbers_gone=decisions.numbers_gone,
        )


def _in_use(register: RegisterInfo) -> bool:
    return register.as_of is not None or bool(register.waiting)


def _told(ledger: Ledger) -> Iterator[Told]:
    for kind, what, amount, last in ledger.rows(_RARE):
        yield Told(str(kind), None if what is None else str(what), int(str(amount)), time_of(int(str(last))))


def _index_holdings(index: Path) -> Iterator[Holding]:
    with closing(database.read_only(index)) as connection:
        try:
            for table in (*INDEX_TABLES, *REGISTER_TABLES):
                yield _holding(connection, index.name, table)
        except sqlite3.Error as error:
            raise database.unreadable(index, error) from error


def _log_holdings(ledger: Ledger) -> Iterator[Holding]:
    for table in LOG_TABLES:
        yield _holding(ledger.connection, ledger.log.name, table)


def _holding(connection: sqlite3.Connection, file: str, table: str) -> Holding:
    columns = tuple(str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})"))
    rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - one of the above
    return Holding(file, table, columns, rows)


def _listed(index: Path) -> int:
    with closing(database.read_only(index)) as connection:
        try:
            return int(connection.execute(_LISTS).fetchone()[0])
        except sqlite3.Error as error:
            raise database.unreadable(index, error) from error


def _handed(index: Path, ledger: Ledger) -> Iterator[HandedOver]:
    with closing(database.read_only(index)) as connection:
        try:
            for row in connection.execute(_HANDED, {key: ledger.bounds[key] for key in ("since", "until")}):
                yield HandedOver(*row)
        except sqlite3.Error as error:
            raise database.unreadable(index, error) from error


def _sources(site: Site) -> Iterator[SourceConfigured]:
    for one in site.sources().values():
        parts = urlsplit(one.url)
        yield SourceConfigured(one.name, one.kind, parts.scheme or "file", parts.hostname or "", one.every)


def _retention(configured: Mapping[str, int]) -> Iterator[Retention]:
    own = {country.upper(): days for country, days in configured.items()}
    for country, days in sorted({**DEFAULT_RETENTION_DAYS, "*": OTHER_DAYS, **own}.items()):
        yield Retention(None if country == "*" else country, days, country in own)


def _in_force(rulebooks: Rulebooks, used: Mapping[str, int]) -> Iterator[RulebookInForce]:
    for name, book in sorted(rulebooks.books.items()):
        amount = sum(rule.enabled for rule in book.rules)
        yield RulebookInForce(name, book.name, book.version, amount, used.get(book.version, 0))


def _measures(
    site: Site, ledger: Ledger, told: tuple[Told, ...], rulebooks: Rulebooks, campaigns: tuple[Campaign, ...]
) -> Measures:
    settings = site.settings
    anchors = []
    for one in site.anchors():
        state = read_state(site.anchors_directory, one.name)
        host = urlsplit(one.url).hostname or ""
        anchors.append(AnchorConfigured(one.name, one.kind.value, host, state.size, state.at))
    keys = settings.path(settings.audit.keys).resolve()
    return Measures(
        log_triggers=tuple(str(row[0]) for row in ledger.rows(_TRIGGERS)),
        checkpoints=sum(one.count for one in told if one.kind == EntryKind.HEARTBEAT),
        keys_apart=keys not in {site.log_file.resolve().parent, site.index_file.resolve().parent},
        secret_set=settings.fastagi.secret_file is not None,
        peers=tuple(str(peer) for peer in settings.fastagi.peers),
        pbxs=tuple(
            PbxConfigured(one.name, one.username is not None, one.tls, one.hang_up_unscreened)
            for one in settings.pbxs
        ),
        anchors=tuple(anchors),
        overrides=tuple((one.rule, one.reason) for one in rulebooks.overrides),
        monitor_campaigns=tuple(one.id for one in campaigns if one.mode is CampaignMode.MONITOR),
        failing_open=tuple((one.id, one.accepted_risk) for one in campaigns if one.on_failure.value == "allow"),
    )
