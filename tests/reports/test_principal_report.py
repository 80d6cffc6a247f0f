"""A principal's figures against the same entries counted by hand, one by one."""

import csv
import dataclasses
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from tests.reports.conftest import FOREIGN, OCTOBER, SINCE, Town, ask, oppose
from vaglio.audit import Record, Writer, decision_entry, failopen_entry
from vaglio.audit.erasing import erase
from vaglio.changes import Changes
from vaglio.errors import InputError, NotFoundError
from vaglio.index.store import Store
from vaglio.model import Call, CallOutcome, Campaign, Decision, DialMode, Facts, Purpose, Reason, Verdict
from vaglio.numbers import parse_e164
from vaglio.reports.contracts import Contract
from vaglio.reports.documents import figures_csv, render_html
from vaglio.reports.ledger import Period
from vaglio.reports.oppositions import CHANNELS
from vaglio.reports.principal import ContractsGiven, PrincipalReport, principal_report

ZONES = {"spring": "Europe/Rome", "renewals": "Europe/Rome", "trial": "Europe/London", "zz-secret": "Europe/Rome"}
MARKETING = Campaign("spring", "acme", "Call House", Purpose.MARKETING, "telecom", DialMode.PREDICTIVE, "IT")
ALLOWED = Decision(Verdict.ALLOW, Reason.CONSENT, (), "it", {}, "it@000000000000")
NUMBER = "+393331234567"
HOSTILE = "<script>alert(1)</script>"


def decided(records: Iterable[Record], controller: str, period: Period) -> list[Record]:
    return [
        one
        for one in records
        if one.kind == "decision" and one.body["controller"] == controller and within(one, period)
    ]


def within(one: Record, period: Period) -> bool:
    return period.since <= one.at < period.until


def brute_calls(town: Town, controller: str, period: Period) -> Counter[tuple[Any, ...]]:
    """Campaign, local day, verdict, reason, would be → how many."""
    found: Counter[tuple[Any, ...]] = Counter()
    for one in decided(town.records(), controller, period):
        body = one.body
        day = one.at.astimezone(ZoneInfo(ZONES[body["campaign"]])).date().isoformat()
        found[body["campaign"], day, body["verdict"], body["reason"], body["would_be"]] += 1
    return found


def told_calls(report: PrincipalReport) -> dict[tuple[Any, ...], int]:
    return {(one.campaign, one.day, one.verdict, one.reason, one.would_be): one.count for one in report.calls}


@pytest.mark.parametrize("controller", ["acme", "zenith", "idle"])
def test_decisions_are_those_counted_one_by_one(town: Town, controller: str) -> None:
    """By campaign, by the day in the campaign's zone, by verdict and reason; none for who never called."""
    report = principal_report(town.site, controller, OCTOBER)
    expected = brute_calls(town, controller, OCTOBER)
    assert told_calls(report) == expected
    assert report.decisions == expected.total()
    assert (report.decisions > 0) == (controller != "idle")


@pytest.mark.parametrize("seed", range(12))
def test_any_period_is_counted_alike(town: Town, seed: int) -> None:
    """Bounds lie anywhere, also upon a decision's own instant: the first belongs to it, the end does not."""
    source = random.Random(seed)  # noqa: S311 - periods, no secrets
    instants = [one.at for one in town.records() if one.kind == "decision"]
    first, last = sorted(source.sample(sorted(set(instants)), 2))
    period = Period(first, last + timedelta(microseconds=source.choice((0, 1))))
    report = principal_report(town.site, "acme", period)
    assert told_calls(report) == brute_calls(town, "acme", period)
    seqs = [one.seq for one in decided(town.records(), "acme", period)]
    assert (report.first, report.last) == (min(seqs, default=None), max(seqs, default=None))


