"""One second each side of every bound that the law draws."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.rules.case_files import question
from vaglio.rules import Rulebooks

SECOND = timedelta(seconds=1)
ROME = ZoneInfo("Europe/Rome")
PARIS = ZoneInfo("Europe/Paris")
NEW_YORK = ZoneInfo("America/New_York")


def at(text: str, zone: ZoneInfo = ROME) -> datetime:
    """A local time; the fold is the first of the two."""
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def italy(when: datetime, **facts: Any) -> dict[str, Any]:
    """An Italian call that lacks nothing: a valid consent and a fresh clear verdict."""
    return {
        "number": "+393331234567",
        "at": when,
        "campaign": {"region": "IT", "caller_ids": ["+390612345678"]},
        "consents": [{"given_at": when - timedelta(days=40)}],
        "registers": {"rpo": {"state": "clear", "as_of": when - timedelta(days=1)}},
        **facts,
    }


def france(when: datetime, **facts: Any) -> dict[str, Any]:
    """A French call that lacks nothing, before and after the change of regime."""
    return {
        "number": "+33142685300",
        "at": when,
        "campaign": {"region": "FR", "caller_ids": ["+33142000000"]},
        "consents": [{"given_at": when - timedelta(days=40)}],
        "registers": {"bloctel": {"state": "clear", "as_of": when - timedelta(days=1)}},
        **facts,
    }


def america(when: datetime, **facts: Any) -> dict[str, Any]:
    """A call to New York that lacks nothing."""
    return {
        "number": "+12125550123",
        "at": when,
        "campaign": {"region": "US", "caller_ids": ["+12125550199"]},
        "registers": {"us-dnc": {"state": "clear", "as_of": when - timedelta(days=1)}},
        **facts,
    }


def reason(rulebooks: Rulebooks, table: dict[str, Any]) -> str:
    return rulebooks.evaluate(*question(table)).reason


ITALIAN_HOURS = [
    ("2026-04-22T09:00:00", "OUTSIDE_HOURS", "CONSENT"),  # Wednesday opens
    ("2026-04-22T20:00:00", "CONSENT", "OUTSIDE_HOURS"),  # Wednesday closes
    ("2026-04-18T10:00:00", "OUTSIDE_HOURS", "CONSENT"),  # Saturday opens
    ("2026-04-18T19:00:00", "CONSENT", "OUTSIDE_HOURS"),  # Saturday closes
    ("2026-04-24T10:00:00", "OUTSIDE_HOURS", "CONSENT"),  # the eve of a public holiday opens
    ("2026-04-24T19:00:00", "CONSENT", "OUTSIDE_HOURS"),  # the eve closes
    ("2026-04-25T00:00:00", "OUTSIDE_HOURS", "HOLIDAY"),  # the public holiday begins at midnight
    ("2026-04-26T00:00:00", "HOLIDAY", "OUTSIDE_HOURS"),  # and ends at the next, a Sunday
    ("2026-03-29T00:00:00", "OUTSIDE_HOURS", "OUTSIDE_HOURS"),  # the night of the change to summer time
    ("2026-03-30T09:00:00", "OUTSIDE_HOURS", "CONSENT"),  # the first morning of summer time
    ("2026-10-26T09:00:00", "OUTSIDE_HOURS", "CONSENT"),  # the first morning of winter time
    ("2028-02-29T20:00:00", "CONSENT", "OUTSIDE_HOURS"),  # a leap day closes like others
    ("2026-04-06T12:00:00", "HOLIDAY", "HOLIDAY"),  # Easter Monday moves: 6 April 2026 …
    ("2027-04-06T12:00:00", "CONSENT", "CONSENT"),  # … is a Tuesday like others in 2027
    ("2027-03-29T12:00:00", "HOLIDAY", "HOLIDAY"),  # when it is 29 March
]


@pytest.mark.parametrize(("bound", "before", "since"), ITALIAN_HOURS)
def test_italian_hours(rulebooks: Rulebooks, bound: str, before: str, since: str) -> None:
    """A bound of the Italian day holds to the second."""
    assert reason(rulebooks, italy(at(bound) - SECOND)) == before
    assert reason(rulebooks, italy(at(bound))) == since


def test_clock_change_is_counted_in_local_time(rulebooks: Rulebooks) -> None:
    """The day after a clock change opens at 9 by the clock, which is another hour in UTC."""
    winter, summer = at("2026-03-27T09:00:00"), at("2026-03-30T09:00:00")
    assert winter.utcoffset() != summer.utcoffset()
    for opening in (winter, summer):
        assert reason(rulebooks, italy(opening)) == "CONSENT"
        assert reason(rulebooks, italy(opening - SECOND)) == "OUTSIDE_HOURS"


FRENCH_HOURS = [
    ("2026-09-16T10:00:00", "OUTSIDE_HOURS", "CONSENT"),
    ("2026-09-16T13:00:00", "CONSENT", "OUTSIDE_HOURS"),
    ("2026-09-16T14:00:00", "OUTSIDE_HOURS", "CONSENT"),
    ("2026-09-16T20:00:00", "CONSENT", "OUTSIDE_HOURS"),
]


@pytest.mark.parametrize(("bound", "before", "since"), FRENCH_HOURS)
def test_french_hours(rulebooks: Rulebooks, bound: str, before: str, since: str) -> None:
    """A bound of the French day, lunch included, holds to the second."""
    assert reason(rulebooks, france(at(bound, PARIS) - SECOND)) == before
    assert reason(rulebooks, france(at(bound, PARIS))) == since


AMERICAN_HOURS = [
    ("+12125550123", "08:00", "OUTSIDE_HOURS", "NOT_ON_REGISTER"),
    ("+12125550123", "21:00", "NOT_ON_REGISTER", "OUTSIDE_HOURS"),
    ("+13055550123", "20:00", "NOT_ON_REGISTER", "OUTSIDE_HOURS"),  # Florida
    ("+18605550123", "09:00", "OUTSIDE_HOURS", "NOT_ON_REGISTER"),  # Connecticut
    ("+16065550123", "10:00", "OUTSIDE_HOURS", "NOT_ON_REGISTER"),  # Kentucky, its eastern part
    ("+16175550123", "20:00", "NOT_ON_REGISTER", "OUTSIDE_HOURS"),  # Massachusetts
    ("+14105550123", "20:00", "NOT_ON_REGISTER", "OUTSIDE_HOURS"),  # Maryland
]


@pytest.mark.parametrize(("number", "bound", "before", "since"), AMERICAN_HOURS)
def test_american_hours(rulebooks: Rulebooks, number: str, bound: str, before: str, since: str) -> None:
    """A bound of the federal day, or of a stricter state, holds to the second."""
    instant = at(f"2026-05-20T{bound}:00", NEW_YORK)
    assert reason(rulebooks, america(instant - SECOND, number=number)) == before
    assert reason(rulebooks, america(instant, number=number)) == since


AGES = [
    (italy, "rpo", 15, at("2026-05-20T11:00:00"), "CONSENT"),
    (france, "bloctel", 30, at("2026-05-20T11:00:00", PARIS), "NOT_ON_REGISTER"),
    (america, "us-dnc", 31, at("2026-05-20T11:00:00", NEW_YORK), "NOT_ON_REGISTER"),
]


@pytest.mark.parametrize(("call", "register", "days", "when", "young"), AGES)
def test_register_age(
    rulebooks: Rulebooks, call: Any, register: str, days: int, when: datetime, young: str
) -> None:
    """An answer is stale from the second in which its age reaches the days of 24 hours."""
    as_of = when.astimezone(ZoneInfo("UTC")) - timedelta(days=days)
    table = call(when, registers={register: {"state": "clear", "as_of": as_of + SECOND}}, consents=[])
    if register == "rpo":
        table["consents"] = [{"given_at": when - timedelta(days=40)}]
    assert reason(rulebooks, table) == young
    table["registers"][register]["as_of"] = as_of
    assert reason(rulebooks, table) == "REGISTER_STALE"


def test_tps_age(rulebooks: Rulebooks) -> None:
    """A TPS list is stale on its 28th day."""
    when = at("2026-05-20T11:00:00", ZoneInfo("Europe/London"))
    lists = {name: {"state": "clear", "as_of": when - timedelta(days=28) + SECOND} for name in ("tps", "ctps")}
    table = {
        "number": "+442079460123",
        "at": when,
        "campaign": {"region": "GB", "caller_ids": ["+442079460999"]},
        "registers": lists,
    }
    assert reason(rulebooks, table) == "NOT_ON_REGISTER"
    lists["ctps"]["as_of"] = when - timedelta(days=28)
    assert reason(rulebooks, table) == "REGISTER_STALE"


def test_answer_from_the_future_is_none(rulebooks: Rulebooks) -> None:
    """A register dated after the call had not been asked by then."""
    when = at("2026-05-20T11:00:00")
    assert reason(rulebooks, italy(when, registers={"rpo": {"state": "clear", "as_of": when}})) == "CONSENT"
    late = {"rpo": {"state": "clear", "as_of": when + SECOND}}
    assert reason(rulebooks, italy(when, registers=late)) == "REGISTER_NEVER_CHECKED"


@pytest.mark.parametrize(
    ("given_at", "expected"),
    [("2026-03-01T23:59:59", "CONSENT_VOIDED"), ("2026-03-02T00:00:00", "CONSENT")],
)
def test_consent_against_void_date(rulebooks: Rulebooks, given_at: str, expected: str) -> None:
    """A consent stands from midnight in Rome after the void date, when UTC still has the day before."""
    when = at("2026-03-06T11:30:00")
    verdict = {
        "state": "opposed",
        "as_of": when - timedelta(days=2),
        "consents_void_until": at("2026-03-01").date(),
    }
    table = italy(when, registers={"rpo": verdict}, consents=[{"given_at": at(given_at)}])
    assert reason(rulebooks, table) == expected


@pytest.mark.parametrize(("early", "expected"), [(SECOND, "CUSTOMER"), (timedelta(0), "NO_CONSENT")])
def test_thirtieth_day_after_a_contract(rulebooks: Rulebooks, early: timedelta, expected: str) -> None:
    """A contract's end exempts for less than 30 days."""
    when = at("2026-05-20T11:00:00")
    ended = when.astimezone(ZoneInfo("UTC")) - timedelta(days=30) + early
    contract = {
        "kind": "contract",
        "started_at": ended - timedelta(days=300),
        "ended_at": ended,
        "simplified_revocation": True,
    }
    assert reason(rulebooks, italy(when, relationships=[contract], consents=[])) == expected


