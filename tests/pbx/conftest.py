"""One real Asterisk and one trunk for all tests of the dialplan."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
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


SUITES = ("",) if os.environ.get("ASTERISK_SUITE") else ("", installation.OLDEST_SUITE)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests marked `every_asterisk` on the default Asterisk and the oldest, unless a suite is asked for."""
    if "suite" in metafunc.fixturenames and metafunc.definition.get_closest_marker("every_asterisk"):
        metafunc.parametrize("suite", SUITES, ids=[suite or "default" for suite in SUITES])


@pytest.fixture
def suite() -> str:
    """The Debian suite of this test's Asterisk; empty for the default one."""
    return ""


@pytest.fixture(scope="session")
def need_asterisk() -> Callable[[str], None]:
    """Skips where the Asterisk of a suite is not to be had, and fails there in CI."""

    def need(suite: str) -> None:
        try:
            installation.find(suite)
            installation.sipp()
        except AsteriskUnavailable as error:
            if os.environ.get("CI"):
                pytest.fail(f"real-Asterisk tests cannot run: {error}")
            pytest.skip(f"REAL-ASTERISK TESTS DO NOT RUN: {error}")

    return need


@pytest.fixture(scope="session")
def pbx_of(need_asterisk: Callable[[str], None]) -> Iterator[Callable[[str], Pbx]]:
    """The PBX of a suite, one a test run, started when it is first asked for."""
    local = (Path(__file__).parent / "dialplan_under_test.conf").read_text()
    with ExitStack() as running:

        @cache
        def of(suite: str) -> Pbx:
            need_asterisk(suite)
            asterisk = running.enter_context(Asterisk(extra={"extensions_local.conf": local}, suite=suite))
            return Pbx(asterisk, running.enter_context(Trunk(asterisk.ports.trunk)))

        yield of


@pytest.fixture(scope="session")
def running_pbx(pbx_of: Callable[[str], Pbx]) -> Pbx:
    """The default PBX of this test run."""
    return pbx_of("")


@pytest.fixture
def pbx(pbx_of: Callable[[str], Pbx], suite: str) -> Pbx:
    """The PBX with no service, no standby, no policy and nothing kept from earlier tests."""
    clean = pbx_of(suite)
    clean.set(**_UNSET)
    for policy in clean.asterisk.policy_dir.iterdir():
        policy.unlink()
    clean.asterisk.cli("database deltree vaglio failopen")
    clean.asterisk.cli("database deltree test")
    return clean


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
