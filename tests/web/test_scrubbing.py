"""Lists that wait, run and go: the jobs behind the console's page."""

import asyncio
import os
import time
from collections.abc import Callable

import pytest

from vaglio.web.rooms import Rooms
from vaglio.web.scrubbing import Job, State, Wish, jobs


def wish(account: str, campaign: str = "renewals") -> Wish:
    return Wish(account, "leads.csv", campaign, None, "Colonna", None, {"by": account, "via": "console"})


async def begun(rooms: Rooms, account: str, leads: str, campaign: str = "renewals") -> Job:
    job = await rooms.scrubs.prepare(wish(account, campaign))
    job.list_file.write_text(leads, encoding="utf-8")
    rooms.scrubs.begin(job)
    return job


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come about")


async def over(job: Job) -> None:
    await until(lambda: job.over)


async def test_an_account_has_one_list_and_another_waits_for_its_turn(rooms: Rooms) -> None:
    """While a list is under way its account is busy; the next account's list comes to its result all the same."""
    first = await begun(rooms, "anna", "phone\n+393331230001\n")
    second = await begun(rooms, "bruno", "phone\n+393331230002\n+393331230003\n")
    assert rooms.scrubs.busy("anna")
    assert not rooms.scrubs.busy("carla")
    await over(first)
    assert not rooms.scrubs.busy("anna")
    await over(second)
    assert (first.state, second.state) == (State.DONE, State.DONE)
    assert second.summary is not None
    assert (second.summary["file"], second.summary["leads"]) == ("leads.csv", 2)


async def test_a_failed_list_tells_why_by_its_own_name(rooms: Rooms) -> None:
    """The path on the server is not in it; the upload is gone."""
    job = await begun(rooms, "anna", "a,b\n1,2\n")
    await over(job)
    assert job.state is State.FAILED
    assert job.problem.startswith("leads.csv: no column holds phone numbers")
    assert job.problem.endswith("with “Colonna”")
    assert str(rooms.site.settings.file.parent) not in job.problem


async def test_a_result_that_cannot_be_kept_is_told_without_the_server_s_places(rooms: Rooms) -> None:
    """Neither a path nor an option of the command: the person has neither."""
    job = await rooms.scrubs.prepare(wish("anna"))
    job.list_file.write_text("phone\n+393331230001\n", encoding="utf-8")
    (job.folder / "out").write_text("in the way", encoding="utf-8")
    rooms.scrubs.begin(job)
    await over(job)
    assert job.state is State.FAILED
    assert job.problem.startswith("leads.csv: the server cannot keep its results (")
    assert "--out" not in job.problem
    assert str(job.folder) not in job.problem


async def test_a_list_that_is_stopped_leaves_nothing(rooms: Rooms) -> None:
    """Neither process nor file."""
    job = await begun(rooms, "anna", "phone\n" + "+393331230001\n" * 200_000)
    await until(lambda: job.state is not State.WAITING)
    await rooms.scrubs.remove("anna")
    assert rooms.scrubs.of("anna") is None
    assert not job.folder.exists()


async def test_a_result_goes_when_its_time_is_over(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sooner once both lists were fetched."""
    monkeypatch.setattr(jobs, "FETCHED_SECONDS", 0.0)
    job = await begun(rooms, "anna", "phone\n+393331230001\n")
    await over(job)
    job.note_fetched("allowed")
    await asyncio.sleep(0)
    assert rooms.scrubs.of("anna") is job
    job.note_fetched("blocked")
    await until(lambda: rooms.scrubs.of("anna") is None and not job.folder.exists())


async def test_what_a_crash_left_behind_is_swept(rooms: Rooms) -> None:
    """With the next list; what is younger than any job can be is let alone."""
    directory = rooms.site.accounts_file.with_name("uploads")
    old, young = directory / "old", directory / "young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "list").write_text("+393331230001\n")
    long_ago = time.time() - 86_400
    os.utime(old, (long_ago, long_ago))
    await begun(rooms, "anna", "phone\n+393331230001\n")
    assert not old.exists()
    assert young.exists()


async def test_uploads_are_private(rooms: Rooms) -> None:
    """Nobody but the service's user enters their directory."""
    job = await rooms.scrubs.prepare(wish("anna"))
    assert {folder.stat().st_mode & 0o077 for folder in (job.folder, job.folder.parent)} == {0}