@pytest.mark.parametrize(
    ("bought", "last"),
    [
        ("2024-11-20T11:00:00", "2026-05-20T11:00:00"),
        ("2024-08-31T11:00:00", "2026-02-28T11:00:00"),  # February has no 31st
        ("2022-08-31T11:00:00", "2024-02-29T11:00:00"),  # but 2024 has a 29th
        ("2025-09-09T11:00:00", "2027-03-09T11:00:00"),  # across a clock change, by the clock
    ],
)
def test_eighteen_months_by_the_calendar(rulebooks: Rulebooks, bought: str, last: str) -> None:
    """A purchase counts for 18 months of the calendar, to the second of the local clock."""
    purchase = {"kind": "purchase", "started_at": at(bought, NEW_YORK)}
    end = at(last, NEW_YORK)
    assert reason(rulebooks, america(end - SECOND, relationships=[purchase], registers={})) == "CUSTOMER"
    late = america(end, relationships=[purchase], registers={})
    assert reason(rulebooks, late) == "REGISTER_NEVER_CHECKED"


def test_two_years_of_a_spanish_consent(rulebooks: Rulebooks) -> None:
    """A Spanish consent counts for 730 days of 24 hours."""
    when = at("2026-05-20T11:00:00", ZoneInfo("Europe/Madrid"))
    table = {
        "number": "+34912345678",
        "at": when,
        "campaign": {"region": "ES", "caller_ids": ["+34912000000"]},
        "consents": [{"given_at": when - timedelta(days=730) + SECOND}],
        "registers": {"es-robinson": {"state": "clear", "as_of": when}},
    }
    assert reason(rulebooks, table) == "CONSENT"
    table["consents"] = [{"given_at": when - timedelta(days=730)}]
    assert reason(rulebooks, table) == "CONSENT_EXPIRED"


