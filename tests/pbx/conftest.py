"""One real Asterisk and one trunk for all tests of the dialplan."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import installation
from lab.asterisk import Asterisk
from lab.errors import AsteriskUnavailable
from lab.house import House, running
from lab.pbx import Pbx
from lab.sipp import Trunk

_UNSET = {
    "VAGLIO_ADDRESS": "127.0.0.1:1",
    "VAGLIO_STANDBY": "",
    "VAGLIO_SECRET": "",
    "VAGLIO_SIP_HEADER": "",
    "VAGLIO_SKIP_SERVICE": "0",
    "VAGLIO_SKIP_STANDBY": "0",
    "VAGLIO_SKIP_SERVICE_SEEN": "0",
    "VAGLIO_SKIP_STANDBY_SEEN": "0",
}


@pytest.fixture(scope="session")
def running_pbx() -> Iterator[Pbx]:
    """The PBX of this test run; without one the tests skip, and fail where CI is set."""
    try:
        installation.find()
        installation.sipp()
    except AsteriskUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"real-Asterisk tests cannot run: {error}")
        pytest.skip(f"REAL-ASTERISK TESTS DO NOT RUN: {error}")
    local = (Path(__file__).parent / "dialplan_under_test.conf").read_text()
    asterisk = Asterisk(extra={"extensions_local.conf": local})
    with asterisk, Trunk(asterisk.ports.trunk) as trunk:
        yield Pbx(asterisk, trunk)


@pytest.fixture
def pbx(running_pbx: Pbx) -> Pbx:
    """The PBX with no service, no standby, no policy and nothing kept from earlier tests."""
    running_pbx.set(**_UNSET)
    for policy in running_pbx.asterisk.policy_dir.iterdir():
        policy.unlink()
    running_pbx.asterisk.cli("database deltree vaglio failopen")
    running_pbx.asterisk.cli("database deltree test")
    return running_pbx


@pytest.fixture(scope="session")
def running_house(running_pbx: Pbx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A second PBX, with the real service behind it."""
    assert running_pbx.asterisk.pid
    with running(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def house(running_house: House) -> House:
    """The house with the service running and asked at once, whatever a test before did to it."""
    if not running_house.vaglio.ready():
        running_house.vaglio.stop()
        running_house.vaglio.start()
    running_house.pbx.set(VAGLIO_SKIP_SERVICE="0")
    return running_house


@pytest.fixture(scope="session")
def unused_numbers() -> Iterator[int]:
    """Counts the numbers handed out in this run."""
    return itertools.count(1)


@pytest.fixture
def number(unused_numbers: Iterator[int]) -> str:
    """An Italian mobile number no other test has dialled."""
    return f"+39333{next(unused_numbers):07d}"


@pytest.fixture
def other(unused_numbers: Iterator[int]) -> str:
    """A second such number."""
    return f"+39333{next(unused_numbers):07d}"
