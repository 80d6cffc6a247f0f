"""An index in a temporary directory, with one controller and one campaign."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from vaglio.index.reader import Reader
from vaglio.index.store import Store
from vaglio.model import Campaign, Controller, DialMode, Purpose


@pytest.fixture
def campaign() -> Campaign:
    """A plain campaign of the controller `acme`."""
    return Campaign(
        id="spring",
        controller="acme",
        caller_org="Call Centre",
        purpose=Purpose.MARKETING,
        sector="telecom",
        dial_mode=DialMode.PREVIEW,
        region="IT",
        caller_ids=("+390612345678",),
    )


@pytest.fixture
def index_file(tmp_path: Path) -> Path:
    """Where the index stands."""
    return tmp_path / "index.db"


@pytest.fixture
async def store(index_file: Path, campaign: Campaign) -> AsyncIterator[Store]:
    """An open index that knows the campaign; entries from 1000 are free."""
    async with await Store.create(index_file) as opened:
        await opened.put_controllers_and_campaigns([Controller("acme", "Acme")], [campaign], entry=1)
        yield opened


@pytest.fixture
def reader(store: Store) -> Iterator[Reader]:
    """A reader of the same index."""
    with Reader.open(store.path) as opened:
        yield opened
