"""One installation for the tests of reports: its calls were asked, its facts changed, by the real rooms."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vaglio.audit import (
    EntryKind,
    Reader,
    Record,
    Sealer,
    Writer,
    delivery_entry,
    failopen_entry,
    make,
    outcome_entry,
)
from vaglio.audit.canonical import microseconds
from vaglio.changes import Change, Changes
from vaglio.index import imports
from vaglio.index.definitions import definitions
from vaglio.index.records import FactKind, OppositionRecord
from vaglio.index.snapshots import import_list
from vaglio.index.store import Store
from vaglio.model import CallOutcome, Verdict
from vaglio.numbers import parse_e164
from vaglio.reports.ledger import Period
from vaglio.screening import Screener
from vaglio.site import Site, init

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SINCE = datetime(2026, 10, 1, tzinfo=UTC)
UNTIL = datetime(2026, 10, 11, tzinfo=UTC)
OCTOBER = Period(SINCE, UNTIL)
FOREIGN = ("zenith", "Zweites Haus", "zz-secret", "Fremde Stimme")
"""What may stand in no report of another controller: its id, its name, its campaign, who calls for it."""

_CAMPAIGNS = """
[[controller]]
id = "acme"
name = "Acme Energia"
[[controller]]
id = "zenith"
name = "Zweites Haus"
[[controller]]
id = "idle"
name = "Never Calls"
"""
_CAMPAIGN = """
[[campaign]]
id = "{}"
controller = "{}"
caller_org = "{}"
purpose = "{}"
sector = "telecom"
dial_mode = "predictive"
region = "{}"
caller_ids = ["{}"]
script_version = "3"
notice_version = "2"
{}
"""
_SERIES = (
    ("spring", "acme", "Call House", "marketing", "IT", "+390612345678", ""),
    ("renewals", "acme", "Call House", "service", "IT", "+390612345678", 'on_failure = "allow"'),
    ("trial", "acme", "Call House", "marketing", "GB", "+442079460000", 'mode = "monitor"'),
    ("zz-secret", "zenith", "Fremde Stimme", "marketing", "IT", "+390612345678", ""),
)
_OUTCOMES = list(CallOutcome)


@dataclass
class Town:
    """An installation, and the way to make things happen in it at a time of one's own."""

    site: Site
    at: datetime = SINCE - timedelta(days=3)
    calls: int = 0
    source: random.Random = field(default_factory=lambda: random.Random(20261001))  # noqa: S311 - no secrets

    def now(self) -> datetime:
        return self.at

    def do(self, work: "Callable[[Town, Changes, Store, Writer], Awaitable[None]]") -> None:
        """Run a coroutine function with the rooms open."""

        async def inside() -> None:
            async with (
                Writer(self.site.log_file, self.site.keys()) as writer,
                await Store.open(self.site.index_file) as store,
            ):
                await work(self, Changes(store, writer, self.now), store, writer)

        asyncio.run(inside())

    def seal(self) -> None:
        """Sign a checkpoint over everything."""
        with Sealer(self.site.log_file, self.site.keys(), now=lambda: microseconds(self.at)) as sealer:
            sealer.step(now=True)

    def records(self) -> list[Record]:
        """Every entry."""
        with Reader(self.site.log_file) as log:
            return log.tail(1_000_000)


def made(home: Path) -> Town:
    """An installation with campaigns of three controllers, and nothing else."""
    town = Town(init(home))
    file = home / "campaigns.toml"
    file.write_text(_CAMPAIGNS + "".join(_CAMPAIGN.format(*one) for one in _SERIES), encoding="utf-8")

    async def work(_: Town, changes: Changes, store: Store, __: Writer) -> None:
        await changes.make(
            Change.CAMPAIGNS,
            {"file": file.name},
            lambda entry: imports.import_campaigns(store, file, entry=entry),
        )

    town.do(work)
    return town


