"""A `vaglio serve` of its own: a new site with campaigns and facts, free ports, stopped when the block ends."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

from bench import marketing
from bench.parts import NotMeasured
from bench.processes import running
from lab.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

CAMPAIGN = "bench"
CALLER_ID = "+33187654321"
OPPOSITIONS = 100_000
"""Every second number from +33600000000 on."""

_UNIT = Path(__file__).resolve().parents[1] / "systemd" / "vaglio.service"
_CONFIGURATION = """
[fastagi]
listen = "127.0.0.1:{port}"

[health]
listen = "127.0.0.1:{health}"

[rules]
site_file = "site.toml"
"""
_CAMPAIGNS = f"""
[[controller]]
id = "acme"
name = "Acme"

[[campaign]]
id = "{CAMPAIGN}"
controller = "acme"
caller_org = "Acme"
purpose = "service"
sector = "telecom"
dial_mode = "manual"
region = "FR"
caller_ids = ["{CALLER_ID}"]
starts = 2020-01-01
ends = 2099-12-31
script_version = "1"
notice_version = "1"
"""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: its FastAGI port and its process id."""

    port: int
    pid: int


@contextmanager
def vaglio(directory: Path, *, asked: bool = False, as_unit: bool = False) -> Iterator[Service]:
    """Serve from a new site in this directory.

    With `asked`, the site also has the marketing campaign of `bench.marketing`, of which everything is asked; with
    `as_unit`, the service has the environment of the shipped unit: real-time priority, memory in huge pages.

    Raises NotMeasured when it cannot be set up, does not start, or is not granted what it needs.
    """
    port, health = free_port(), free_port()
    configuration = directory / "vaglio.toml"
    environment = os.environ | {"VAGLIO_CONFIG": str(configuration)}
    program = Path(sys.executable).with_name("vaglio")

    def call(*words: str | Path) -> str:
        return _call([program, *words], environment)

    call("init", directory)
    configuration.write_text(_CONFIGURATION.format(port=port, health=health))
    (directory / "site.toml").write_text(marketing.RULES if asked else "")
    (directory / "campaigns.toml").write_text(_CAMPAIGNS + (marketing.CAMPAIGNS if asked else ""))
    call("campaign", "import", directory / "campaigns.toml")
    (directory / "oppositions.csv").write_text(_oppositions())
    call("opposition", "import", directory / "oppositions.csv")
    if asked:
        marketing.load(call, directory)
    log = directory / "serve.log"
    if as_unit:
        environment = _unit_environment() | environment
    with running([program, "serve"], port, log=log, environment=environment) as process:
        _await_ready(f"http://127.0.0.1:{health}/readyz", log)
        if as_unit and "no real-time priority" in log.read_text(errors="replace"):
            raise NotMeasured("this machine grants no real-time priority")
        yield Service(port, process.pid)


def _unit_environment() -> dict[str, str]:
    """What the shipped unit sets for the service."""
    lines = [line for line in _UNIT.read_text().splitlines() if line.startswith("Environment=")]
    return dict(word.split("=", 1) for line in lines for word in line.removeprefix("Environment=").split())


def _oppositions() -> str:
    rows = [f"+336{2 * n:08d},*,*,2026-01-05T10:00:00Z" for n in range(1, OPPOSITIONS + 1)]
    return "\n".join(["number,controller,purpose,opposed_at", *rows, ""])


def _await_ready(url: str, log: Path) -> None:
    deadline = monotonic() + 20
    while monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            sleep(0.05)
    lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    raise NotMeasured(f"vaglio serve never became ready: {lines[-1]}")


def _call(command: list[str | Path], environment: dict[str, str]) -> str:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasured(f"vaglio {words[1]} failed: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise NotMeasured(f"vaglio {' '.join(words[1:3])} failed: {lines[-1]}")
    return done.stdout