def test_outcomes_and_silent_calls_are_those_of_the_delivered_allows(town: Town) -> None:
    """The last outcome of each delivered call, by campaign; a call that nobody told of is counted as such."""
    report = principal_report(town.site, "acme", OCTOBER)
    records = town.records()
    delivered = {one.body["ref"] for one in records if one.kind == "delivery"}
    last = {one.body["ref"]: one.body["outcome"] for one in records if one.kind == "outcome"}
    expected: dict[str, Counter[str | None]] = {}
    for one in decided(records, "acme", OCTOBER):
        if one.body["verdict"] == "allow" and one.id in delivered:
            expected.setdefault(one.body["campaign"], Counter())[last.get(one.id)] += 1
    assert {one.campaign: dict(one.outcomes) for one in report.campaigns if one.outcomes} == expected
    for told in report.campaigns:
        mine = expected.get(told.campaign, Counter())
        answered = mine["answered"] + mine["silent"] + mine["refused"]
        assert (told.silent.delivered, told.silent.answered) == (mine.total(), answered)
        assert told.silent_percent == (100 * mine["silent"] / answered if answered else None)
        assert told.above_cap == (mine["silent"] * 100 > 3 * answered)


def test_calls_without_a_verdict_are_counted_where_they_belong(town: Town) -> None:
    """By the failure policy: this principal's alone. Past the gate: the whole centre's, for nobody knows whose."""
    report = principal_report(town.site, "acme", OCTOBER)
    mine = [one for one in town.records() if one.kind == "failopen" and within(one, OCTOBER)]
    own = [one for one in mine if one.body["controller"] == "acme"]
    assert 0 < report.failed_open == len(own) < len(mine)
    seen = [one for one in town.records() if one.kind == "unscreened-call" and within(one, OCTOBER)]
    hung_up = sum(one.body["hang_up"] for one in seen)
    assert (report.unscreened.seen, report.unscreened.hung_up) == (len(seen), hung_up)
    assert 0 < hung_up < len(seen) or len(seen) == hung_up > 0


def test_registers_are_told_with_their_age_at_the_worst_instant(town: Town) -> None:
    """The list's date against the last decision that used it, and how many found it too old."""
    report = principal_report(town.site, "acme", OCTOBER)
    ages: dict[tuple[str, str], float] = {}
    used: Counter[tuple[str, str]] = Counter()
    never: Counter[str] = Counter()
    stale: Counter[str] = Counter()
    for one in decided(town.records(), "acme", OCTOBER):
        for name, told in one.body["facts"].get("registers", {}).items():
            if told["source"] is None:
                never[name] += 1
                continue
            key = (name, told["source"])
            used[key] += 1
            age = (one.at - datetime.fromisoformat(told["as_of"])) / timedelta(days=1)
            ages[key] = max(ages.get(key, 0.0), age)
        for finding in one.body["findings"]:
            stale[finding.get("evidence")] += finding.get("reason") == "REGISTER_STALE"
    found = {(one.register, str(use.source)): use for one in report.registers for use in one.uses}
    assert {key: use.decisions for key, use in found.items()} == used
    assert {key: use.worst_age_days for key, use in found.items()} == pytest.approx(ages)
    assert {key: use.stale for key, use in found.items()} == {key: stale[key[1]] for key in used}
    assert any(use.stale for use in found.values())
    assert all(loaded is not None for one in report.registers for loaded in one.taken_in)
    assert {one.register: one.never_checked for one in report.registers if one.never_checked} == never


def test_nothing_of_another_controller_stands_in_a_report(town: Town) -> None:
    """Neither its id nor its name, its campaign or who calls for it, in any field."""
    text = orjson.dumps(principal_report(town.site, "acme", OCTOBER)).decode()
    assert "spring" in text
    assert not [word for word in FOREIGN if word in text]


