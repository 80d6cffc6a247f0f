import asyncio
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vaglio import site as installation
from vaglio.index.definitions import definitions
from vaglio.index.store import Store
from vaglio.sync.schedule import keep_synced
from vaglio.sync.sources import sources

SAMPLE = Path(__file__).parents[2] / "lab" / "sample"


def arrive(folder: Path, content: str) -> None:
    """A file that nobody has written to for an hour."""
    file = folder / "oppositions.csv"
    file.write_text(content)
    before = time.time() - 3600
    os.utime(file, (before, before))


def configured(home: Path, name: str) -> installation.Site:
    """An installation with one source: a folder that holds the sample oppositions."""
    folder = home / "incoming"
    folder.mkdir()
    arrive(folder, (SAMPLE / "oppositions.csv").read_text())
    made = installation.init(home / "site")
    with made.settings.file.open("a") as file:
        file.write(f'\n[[source]]\nname = "{name}"\nkind = "oppositions"\nurl = "{folder}"\nevery = "1h"\n')
    return installation.Site.at(made.settings.file)


async def run_until_told(site: installation.Site, seconds: float = 20.0) -> list[tuple[str, int, str]]:
    """What the scheduler said by the end of its first run."""
    told: list[tuple[str, int, str]] = []
    ran = asyncio.Event()

    def heard(source: str, code: int, words: str) -> None:
        told.append((source, code, words))
        ran.set()

    known = sources(site.settings.sources, definitions(site.settings.registers))
    async with await Store.open(site.index_file) as store:
        task = asyncio.create_task(keep_synced(store, known, site.settings.file, heard, look_seconds=0.1))
        async with asyncio.timeout(seconds):
            await ran.wait()
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        rows = await store.rows("SELECT count(*) FROM opposition")
        told.append(("rows", int(rows[0][0]), ""))
    return told


async def test_a_source_that_is_due_is_run_once_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Its facts are in the index afterwards, and it is not due again before its time."""
    told = await run_until_told(configured(tmp_path, "crm"))
    assert [(name, code) for name, code, _ in told] == [("crm", 0), ("rows", 2)]
    assert "1 files loaded, 0 known, 0 not finished, 0 rows rejected" in told[0][2]


async def test_rejected_rows_are_told(tmp_path: Path) -> None:
    """The run goes well, counts what it did not take, and names the file that says why."""
    site = configured(tmp_path, "crm")
    arrive(tmp_path / "incoming", (SAMPLE / "oppositions.csv").read_text() + "123,acme,*,2026-03-01T10:00:00Z\n")
    told = await run_until_told(site)
    assert told[0][:2] == ("crm", 0)
    assert "1 rows rejected" in told[0][2]
    assert "oppositions.csv.rejects.csv" in told[0][2].replace("\n", "")


async def test_a_source_that_fails_is_told_with_its_reason(tmp_path: Path) -> None:
    """The operator reads which source and why; nothing is loaded."""
    site = configured(tmp_path, "crm")
    arrive(tmp_path / "incoming", "no,header\n")
    told = await run_until_told(site)
    assert told[0][:2] == ("crm", 1)
    assert "oppositions.csv" in told[0][2]
    assert told[-1] == ("rows", 0, "")


async def test_a_run_gives_way_to_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process has a lower priority than the service's: here a program that tells its own stands in for it."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nnice\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    told = await run_until_told(configured(tmp_path, "crm"))
    assert told[0] == ("crm", 0, str(min(os.nice(0) + 10, 19)))


async def test_a_cancelled_run_leaves_no_process_behind(tmp_path: Path) -> None:
    """The service stops its import with itself."""
    site = configured(tmp_path, "crm")
    known = sources(site.settings.sources, definitions(site.settings.registers))
    started = datetime.now(UTC)
    async with await Store.open(site.index_file) as store:
        task = asyncio.create_task(keep_synced(store, known, site.settings.file, lambda *_: None))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (datetime.now(UTC) - started).total_seconds() < 15