async def ask(
    town: Town, screener: Screener, writer: Writer, number: str, campaign: str, outcome: CallOutcome | None
) -> str:
    """One call: asked, and if it may go out, delivered and ended; `None` is an outcome that nobody told."""
    town.calls += 1
    shown = "+442079460000" if campaign == "trial" else "+390612345678"
    screened = await screener.screen(
        writer, number, campaign, shown, pbx="pbx", uniqueid=f"1790000000.{town.calls}"
    )
    if screened.judgement.decision.verdict is Verdict.ALLOW and town.calls % 17:
        await writer.append(delivery_entry(screened.id, town.at, 900))
        if outcome is not None:
            later = town.at + timedelta(seconds=30)
            await writer.append(outcome_entry(screened.id, later, outcome, {"cause": 16}))
    return screened.id


async def oppose(
    town: Town, changes: Changes, number: str, controller: str, *, before: timedelta, channel: str | None = "call"
) -> None:
    """A person said no, so long before it is recorded."""
    read = parse_e164(number)
    record = OppositionRecord(read.key, controller, "*", town.at - before, channel)
    await changes.oppose(record, read, {"campaign": "spring"})


async def _live(town: Town, changes: Changes, store: Store, writer: Writer) -> None:
    source, home = town.source, town.site.log_file.parent
    italians = [f"+39333{source.randrange(10**7):07d}" for _ in range(80)]
    britons = [f"+4420794{60000 + place}" for place in range(1, 41)]
    consents = home / "consents.csv"
    consents.write_text(
        "number,controller,purpose,given_at,channel,method,evidence_uri\n"
        + "".join(
            f"{one},acme,marketing,2026-05-01T10:00:00Z,any,web,https://e.example/1\n" for one in italians[:50]
        )
    )
    await changes.make(
        Change.CONSENT_IMPORT,
        {"file": consents.name},
        lambda entry: imports.import_facts(store, FactKind.CONSENT, consents, entry=entry),
    )
    for register in ("tps", "ctps"):
        listed = home / f"{register}.txt"
        listed.write_text("".join(f"0{one[3:]}\n" for one in britons[:15]))
        await changes.make(
            Change.REGISTER_IMPORT,
            {"register": register, "file": listed.name},
            lambda entry, listed=listed, register=register: import_list(  # type: ignore[misc]
                store, definitions()[register], listed, entry=entry, now=town.at,
                as_of=town.at - timedelta(days=20), force="a small list",
            ),
        )  # fmt: skip
    with town.site.screener() as one:
        screener = Screener(one.index, one.log, one.keys, one.rulebooks, one.emergency, clock=town.now)
        for place in range(320):
            town.at = SINCE - timedelta(hours=20) + timedelta(minutes=place * 47, microseconds=place)
            campaign = source.choices([name[0] for name in _SERIES], [4, 3, 2, 2])[0]
            number = source.choice(britons if campaign == "trial" else italians)
            await ask(town, screener, writer, number, campaign, source.choice([*_OUTCOMES, None]))
            if place % 20 == 7:
                who = ("acme", "*", "zenith")[place // 20 % 3]
                await oppose(town, changes, number, who, before=timedelta(seconds=30 * 60 ** (place // 20 % 4)))
            if place % 40 == 9:
                let_out = one.index.campaign("renewals" if place % 80 == 9 else "zz-secret")
                entry = failopen_entry(parse_e164(number), let_out, "", "pbx", f"1790000001.{place}", town.at)
                await writer.append(entry)
            if place % 90 == 11:
                told = {"pbx": "pbx", "uniqueid": "1790000002.1", "trunk": "t", "why": "no pass"}
                await writer.append(
                    make(
                        EntryKind.UNSCREENED_CALL,
                        town.at,
                        {**told, "hang_up": place > 100},
                        number=parse_e164(number),
                    )
                )


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Ten days of calls of two controllers, all sealed; to be read only."""
    found = made(tmp_path_factory.mktemp("reports") / "site")
    found.do(_live)
    found.seal()
    return found


@pytest.fixture
def small(tmp_path: Path) -> Town:
    """An installation of this test's own, with campaigns and without calls."""
    return made(tmp_path / "site")