def test_oppositions_are_told_with_the_time_they_took_to_bind(town: Town) -> None:
    """From announcement to confirmation by the log; own and general ones, no other controller's."""
    report = principal_report(town.site, "acme", OCTOBER)
    records = town.records()
    confirmed = {one.body["ref"]: one.at for one in records if one.kind == "change-confirmed"}
    mine = [
        one
        for one in records
        if one.body.get("change") == "opposition" and one.body["controller"] in {"acme", "*"}
    ]
    of_period = [one for one in mine if within(one, OCTOBER)]
    assert report.oppositions.own == sum(one.body["controller"] == "acme" for one in of_period)
    assert report.oppositions.general == sum(one.body["controller"] == "*" for one in of_period)
    assert report.oppositions.held == len(mine)
    waits = [(confirmed[one.id] - one.at).total_seconds() for one in of_period]
    assert report.oppositions.bound_longest_seconds == max(waits)
    words = [(confirmed[one.id] - datetime.fromisoformat(one.body["opposed_at"])) for one in of_period]
    assert dict(report.oppositions.since_word)["minute"] == sum(word <= timedelta(minutes=1) for word in words)
    assert sum(count for _, count in report.oppositions.since_word) == len(of_period)
    assert report.oppositions.unconfirmed == 0


def test_oppositions_are_told_by_channel_and_complaints_on_their_own(small: Town) -> None:
    """With how fast complaints bound; channels are free text, so numbers in them are masked and few are named."""

    async def work(town: Town, _: Changes, store: Store, writer: Writer) -> None:
        town.at, step = SINCE + timedelta(days=1), timedelta(seconds=1)

        def clock() -> datetime:
            town.at += step
            return town.at

        changes = Changes(store, writer, clock)
        told = ["complaint", " Complaint", "letter", None, "mail of +390612345678", HOSTILE]
        for place, channel in enumerate([*told, *("call", "call"), *(f"way {one}" for one in range(CHANNELS))]):
            number = f"+3933312340{place:02d}"
            step = timedelta(seconds=9 if "omplaint" in (channel or "") else 1)
            await oppose(town, changes, number, "acme" if place % 2 else "*", before=timedelta(0), channel=channel)
        step = timedelta(seconds=99)
        await oppose(town, changes, "+393331234099", "zenith", before=timedelta(0), channel="complaint")

    small.do(work)
    small.seal()
    report = principal_report(small.site, "acme", OCTOBER)
    found = report.oppositions
    assert found.complaints == 2
    assert found.channels[:2] == (("complaint", 2), ("call", 2))
    assert len(found.channels) == CHANNELS
    assert sum(count for _, count in found.channels) + found.other_channels == found.own + found.general
    told = dict(found.channels)
    assert (told["letter"], told[""], told["mail of …678"]) == (1, 1, 1)
    assert found.complaints_bound_longest_seconds == found.bound_longest_seconds
    assert found.complaints_bound_median_seconds == 9 * (found.bound_median_seconds or 0) > 0
    rows = list(csv.DictReader(figures_csv(report).decode().splitlines()))
    values = {(row["section"], row["item"]): row["value"] for row in rows}
    assert values["oppositions", "complaints"] == values["opposition_channels", "complaint"] == "2"
    assert values["oppositions", "by_other_channels"] == str(found.other_channels)
    for language, says in (("en", "complaints"), ("it", "reclami"), ("fr", "réclamations")):
        page = render_html(report, language)
        assert says in page
        assert "mail of …678" in page
        assert HOSTILE not in page


def test_without_complaints_their_figure_is_nought(town: Town) -> None:
    """And nothing is said of how fast they bound."""
    found = principal_report(town.site, "acme", OCTOBER).oppositions
    assert (found.complaints, found.complaints_bound_median_seconds) == (0, None)
    assert dict(found.channels) == {"call": found.own + found.general}