@pytest.mark.parametrize("field", ["expires_at", "withdrawn_at"])
def test_end_of_a_consent(rulebooks: Rulebooks, field: str) -> None:
    """A consent counts until the second before it ends or is withdrawn."""
    when = at("2026-05-20T11:00:00")
    given = when - timedelta(days=40)
    assert reason(rulebooks, italy(when, consents=[{"given_at": given, field: when + SECOND}])) == "CONSENT"
    ended = "CONSENT_EXPIRED" if field == "expires_at" else "CONSENT_WITHDRAWN"
    assert reason(rulebooks, italy(when, consents=[{"given_at": given, field: when}])) == ended


def test_consent_counts_from_its_second(rulebooks: Rulebooks) -> None:
    """A consent not yet given at the call is none at all."""
    when = at("2026-05-20T11:00:00")
    assert reason(rulebooks, italy(when, consents=[{"given_at": when}])) == "CONSENT"
    assert reason(rulebooks, italy(when, consents=[{"given_at": when + SECOND}])) == "NO_CONSENT"


CHANGES = [  # midnight from which a rule holds, the call's own facts, the reason the second before and since
    ("IT", "2022-07-27T00:00:00", {"purpose": "market-research"}, "NO_RULEBOOK", "NOT_ON_REGISTER"),
    ("IT", "2024-09-28T00:00:00", {}, "CONSENT", "OUTSIDE_HOURS"),
    ("IT", "2026-06-19T00:00:00", {"sector": "energy"}, "OUTSIDE_HOURS", "SECTOR_BAN"),
    ("FR", "2023-03-01T00:00:00", {}, "NO_RULEBOOK", "OUTSIDE_HOURS"),
    ("FR", "2025-07-01T00:00:00", {"sector": "ageing-adaptation"}, "OUTSIDE_HOURS", "SECTOR_BAN"),
]


