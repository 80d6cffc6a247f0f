"""The figures of a day: every entry of it counted once, for whom it may be."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vaglio.audit import EntryKind, Keys, Log, create_log, make
from vaglio.numbers import parse
from vaglio.reports import today
from vaglio.reports.today import day_figures

DAY = datetime(2026, 3, 2, tzinfo=UTC)
NUMBER = parse("+393331234567", region="IT", emergency=frozenset())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A call each quarter of an hour from 23:00 of the day before for 26 hours, in turn of two controllers."""
    keys, path = Keys.create(tmp_path / "keys"), tmp_path / "audit.db"
    create_log(path, keys, DAY - timedelta(days=1))
    with Log(path, keys) as one:
        for place in range(104):
            at = DAY + timedelta(minutes=15 * place - 60)
            blocked = place % 4 == 0
            body = {
                "campaign": "c",
                "controller": f"p{place % 2}",
                "verdict": "block" if blocked else "allow",
                "reason": "OPPOSITION" if blocked else "CONSENT",
            }
            made = make(EntryKind.DECISION, at, body, number=NUMBER)
            one.append(made)
            one.append(make(EntryKind.DELIVERY, at, {"ref": made.id, "microseconds": 1000 + place}))
        for at in (DAY, DAY + timedelta(hours=24)):
            one.append(make(EntryKind.FAILOPEN, at, {"controller": "p1"}, number=NUMBER))
            one.append(make(EntryKind.UNSCREENED_CALL, at, {"why": "no pass"}, number=NUMBER))
    return path


@pytest.fixture(params=[7, 20_000])
def stretch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Short stretches, so that full ones are kept, and the usual."""
    length: int = request.param
    monkeypatch.setattr(today, "STRETCH", length)
    today._kept.cache_clear()
    return length


def test_every_call_of_the_day_counts_once(log: Path, stretch: int) -> None:
    """And none of the days beside it; the same when what was counted is kept."""
    assert stretch
    for _ in range(2):
        day = day_figures(log, DAY, DAY + timedelta(days=1))
        assert (day.calls, day.allowed, day.blocked) == (96, 72, 24)
        assert [(one.reason, one.count) for one in day.reasons] == [("CONSENT", 72), ("OPPOSITION", 24)]
        assert [hour.allowed + hour.blocked for hour in day.hours] == [4] * 24
        assert (day.let_out, day.unscreened, day.counted_until) == (1, 1, None)
        assert day.answers is not None
        assert (day.answers.count, day.answers.longest) == (96, 1099)
        assert 1040 < day.answers.p50 < 1060
        assert day.answers.p99 > 1090


def test_a_day_of_another_zone_is_counted_by_its_own_hours(log: Path, stretch: int) -> None:
    """From 23:00 UTC to 23:00 UTC, for one."""
    assert stretch
    day = day_figures(log, DAY - timedelta(hours=1), DAY + timedelta(hours=23))
    assert (day.calls, day.hours[0].begin) == (96, DAY - timedelta(hours=1))


def test_one_controllers_figures_hold_nothing_of_another(log: Path, stretch: int) -> None:
    """Unscreened calls belong to nobody, and are not told."""
    assert stretch
    own, other = (day_figures(log, DAY, DAY + timedelta(days=1), name) for name in ("p0", "p1"))
    assert (own.calls, own.let_out, own.unscreened) == (48, 0, None)
    assert (other.calls, other.let_out, other.unscreened) == (48, 1, None)
    assert own.answers is not None
    assert own.answers.count == 48
    assert own.blocked == 24
    assert other.blocked == 0


def test_a_day_without_calls_has_no_answer_times(log: Path) -> None:
    """And every hour is there, empty."""
    day = day_figures(log, DAY + timedelta(days=9), DAY + timedelta(days=10))
    assert (day.calls, day.answers, day.reasons, len(day.hours)) == (0, None, (), 24)


def test_a_count_cut_short_says_so_and_goes_on_where_it_was(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted before the deadline is kept, so that asking again comes to the end."""
    monkeypatch.setattr(today, "STRETCH", 7)
    today._kept.cache_clear()
    monkeypatch.setattr(today, "SECONDS", -1.0)
    cut = day_figures(log, DAY, DAY + timedelta(days=1))
    assert cut.calls == 0
    assert cut.counted_until is not None
    monkeypatch.setattr(today, "SECONDS", 60.0)
    assert day_figures(log, DAY, DAY + timedelta(days=1)).calls == 96


def test_a_log_put_in_the_place_of_another_is_counted_anew(log: Path, tmp_path: Path, stretch: int) -> None:
    """Nothing kept of the one is told of the other."""
    assert stretch
    assert day_figures(log, DAY, DAY + timedelta(days=1)).calls == 96
    for file in tmp_path.glob("audit.db*"):
        file.unlink()
    keys = Keys.create(tmp_path / "other")
    create_log(log, keys, DAY)
    with Log(log, keys) as one:
        for place in range(20):
            body = {"verdict": "allow", "reason": "CONSENT", "controller": "p0", "campaign": "c"}
            one.append(make(EntryKind.DECISION, DAY + timedelta(minutes=place), body, number=NUMBER))
    assert day_figures(log, DAY, DAY + timedelta(days=1)).calls == 20