def test_no_decision_let_a_call_out_after_an_opposition_and_the_failure_policy_s_calls_are_found(
    town: Town,
) -> None:
    """Checked with the numbers unsealed: what the report finds by tokens is what there is."""
    records, keys = town.records(), town.site.keys()
    confirmed = {one.body["ref"]: one.at for one in records if one.kind == "change-confirmed"}
    with town.site.screener() as screener:
        numbers = {
            one.id: keys.unseal(sealed, one.id) for one in records if (sealed := screener.log.sealed(one.id))
        }
    bound = {
        (numbers[one.id], confirmed[one.id])
        for one in records
        if one.body.get("change") == "opposition" and one.body["controller"] in {"acme", "*"}
    }
    expected = [
        one.id
        for one in records
        if one.body.get("controller") == "acme"
        and (one.kind == "failopen" or one.body.get("verdict") == "allow")
        and within(one, OCTOBER)
        and any(number == numbers.get(one.id) and at < one.at for number, at in bound)
    ]
    found = principal_report(town.site, "acme", OCTOBER).oppositions
    assert sorted(one.decision for one in found.named) == sorted(expected)
    assert found.calls_after == len(expected)
    assert {one.kind for one in found.named} <= {"failopen"}


def bogus(town: Town, at: datetime, campaign: Campaign = MARKETING) -> Any:
    """A decision that should never have been: an allow of a number that had opposed."""
    town.calls += 1
    call = Call(parse_e164(NUMBER), campaign.id, None, at, "pbx", f"1790000000.{town.calls}")
    return decision_entry(call, Facts(1, campaign), ALLOWED, {})


def test_a_call_let_out_after_an_opposition_is_found_by_its_number(small: Town) -> None:
    """Not before it bound, not after it was lifted, not for another purpose or controller; by policy too."""
    small.at = SINCE + timedelta(days=1)
    hour = timedelta(hours=1)
    service = dataclasses.replace(MARKETING, id="renewals", purpose=Purpose.SERVICE)
    foreign = dataclasses.replace(MARKETING, id="zz-secret", controller="zenith")
    wrong: list[str] = []

    async def work(town: Town, changes: Changes, store: Store, writer: Writer) -> None:
        await writer.append(bogus(town, town.at - hour))
        read = parse_e164(NUMBER)
        await oppose(town, changes, NUMBER, "acme", before=timedelta(0))
        for entry in (
            bogus(town, town.at + hour),
            failopen_entry(read, service, "", "pbx", "1790000001.1", town.at + 2 * hour),
        ):
            await writer.append(entry)
            wrong.append(entry.id)
        await writer.append(bogus(town, town.at + hour, foreign))
        town.at += timedelta(days=1)
        await store.lift_opposition(read.key, "acme", purpose=None, lifted_at=town.at, evidence_uri="x", entry=99)
        await writer.append(bogus(town, town.at + hour))

    small.do(work)
    small.seal()
    found = principal_report(small.site, "acme", OCTOBER).oppositions
    assert found.calls_after == 2
    assert [one.decision for one in found.named] == wrong
    assert [one.kind for one in found.named] == ["decision", "failopen"]
    assert (found.held, found.lifted) == (0, 1)
    assert principal_report(small.site, "zenith", OCTOBER).oppositions.calls_after == 0


def test_an_opposition_for_one_purpose_is_held_against_calls_of_that_purpose(small: Town) -> None:
    """A service call to somebody who opposed marketing alone is no breach."""
    small.at = SINCE + timedelta(days=1)
    service = dataclasses.replace(MARKETING, id="renewals", purpose=Purpose.SERVICE)

    async def work(town: Town, changes: Changes, _: Store, writer: Writer) -> None:
        from vaglio.index.records import OppositionRecord  # noqa: PLC0415

        read = parse_e164(NUMBER)
        await changes.oppose(OppositionRecord(read.key, "*", "marketing", town.at, "call"), read, {})
        await writer.append(bogus(town, town.at + timedelta(hours=1), service))
        await writer.append(bogus(town, town.at + timedelta(hours=1)))

    small.do(work)
    small.seal()
    found = principal_report(small.site, "acme", OCTOBER).oppositions
    assert [one.campaign for one in found.named] == ["spring"]
    assert found.general == 1