@pytest.mark.parametrize(("region", "midnight", "campaign", "before", "since"), CHANGES)
def test_law_changes_at_midnight(
    rulebooks: Rulebooks, region: str, midnight: str, campaign: dict[str, str], before: str, since: str
) -> None:
    """A rule holds from the first second of its first day, in the main zone of its country."""
    call, zone = (italy, ROME) if region == "IT" else (france, PARIS)
    for instant, expected in ((at(midnight, zone) - SECOND, before), (at(midnight, zone), since)):
        table = call(instant)
        table["campaign"] = {**table["campaign"], **campaign}
        assert reason(rulebooks, table) == expected


def test_french_opt_in_begins_at_midnight(rulebooks: Rulebooks) -> None:
    """Bloctel is asked until the last second of 10 August 2026, the consent from the first of the 11th."""
    midnight = at("2026-08-11T00:00:00", PARIS)
    told = [
        {finding.rule for finding in rulebooks.evaluate(*question(france(instant))).findings}
        for instant in (midnight - SECOND, midnight)
    ]
    assert {"FR-REG-01", "FR-OPT-00"} <= told[0]
    assert not {"FR-REG-01", "FR-OPT-00"} & told[1]
    assert "FR-OPT-01" in told[1]
    assert "FR-OPT-01" not in told[0]


def test_spanish_consents_grow_old_from_midnight(rulebooks: Rulebooks) -> None:
    """The two years of a Spanish consent are asked for from 28 December 2025."""
    midnight = at("2025-12-28T00:00:00", ZoneInfo("Europe/Madrid"))
    for instant, asked in ((midnight - SECOND, False), (midnight, True)):
        table = {
            "number": "+34912345678",
            "at": instant,
            "campaign": {"region": "ES", "caller_ids": ["+34912000000"]},
            "consents": [{"given_at": instant}],
        }
        rules = {finding.rule for finding in rulebooks.evaluate(*question(table)).findings}
        assert ("ES-CON-01" in rules) is asked


