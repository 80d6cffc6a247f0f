"""A scrub says of every lead what `vaglio check` says, field by field."""

import csv
import random
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from vaglio.audit import Log, decision_entry, delivery_entry, outcome_entry
from vaglio.cli import main
from vaglio.index import database
from vaglio.index.instants import to_micros
from vaglio.model import Call, CallOutcome, Decision, Facts, Reason, Verdict
from vaglio.numbers import parse_e164
from vaglio.reports.explanation import explained
from vaglio.reports.scrub import Order, scrub
from vaglio.reports.scrub.batches import Batches
from vaglio.reports.scrub.judging import Asked
from vaglio.reports.scrub.known import Known
from vaglio.screening import Screener
from vaglio.site import Site, init

AT = datetime(2026, 3, 18, 10, 30, tzinfo=UTC)
"""A Wednesday: within hours in Italy and Britain, before them on the west coast of America."""
NIGHT = datetime(2026, 3, 18, 22, 30, tzinfo=UTC)
CAMPAIGNS = """
[[controller]]
id = "acme"
name = "Acme"
[[controller]]
id = "other"
name = "Other"
"""
CAMPAIGN = """
[[campaign]]
id = "{id}"
controller = "acme"
caller_org = "centre"
purpose = "{purpose}"
sector = "telecom"
dial_mode = "{dial}"
region = "{region}"
caller_ids = ["{caller}"]
script_version = "3"
notice_version = "2"
{more}
"""
CASES = (
    ("it", "marketing", "predictive", "IT", "+390612345678", ""),
    ("it-sale", "direct-sale", "manual", "IT", "+390612345678", 'mode = "monitor"'),
    ("it-prefix", "service", "preview", "IT", "+390612345678", 'trunk_prefix = "0"'),
    ("us", "marketing", "manual", "US", "+12125551234", ""),
    ("gb", "marketing", "manual", "GB", "+442079460000", 'starts = "2026-01-01"'),
    ("fr", "marketing", "preview", "FR", "+33123456789", ""),
)


def mobile(source: random.Random) -> str:
    return f"+393{source.randrange(20, 99)}{source.randrange(10_000_000):07d}"


def number(source: random.Random) -> str:
    """A number of one of the countries, most of them valid."""
    digits = source.randrange(10_000_000)
    return source.choice(
        (
            mobile(source),
            f"+3906{digits:08d}",
            f"+39800{digits % 1_000_000:06d}",
            f"+1{source.choice((212, 305, 415, 480, 702, 808, 907, 787))}{2_000_000 + digits % 8_000_000}",
            f"+1{source.randrange(200, 990)}{digits:07d}",
            f"+4420{digits:08d}",
            f"+447{source.randrange(300, 999)}{digits % 1_000_000:06d}",
            f"+336{digits:08d}",
            f"+331{digits:08d}",
            f"+34{source.choice('679')}{digits:08d}",
            f"+49151{digits:08d}",
        )
    )


def written(source: random.Random, e164: str) -> str:
    """The number as lists have it: in one of many forms, or spoilt."""
    national = e164.removeprefix("+39").removeprefix("+1").removeprefix("+44").removeprefix("+33")
    forms = (
        *(e164,) * 6,
        "00" + e164[1:],
        national,
        f"0{national}",
        f"{e164[:6]} {e164[6:]}",
        f"({national[:3]}) {national[3:]}",
    )
    spoilt = ("", "112", "118", "911", "n/a", e164[:-3], e164 + "99", "+", "40500", e164.replace("+", "++"))
    return source.choice(spoilt) if source.random() < 0.05 else source.choice(forms)