def test_calls_whose_number_was_erased_are_counted_as_not_held_against(small: Town) -> None:
    """The report does not claim what nobody can know any more."""
    small.at = SINCE + timedelta(days=1)

    async def work(town: Town, _: Changes, __: Store, writer: Writer) -> None:
        await writer.append(bogus(town, town.at))

    small.do(work)
    small.seal()
    assert principal_report(small.site, "acme", OCTOBER).numbers_gone == 0
    erase(small.site.log_file, small.site.keys(), NUMBER, small.at)
    assert principal_report(small.site, "acme", OCTOBER).numbers_gone == 1


def test_only_what_a_checkpoint_covers_is_counted(small: Town) -> None:
    """Entries written later are named as not sealed yet, and every figure can be proven."""
    small.at = SINCE + timedelta(days=1)

    async def one_more(town: Town, _: Changes, __: Store, writer: Writer) -> None:
        with town.site.screener() as screener:
            screener.clock = town.now
            await ask(town, screener, writer, NUMBER, "renewals", CallOutcome.ANSWERED)

    with pytest.raises(NotFoundError, match="no checkpoint"):
        principal_report(small.site, "acme", OCTOBER)
    small.do(one_more)
    small.seal()
    before = principal_report(small.site, "acme", OCTOBER)
    small.do(one_more)
    after = principal_report(small.site, "acme", OCTOBER)
    assert (before.decisions, before.delivered, before.basis.unsealed) == (1, 1, 0)
    assert (after.decisions, after.delivered, after.basis.unsealed) == (1, 1, 3)
    assert after.basis.checkpoint_root == before.basis.checkpoint_root
    small.seal()
    assert principal_report(small.site, "acme", OCTOBER).decisions == 2


def test_contracts_are_settled_for_the_principal_alone(town: Town) -> None:
    """Others' contracts are passed over; that a number was called for somebody else is not told."""
    always = Period(SINCE - timedelta(days=9), OCTOBER.until)
    own = decided(town.records(), "acme", always)
    foreign = decided(town.records(), "zenith", OCTOBER)
    keys = town.site.keys()
    with town.site.screener() as screener:
        unsealed = {
            one.id: keys.unseal(sealed, one.id)
            for one in (*own, *foreign)
            if (sealed := screener.log.sealed(one.id))
        }
    blocked = next(one for one in own if one.body["reason"] == "OPPOSITION")
    mine = {unsealed[one.id] for one in own}
    other = next(unsealed[one.id] for one in foreign if unsealed[one.id] not in mine)
    contracts = [
        Contract("K1", parse_e164(unsealed[blocked.id]), "acme", blocked.at, blocked.id),
        Contract("K2", parse_e164(other), "acme", OCTOBER.until),
        Contract("K3", parse_e164(other), "zenith", OCTOBER.until),
    ]
    found = principal_report(town.site, "acme", OCTOBER, contracts=ContractsGiven(contracts)).contracts
    assert found is not None
    assert (found.contracts, found.due) == (2, 0)
    assert [row["contract_id"] for row in found.without_basis] == ["K1", "K2"]
    assert dict(found.none) == {"BLOCKED": 1, "NO_CALL": 1}
    assert other not in str(found)


def test_a_period_ends_after_it_begins_and_a_controller_is_known(town: Town) -> None:
    """Both are told in one line with the next step."""
    with pytest.raises(InputError, match="--to"):
        Period(SINCE, SINCE)
    with pytest.raises(NotFoundError, match="controller list"):
        principal_report(town.site, "nobody", OCTOBER)


def test_how_far_it_is_can_be_followed(town: Town) -> None:
    """Entries first, then oppositions; never beyond the total."""
    seen: list[tuple[int, int]] = []
    principal_report(town.site, "acme", OCTOBER, on_progress=lambda told: seen.append((told.done, told.total)))
    assert seen
    assert all(done <= total for done, total in seen)


def test_a_report_changes_nothing(town: Town, tmp_path: Path) -> None:
    """It reads; the entry that tells of it is written by who hands it on."""
    before = len(town.records())
    principal_report(town.site, "acme", OCTOBER, at=datetime(2026, 11, 1, tzinfo=UTC))
    assert len(town.records()) == before
    assert not list(tmp_path.iterdir())
