"""The systemd units: what they promise of hardening, watchdog and sockets."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = sorted(UNITS.glob("*.service"), key=lambda unit: unit.name)
MOST_EXPOSED = 2.0
analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and not os.environ.get("CI"),
    reason="SYSTEMD-ANALYZE IS NOT INSTALLED: the units are not analysed",
)


def section(unit: Path, name: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign] # keys keep their case
    parser.read(unit, encoding="utf-8")
    return parser[name]


@analyze
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_unit_is_hardened(unit: Path) -> None:
    """`systemd-analyze security` rates each at 2.0 or better."""
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--no-pager",
            f"--threshold={MOST_EXPOSED * 10:g}",
            unit,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


@analyze
def test_the_units_are_what_systemd_understands(tmp_path: Path) -> None:
    """No unknown key, no wrong value, no missing unit among themselves."""
    for unit in UNITS.iterdir():
        text = unit.read_text(encoding="utf-8").replace("/usr/bin/vaglio", sys.executable)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(tmp_path / unit.name for unit in UNITS.iterdir())],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert [line for line in done.stderr.splitlines() if "vaglio" in line] == []


@pytest.mark.parametrize("name", ["vaglio.service", "vaglio-standby.service"])
def test_a_serving_unit_is_watched_restarted_and_before_the_pbx(name: str) -> None:
    """It reports readiness, is killed when its event loop hangs, and has room for every conversation."""
    service, unit = section(UNITS / name, "Service"), section(UNITS / name, "Unit")
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 5  # the loop feeds it once a second
    assert service["Restart"] == "always"
    assert int(service["LimitNOFILE"]) >= 8192
    assert "asterisk.service" in unit["Before"].split()
    assert unit["StartLimitIntervalSec"] == "0"


def test_both_processes_are_given_the_same_socket() -> None:
    """A restart of the first leaves its address answered by the standby."""
    for name in ("vaglio.service", "vaglio-standby.service"):
        assert section(UNITS / name, "Service")["Sockets"] == "vaglio.socket"
    sock = section(UNITS / "vaglio.socket", "Socket")
    assert sock["FileDescriptorName"] == "fastagi"
    assert sock["ListenStream"] == "127.0.0.1:4573"


def test_the_web_neither_delays_nor_outlives_calls() -> None:
    """It is not before the PBX, gives way in processor time, and goes first when memory is short."""
    service, unit = section(UNITS / "vaglio-web.service", "Service"), section(UNITS / "vaglio-web.service", "Unit")
    assert "Before" not in unit
    assert int(service["OOMScoreAdjust"]) > 0
    assert int(service["Nice"]) > 0
