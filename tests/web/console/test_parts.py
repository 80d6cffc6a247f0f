"""Parts of pages: charts without anything the browser refuses, formats of each language, the service's state."""

import re
from datetime import UTC, datetime

import pytest
from starlette.types import ASGIApp

from lab.ports import free_port
from lab.vaglio import Vaglio
from tests.web.console.people import person
from vaglio.web.access import Role
from vaglio.web.console import formats
from vaglio.web.console.charts import stacked_bars
from vaglio.web.console.look import Look, Theme
from vaglio.web.console.service import state_of, states
from vaglio.web.console.typed import typed_moment, typed_number
from vaglio.web.rooms import Rooms

HOSTILE = "</svg><script>alert(1)</script>"


def look(language: str = "en", zone: str = "UTC") -> Look:
    return Look(language, Theme.SYSTEM, zone)


def test_a_chart_holds_nothing_but_shapes_and_text() -> None:
    """No script, no style, no link, whatever its labels say; and a name for who cannot see it."""
    drawn = stacked_bars(HOSTILE, [HOSTILE, "b"], {HOSTILE: [1, 2], "other": [0, 3]})
    assert set(re.findall(r"<(?:\w+:)?(\w+)", drawn)) <= {"svg", "g", "rect", "path", "text"}
    assert not re.search(r"\b(style|on\w+|href|id)=", drawn)
    assert 'role="img"' in drawn
    assert "aria-label=" in drawn
    assert drawn.count("<rect") >= 4


@pytest.mark.parametrize(
    ("language", "counted", "decimal"),
    [
        ("en", "1,234,567", "1,234.5"),
        ("it", "1.234.567", "1.234,5"),
        ("fr", "1\u202f234\u202f567", "1\u202f234,5"),
    ],
)
def test_numbers_are_written_as_the_language_does(language: str, counted: str, decimal: str) -> None:
    """Thousands and decimals; nothing is a dash."""
    context = {"look": look(language)}
    assert formats.count(context, 1_234_567) == counted  # type: ignore[arg-type]
    assert formats.decimal(context, 1234.5) == decimal  # type: ignore[arg-type]
    assert formats.count(context, None) == formats.NOTHING  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("micros", "told"), [(12, "12\u00a0µs"), (4567, "4.6\u00a0ms"), (2_500_000, "2.50\u00a0s")]
)
def test_durations_have_the_unit_that_reads_best(micros: int, told: str) -> None:
    """Microseconds, milliseconds, seconds."""
    assert formats.seconds({"look": look()}, micros) == told  # type: ignore[arg-type]


def test_a_time_is_told_in_the_persons_zone() -> None:
    """With the zone's name, and as a program reads it."""
    at = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    told = formats.when({"look": look(zone="Europe/Rome")}, at)  # type: ignore[arg-type]
    assert "12:00:00 CEST" in told
    assert 'datetime="2026-07-01T10:00:00+00:00"' in told


def test_what_is_typed_is_read_or_none() -> None:
    """A day in the zone, a day's end, a moment with its own zone; a number only when it is one."""
    rome = look(zone="Europe/Rome")
    assert typed_moment("2026-07-01", rome) == datetime(2026, 6, 30, 22, 0, tzinfo=UTC)
    assert typed_moment("2026-07-01", rome, end=True) == datetime(2026, 7, 1, 22, 0, tzinfo=UTC)
    assert typed_moment("2026-07-01T10:00Z", rome) == datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    for text in ("", "9999-12-31", "yesterday", "2026-13-01"):
        assert typed_moment(text, rome, end=True) is None
    assert typed_number("333 123 4567") is None
    assert str(typed_number("333 123 4567", "IT")) != ""
    assert typed_number("12", "IT") is None


async def test_a_service_that_does_not_answer_is_told_so(vaglio_port: int) -> None:
    """At once, and the standby beside it."""
    service, standby = await states(("127.0.0.1", vaglio_port), ("::", vaglio_port))
    assert (service.name, service.answers, service.ready) == ("service", False, False)
    assert (standby.name, standby.answers) == ("standby", False)


@pytest.fixture
def vaglio_port() -> int:
    """A port where nobody listens."""
    return free_port()


async def test_a_running_service_says_that_it_is_ready(furnished: Vaglio) -> None:
    """In the web's own words here, which are the same as the service's."""
    state = await state_of("service", "127.0.0.1", furnished.web.port)
    assert state.ready
    assert state.answers


async def test_a_scoped_person_sees_own_entries_only(app: ASGIApp, rooms: Rooms) -> None:
    """An import of several principals does not exist for the auditor of one."""
    one = person(app, rooms, Role.PRINCIPAL_AUDITOR, "aurora")
    other = person(app, rooms, Role.AUDITOR)
    for seq in range(1, rooms.log.size() + 1):
        assert (await one.get(f"/decisions/{seq}")).status_code == 404
        assert (await other.get(f"/decisions/{seq}")).status_code == 200
