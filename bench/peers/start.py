"""Starts each peer and gives the one dialplan step that is timed."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import marketing, parts
from bench.postgres import postgres
from bench.processes import running
from bench.service import CALLER_ID, CAMPAIGN, vaglio
from lab.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Peer:
    """A row of the table.

    Attributes:
        title: its first column.
        start: brings it up until the stack closes, with a directory for its files; returns the dialplan step,
            which leaves a verdict in the variable VAGLIO.
        numbers: what the numbers that it is asked for begin with, and how many digits follow.
    """

    title: str
    start: Callable[[ExitStack, Path], str]
    numbers: tuple[str, int] = ("336", 8)


def agi_step(port: int, campaign: str = CAMPAIGN) -> str:
    """The AGI step every FastAGI peer is asked by."""
    return f"AGI(agi://127.0.0.1:{port}/screen,${{NUMBER}},{campaign},{CALLER_ID})"


def _empty(stack: ExitStack, directory: Path) -> str:
    del stack, directory
    return "NoOp()"


def _astdb(stack: ExitStack, directory: Path) -> str:
    del stack, directory
    return "Set(VAGLIO=${DB_EXISTS(bench/${NUMBER})})"


def _null_c(stack: ExitStack, directory: Path) -> str:
    port = free_port()
    program = parts.compiled(_HERE / "null_server.c", directory)
    stack.enter_context(running([program, str(port)], port, log=directory / "null_server.log"))
    return agi_step(port)


def _perl(stack: ExitStack, directory: Path) -> str:
    port = free_port()
    command: list[str | Path] = [parts.perl_with_net_server(), _HERE / "prefork_server.pl", str(port)]
    stack.enter_context(running(command, port, log=directory / "perl.log"))
    return agi_step(port)


def _panoramisk(stack: ExitStack, directory: Path) -> str:
    port = free_port()
    command: list[str | Path] = [sys.executable, _HERE / "panoramisk_server.py", str(port)]
    stack.enter_context(running(command, port, log=directory / "panoramisk.log"))
    return agi_step(port)


def _postgres(stack: ExitStack, directory: Path) -> str:
    port = free_port()
    parts.psycopg()
    conninfo = stack.enter_context(postgres())
    command: list[str | Path] = [sys.executable, _HERE / "postgres_server.py", str(port), conninfo]
    stack.enter_context(running(command, port, log=directory / "postgres.log", environment=os.environ))
    return agi_step(port)


def _vaglio(stack: ExitStack, directory: Path) -> str:
    return agi_step(stack.enter_context(vaglio(directory / "vaglio")).port)


def _vaglio_asked(stack: ExitStack, directory: Path) -> str:
    service = stack.enter_context(vaglio(directory / "vaglio-asked", asked=True))
    return agi_step(service.port, marketing.CAMPAIGN)


def _vaglio_as_unit(stack: ExitStack, directory: Path) -> str:
    service = stack.enter_context(vaglio(directory / "vaglio-unit", asked=True, as_unit=True))
    return agi_step(service.port, marketing.CAMPAIGN)


NULL_C = "null FastAGI server in C"
VAGLIO = "Vaglio, record durable"
ITALIAN = (marketing.PREFIX, 7)

PEERS = (
    Peer("empty dialplan step", _empty),
    Peer("AstDB, 1 M rows", _astdb),
    Peer(NULL_C, _null_c),
    Peer("null prefork server in Perl", _perl),
    Peer("panoramisk's FastAGI server", _panoramisk),
    Peer("PostgreSQL connection a call", _postgres),
    Peer(VAGLIO, _vaglio),
    Peer("Vaglio, marketing, record durable", _vaglio_asked, ITALIAN),
    Peer("Vaglio, marketing, as its unit runs it", _vaglio_as_unit, ITALIAN),
)
