"""What every test of a source needs: an installation and a runner of its own."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vaglio import site as sites
from vaglio.index.definitions import definitions
from vaglio.sync.run import Runner

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
async def runner(tmp_path: Path) -> AsyncIterator[Runner]:
    """A runner of a fresh installation, whose clock stands still and whose retries are quick."""
    site = await asyncio.to_thread(sites.init, tmp_path / "site")
    async with site.changes() as (changes, store):
        yield Runner(
            changes=changes,
            store=store,
            registers=definitions(),
            directory=tmp_path,
            spool=tmp_path / "spool",
            clock=lambda: NOW,
            pause=0.01,
        )