@pytest.mark.parametrize("field", ["starts", "ends"])
def test_campaign_days(rulebooks: Rulebooks, field: str) -> None:
    """First and last day of a campaign are included, from midnight to midnight of its region."""
    day = at("2026-05-20T00:00:00")
    bound = day if field == "starts" else day + timedelta(days=1)
    for instant, running in ((bound - SECOND, field == "ends"), (bound, field == "starts")):
        table = italy(instant)
        table["campaign"] = {**table["campaign"], field: day.date()}
        assert (reason(rulebooks, table) != "CAMPAIGN_NOT_ACTIVE") is running


def test_french_window_of_calendar_days(rulebooks: Rulebooks) -> None:
    """An attempt counts on its own day and the 29 after it; at midnight it no longer does."""
    first = at("2026-09-01T23:59:59", PARIS)
    others = [{"at": at(f"2026-09-{day:02}T11:00:00", PARIS)} for day in (10, 11, 14)]
    within = france(at("2026-09-30T11:00:00", PARIS), attempts=[*others, {"at": first}])
    assert reason(rulebooks, within) == "FREQUENCY_CAP"
    after = france(at("2026-10-01T11:00:00", PARIS), attempts=[*others, {"at": first}])
    assert reason(rulebooks, after) == "CONSENT"
    at_midnight = {"at": at("2026-09-02T00:00:00", PARIS)}
    still = france(at("2026-10-01T11:00:00", PARIS), attempts=[*others, at_midnight])
    assert reason(rulebooks, still) == "FREQUENCY_CAP"


def test_window_of_the_cap_is_told(rulebooks: Rulebooks) -> None:
    """An allow under a cap names the instant since which attempts were counted; without a cap there is none."""
    decision = rulebooks.evaluate(*question(france(at("2026-09-30T11:00:00", PARIS))))
    assert decision.attempt_window == at("2026-09-01T00:00:00", PARIS)
    assert rulebooks.evaluate(*question(italy(at("2026-05-20T11:00:00")))).attempt_window is None


def test_requested_call_claims_its_attempt(rulebooks: Rulebooks) -> None:
    """An allow that uses up a request names the request as its window: no second call may use it too."""
    when = at("2026-05-20T11:00:00")
    request = {"kind": "requested-call", "started_at": when - timedelta(days=2)}
    decision = rulebooks.evaluate(*question(italy(when, consents=[], registers={}, relationships=[request])))
    assert decision.reason == "REQUESTED_CALL"
    assert decision.attempt_window == when - timedelta(days=2)


def test_rolling_day_of_florida(rulebooks: Rulebooks) -> None:
    """Three attempts in 24 hours close the window until the first is 24 hours old."""
    when = at("2026-05-20T11:00:00", NEW_YORK)
    for age, expected in (
        (timedelta(hours=24) - SECOND, "FREQUENCY_CAP"),
        (timedelta(hours=24), "NOT_ON_REGISTER"),
    ):
        attempts = [{"at": when - timedelta(hours=1)}, {"at": when - timedelta(hours=2)}, {"at": when - age}]
        assert reason(rulebooks, america(when, number="+13055550123", attempts=attempts)) == expected


def test_sixty_full_days_after_a_refusal(rulebooks: Rulebooks) -> None:
    """A refusal stops calls for 60 full calendar days after its own."""
    refused = [{"at": at("2026-07-17T10:00:01", PARIS), "outcome": "refused"}]
    assert reason(rulebooks, france(at("2026-09-15T19:59:59", PARIS), attempts=refused)) == "REFUSAL_LOCKOUT"
    assert reason(rulebooks, france(at("2026-09-16T10:00:00", PARIS), attempts=refused)) == "CONSENT"


def test_five_days_after_a_silent_call(rulebooks: Rulebooks) -> None:
    """A silent call stops calls for five times 24 hours."""
    when = at("2026-05-20T11:00:00")
    for age, expected in (
        (timedelta(days=5) - SECOND, "SILENT_CALL_LOCKOUT"),
        (timedelta(days=5), "CONSENT"),
    ):
        silent = [{"at": when - age, "outcome": "silent"}]
        assert reason(rulebooks, italy(when, attempts=silent)) == expected