def run(home: Path, *arguments: object) -> None:
    """A command that must succeed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAGLIO_CONFIG", str(home / "vaglio.toml"))
        patch.setattr(sys, "argv", ["vaglio", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main.run()
        assert not ended.value.code


def write(file: Path, header: str, rows: list[str]) -> Path:
    file.write_text("\n".join((header, *dict.fromkeys(rows), "")), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def pool() -> list[str]:
    """The numbers of which something is known."""
    source = random.Random(7)  # noqa: S311 - leads, not secrets
    found = dict.fromkeys(number(source) for _ in range(1200))
    return [one for one in found if parse_e164(one).e164 == one]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, pool: list[str]) -> Site:
    """An installation with some of every kind of fact, registers of both kinds, and calls in its log."""
    home = tmp_path_factory.mktemp("scrub") / "site"
    made = init(home)
    source = random.Random(8)  # noqa: S311 - leads, not secrets
    files = home / "files"
    files.mkdir()
    campaigns = files / "campaigns.toml"
    names = ("id", "purpose", "dial", "region", "caller", "more")
    campaigns.write_text(
        CAMPAIGNS + "".join(CAMPAIGN.format(**dict(zip(names, case, strict=True))) for case in CASES)
    )
    run(home, "campaign", "import", campaigns)

    def some(share: float) -> list[str]:
        return [one for one in pool if source.random() < share]

    def day() -> str:
        return (AT - timedelta(days=source.randrange(-2, 700), hours=3)).isoformat()

    def who() -> str:
        return source.choice(("acme", "acme", "other"))

    def load(kind: str, header: str, rows: list[str]) -> None:
        run(home, kind, "import", write(files / f"{kind}.csv", header, rows))

    purpose = ("marketing", "direct-sale", "service")
    load(
        "opposition",
        "number,controller,purpose,opposed_at",
        [f"{one},{source.choice(('acme', 'other', '*'))},{source.choice(purpose)},{day()}" for one in some(0.1)],
    )
    load(
        "consent",
        "number,controller,purpose,given_at,channel,sector,method,evidence_uri",
        [
            f"{one},{who()},{source.choice(purpose)},{day()},{source.choice(('human', 'any', 'automated'))},"
            f"{source.choice(('telecom', 'energy', ''))},web,{source.choice(('', 'https://e.example/1'))}"
            for one in some(0.3)
        ],
    )
    load(
        "withdrawal",
        "number,controller,purpose,withdrawn_at",
        [f"{one},{who()},marketing,{day()}" for one in some(0.05)],
    )
    load(
        "relationship",
        "number,controller,kind,started_at",
        [
            f"{one},{who()},{source.choice(('contract', 'inquiry', 'requested-call', 'callback'))},{day()}"
            for one in some(0.1)
        ],
    )
    load(
        "contact",
        "number,controller,directory_listed,region,subdivision,timezone,subject_type",
        [
            f"{one},{who()},{source.choice(('yes', 'no', ''))},{source.choice(('', '', 'FR', 'IT'))},,"
            f"{source.choice(('', 'Europe/Lisbon'))},{source.choice(('', 'natural', 'legal'))}"
            for one in some(0.1)
        ],
    )
    for register, start, as_of in (("us-dnc", "+1", 3), ("tps", "+44", 5), ("ctps", "+44", 40)):
        listed = [one for one in pool if one.startswith(start) and source.random() < 0.4]
        text = [one[2:] if register == "us-dnc" else f"0{one[3:]}" for one in listed]
        file = files / f"{register}.csv"
        file.write_text("".join(f"{one[:3]},{one[3:]}\n" if register == "us-dnc" else f"{one}\n" for one in text))
        areas = ("--areas", "212,305,415,480,702,808") if register == "us-dnc" else ()
        day_of = (AT - timedelta(days=as_of)).isoformat()
        run(home, "register", "import", register, file, "--as-of", day_of, *areas, "--force", "a small list")
    verdicts(made, pool, source)
    calls(made, [one for one in pool if source.random() < 0.3], source)
    return made


def verdicts(site: Site, pool: list[str], source: random.Random) -> None:
    """Answers of query registers: of two dates, some too old."""
    with closing(sqlite3.connect(site.index_file)) as index, index:
        for register, start in (("rpo", "+39"), ("bloctel", "+33")):
            index.execute("INSERT INTO register VALUES (?, 'query')", (register,))
            for one in (one for one in pool if one.startswith(start) and source.random() < 0.7):
                days, opposed = source.choice((2, 9, 60)), source.random() < 0.4
                as_of, void = AT - timedelta(days=days), "2026-03-01" if opposed else None
                row = (parse_e164(one).key, register, "acme", opposed, to_micros(as_of), void, f"b{days}", 1)
                index.execute("INSERT INTO register_verdict VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        index.execute("UPDATE generation SET value = value + 1, registers = value + 1")


def calls(site: Site, called: list[str], source: random.Random) -> None:
    """Calls that were let out, with every outcome."""
    with site.screener() as screener, Log(site.log_file, site.keys()) as log:
        campaign = screener.index.campaign("us")
        for place, one in enumerate(called):
            for again in range(source.randrange(1, 5)):
                at = AT - timedelta(hours=source.randrange(1, 24 * 25))
                asked = Call(parse_e164(one), "us", None, at, "pbx", f"1772442000.{place * 10 + again + 1}")
                decided = Decision(Verdict.ALLOW, Reason.CONSENT, (), "it", {}, "it@0a", None)
                entry = decision_entry(asked, Facts(1, campaign), decided, {})
                log.append(entry)
                log.append(delivery_entry(entry.id, at, 900))
                log.append(outcome_entry(entry.id, at, source.choice(list(CallOutcome)), {}))


def agree(
    site: Site, pool: list[str], amount: int, seed: int, campaign: str, at: datetime, *, dated: bool
) -> Counter[str]:
    """Compares decisions, findings and all; returns how often each reason was given."""
    source = random.Random(seed)  # noqa: S311 - leads, not secrets
    leads = [
        written(source, source.choice(pool) if source.random() < 0.4 else number(source)) for _ in range(amount)
    ]
    reasons: Counter[str] = Counter()
    with site.screener() as one:
        screener = Screener(one.index, one.log, one.keys, one.rulebooks, one.emergency, clock=lambda: at)
        known = screener.index.campaign(campaign)
        assert known is not None
        asked = Asked(campaign, known.caller_ids[0], at if dated else None, None)
        with Batches.open(screener, asked, site.log_file) as batches:
            advised = batches.judge(leads)
        for lead, advice in zip(leads, advised, strict=True):
            wanted = screener.judge(lead, campaign, known.caller_ids[0], at=at if dated else None)
            told = explained(replace(wanted, decision=advice.decision))
            assert told == explained(wanted)
            assert advice.decision == wanted.decision
            reasons[wanted.decision.reason] += 1
            if advice.next is not None:
                earlier = advice.next - timedelta(minutes=1)
                assert advice.next > at
                assert [
                    screener.rulebooks.evaluate(replace(wanted.call, at=then), known, wanted.facts).verdict
                    for then in (max(at, earlier), advice.next)
                ] == [Verdict.BLOCK, Verdict.ALLOW]
    return reasons


@pytest.mark.parametrize("case", [case[0] for case in CASES])
@pytest.mark.parametrize(("at", "dated"), [(AT, True), (NIGHT, False)])
def test_every_lead_gets_the_decision_of_check(
    site: Site, pool: list[str], case: str, at: datetime, *, dated: bool
) -> None:
    """Verdict, reason, local times, rulebook and every finding are those of a check of that number alone."""
    reasons = agree(site, pool, 250, 11, case, at, dated=dated)
    assert len(reasons) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", [101, 102])
def test_ten_thousand_random_leads_agree_with_check(site: Site, pool: list[str], seed: int) -> None:
    """The same on 10,000 leads, parted among the campaigns."""
    reasons: Counter[str] = Counter()
    for place, case in enumerate(CASES):
        at = (AT, NIGHT, AT + timedelta(hours=6))[place % 3]
        reasons += agree(site, pool, 10_000 // len(CASES) + 1, seed + place, case[0], at, dated=place % 2 == 0)
    assert reasons.total() >= 10_000
    assert len(reasons) >= 12


def test_the_files_hold_what_check_says(site: Site, pool: list[str], tmp_path: Path) -> None:
    """Each record stands in one of the two lists, with the reason that check gives."""
    source = random.Random(5)  # noqa: S311 - leads, not secrets
    leads = [written(source, source.choice(pool)) for _ in range(120)]
    file = tmp_path / "list.csv"
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([("id", "phone"), *((str(place), lead) for place, lead in enumerate(leads))])
    summary = scrub(site, Order(file, "us", tmp_path / "out", at=AT))
    found: dict[str, tuple[str, str]] = {}
    for name in ("allowed", "blocked"):
        with (tmp_path / "out" / f"{name}.csv").open(newline="") as stream:
            for row in csv.DictReader(stream):
                assert row["vaglio_verdict"] == {"allowed": "allow", "blocked": "block"}[name]
                found[row["id"]] = (row["vaglio_verdict"], row["vaglio_reason"])
    with site.screener() as screener:
        for place, lead in enumerate(leads):
            decision = screener.judge(lead, "us", "+12125551234", at=AT).decision
            assert found[str(place)] == (decision.verdict, decision.reason)
    assert (summary.leads, summary.allowed + summary.blocked) == (120, 120)


def test_leads_of_which_nothing_is_known_share_their_answer(site: Site) -> None:
    """However many they are, each sort is decided once."""
    source = random.Random(6)  # noqa: S311 - leads, not secrets
    leads = [f"+39320{source.randrange(10_000_000):07d}" for _ in range(400)]
    with site.screener() as screener:
        asked = Asked("it", "+390612345678", AT, None)
        with Batches.open(screener, asked, site.log_file) as batches:
            assert len({id(advice) for advice in batches.judge(leads)}) < 20


def test_an_order_may_name_the_country_of_bare_digits(site: Site, tmp_path: Path) -> None:
    """They are judged as the international number that they stand for, whatever the campaign's region."""
    file = tmp_path / "list.csv"
    file.write_text("phone\n020 7946 0958\n06 1234 5678\n", encoding="utf-8")
    summary = scrub(site, Order(file, "it", tmp_path / "out", region="GB", at=AT))
    with site.screener() as screener:
        wanted = screener.judge("+442079460958", "it", "+390612345678", at=AT).decision
    assert summary.reasons["block"] == {wanted.reason: 1, "NUMBER_INVALID": 1}


def test_numbers_with_facts_are_found_however_dense_they_lie(site: Site, pool: list[str]) -> None:
    """A stretch with few rows is read through, one with many is looked up; both find the same."""
    keys = np.array(sorted(parse_e164(one).key for one in pool), dtype=np.uint64)
    with site.screener() as screener, closing(database.read_only(screener.index.path)) as connection:
        with Known.of(screener.index.path, connection) as known:
            dense = known.with_facts(keys)
            ends = np.array([keys[0], keys[1], keys[-1]], dtype=np.uint64)
            sparse = known.with_facts(ends)
        tables = ("opposition", "consent", "relationship", "contact")
        union = " UNION ".join(f"SELECT number FROM {table}" for table in tables)  # noqa: S608 - constants
        held = {number for (number,) in connection.execute(union)}
    assert dense.tolist() == [key in held for key in keys.tolist()]
    assert sparse.tolist() == [key in held for key in ends.tolist()]
