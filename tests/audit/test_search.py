"""Pages of decisions: everything that fits, once, newest first."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vaglio.audit import EntryKind, Keys, Log, create_log, make
from vaglio.audit import search as searching
from vaglio.audit.search import Wanted, search, search_number
from vaglio.numbers import parse

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NUMBER = parse("+393331234567", region="IT", emergency=frozenset())


@pytest.fixture
def log(tmp_path: Path) -> tuple[Path, Keys]:
    """120 decisions, one a minute, of two campaigns in turn; each third about the same number."""
    keys = Keys.create(tmp_path / "keys")
    path = tmp_path / "audit.db"
    create_log(path, keys, START)
    with Log(path, keys) as one:
        for place in range(120):
            at = START + timedelta(minutes=place)
            body = {
                "campaign": f"c{place % 2}",
                "controller": f"p{place % 2}",
                "verdict": "block" if place % 5 == 0 else "allow",
                "reason": "OPPOSITION" if place % 5 == 0 else "CONSENT",
                "uniqueid": f"pbx-{int(at.timestamp())}.{place}",
            }
            one.append(make(EntryKind.DECISION, at, body, number=NUMBER if place % 3 == 0 else None))
    return path, keys


def all_pages(path: Path, wanted: Wanted, most: int) -> list[int]:
    found: list[int] = []
    cursor = None
    while True:
        page = search(path, wanted, most, cursor)
        assert len(page.records) <= most
        found += [record.seq for record in page.records]
        cursor = page.next
        if cursor is None:
            return found


@pytest.mark.parametrize("most", [1, 7, 500])
@pytest.mark.parametrize("stretch", [3, 20_000])
def test_pages_hold_everything_once_newest_first(
    log: tuple[Path, Keys], most: int, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the size of a page, and however little is looked through at a time."""
    monkeypatch.setattr(searching, "_STRETCH", stretch)
    monkeypatch.setattr(searching, "_SECONDS", -1.0 if stretch == 3 else 1.0)
    found = all_pages(log[0], Wanted(campaign="c1", verdict="block"), most)
    assert found == sorted(found, reverse=True)
    assert len(found) == len(set(found)) == 12


def test_each_field_narrows(log: tuple[Path, Keys]) -> None:
    """Time, campaign, controller, verdict, reason; the end of the time is not included."""
    path = log[0]
    hour = Wanted(since=START, until=START + timedelta(minutes=60))
    assert len(all_pages(path, hour, 500)) == 60
    assert len(all_pages(path, Wanted(controller="p0"), 500)) == 60
    assert len(all_pages(path, Wanted(reason="OPPOSITION"), 500)) == 24
    assert all_pages(path, Wanted(since=START + timedelta(days=1)), 500) == []
    assert all_pages(path, Wanted(until=START - timedelta(days=1)), 500) == []
    assert len(all_pages(path, Wanted(kind=EntryKind.OUTCOME), 500)) == 0


def test_a_call_is_found_by_its_unique_id(log: tuple[Path, Keys]) -> None:
    """The id itself tells the time to look at."""
    at = START + timedelta(minutes=61)
    (found,) = all_pages(log[0], Wanted(uniqueid=f"pbx-{int(at.timestamp())}.61"), 500)
    assert found == 63
    assert all_pages(log[0], Wanted(uniqueid="no such id"), 500) == []


def test_a_number_is_found_page_by_page_and_only_within_a_controller(log: tuple[Path, Keys]) -> None:
    """By its token; another controller's entries are not there."""
    path, keys = log
    token = keys.token("+393331234567")
    first = search_number(path, token, 30)
    assert len(first.records) == 30
    assert first.next is not None
    second = search_number(path, token, 30, first.next)
    assert len(second.records) == 10
    assert second.next is None
    assert not {one.seq for one in first.records} & {one.seq for one in second.records}
    assert all(one.body["controller"] == "p0" for one in search_number(path, token, 50, controller="p0").records)