@pytest.mark.parametrize("kind", ["callback", "requested-call"])
def test_thirty_days_of_a_callback_or_request(rulebooks: Rulebooks, kind: str) -> None:
    """A call-back and an open request exempt for less than 30 days, and no longer than they last."""
    when = at("2026-05-20T11:00:00")
    allowed = "CALLBACK" if kind == "callback" else "REQUESTED_CALL"
    for age, expected in ((timedelta(days=30) - SECOND, allowed), (timedelta(days=30), "NO_CONSENT")):
        tie = {"kind": kind, "started_at": when.astimezone(ZoneInfo("UTC")) - age}
        assert reason(rulebooks, italy(when, consents=[], relationships=[tie])) == expected
    ended = {"kind": kind, "started_at": when - timedelta(days=3), "ended_at": when}
    assert reason(rulebooks, italy(when, consents=[], relationships=[ended])) == "NO_CONSENT"


def test_contract_counts_from_its_start_to_its_end(rulebooks: Rulebooks) -> None:
    """A French contract exempts from its first second to the one before its end."""
    when = at("2026-09-16T11:00:00", PARIS)
    start = when - timedelta(days=90)
    for started, ended, expected in (
        (when, when + SECOND, "CUSTOMER"),
        (when + SECOND, when + timedelta(days=1), "NO_CONSENT"),
        (start, when, "NO_CONSENT"),
    ):
        contract = {"kind": "contract", "sector": "telecom", "started_at": started, "ended_at": ended}
        assert reason(rulebooks, france(when, consents=[], relationships=[contract])) == expected


def test_purchase_that_was_delivered_counts_from_its_start(rulebooks: Rulebooks) -> None:
    """A purchase with an end, its delivery say, counts 18 months from its start like any other."""
    bought, last = at("2024-11-20T11:00:00", NEW_YORK), at("2026-05-20T11:00:00", NEW_YORK)
    purchase = {"kind": "purchase", "started_at": bought, "ended_at": bought + timedelta(days=3)}
    assert reason(rulebooks, america(last - SECOND, relationships=[purchase], registers={})) == "CUSTOMER"
    assert reason(rulebooks, america(last, relationships=[purchase], registers={})) == "REGISTER_NEVER_CHECKED"


@pytest.mark.parametrize(
    ("sector", "expected"), [(None, "CALLBACK"), ("telecom", "CALLBACK"), ("insurance", "NO_CONSENT")]
)
def test_callback_about_something_else(rulebooks: Rulebooks, sector: str | None, expected: str) -> None:
    """A call-back that names a sector exempts calls in that sector alone."""
    when = at("2026-05-20T11:00:00")
    tie = {"kind": "callback", "started_at": when - timedelta(days=2), "sector": sector}
    assert reason(rulebooks, italy(when, consents=[], relationships=[tie])) == expected


def test_call_that_led_to_the_request_does_not_use_it_up(rulebooks: Rulebooks) -> None:
    """A request is used up by a call after it, not by the one in which it was made."""
    when = at("2026-05-20T11:00:00")
    asked = when - timedelta(days=2)
    request = [{"kind": "requested-call", "started_at": asked}]
    for answered, expected in ((asked, "REQUESTED_CALL"), (asked + SECOND, "NO_CONSENT")):
        attempts = [{"at": answered, "outcome": "answered"}]
        table = italy(when, consents=[], relationships=request, attempts=attempts)
        assert reason(rulebooks, table) == expected


def test_opposition_without_void_date_voids_up_to_its_own_day(rulebooks: Rulebooks) -> None:
    """A verdict that opposes and tells no void date leaves the consents of later days, counted in Rome."""
    when = at("2026-05-20T11:00:00")
    verdict = {"rpo": {"state": "opposed", "as_of": at("2026-05-16T00:30:00")}}
    for given, expected in (("2026-05-16T23:59:59", "CONSENT_VOIDED"), ("2026-05-17T00:00:00", "CONSENT")):
        table = italy(when, registers=verdict, consents=[{"given_at": at(given)}])
        assert reason(rulebooks, table) == expected
