"""The AGI round trip as the dialplan sees it: Vaglio beside its peers, in one run on one Asterisk.

Run `python -m bench.call` (what `make bench` does); `--help` tells the options. The README here explains.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import agi_load
from bench.machine import machine_line, sync_line
from bench.parts import NotMeasured
from bench.peers.start import NULL_C, PEERS
from bench.tables import percentile, table
from lab.asterisk import Asterisk
from lab.errors import LabError
from lab.sipp import Call, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.peers.start import Peer

RATE = 100
"""Calls a second, all peers together."""
WARM_UP = 20
"""Calls a peer that are not counted."""
_ASTDB_ROWS = 1_000_000
DIALPLAN_HEAD = """
[from-agents]
"""
# The clock is Asterisk's own. What lies between the two readings, besides the step, is in every row: the row of
# the empty step shows it.
DIALPLAN_PEER = """
exten => _b{index}-X!,1,Set(NUMBER=+${{EXTEN:{skip}}})
 same => n,Set(BEFORE=${{STRFTIME(,,%s%6q)}})
 same => n,{step}
 same => n,Set(AFTER=${{STRFTIME(,,%s%6q)}})
 same => n,Log(NOTICE,BENCH {index} ${{BEFORE}} ${{AFTER}} ${{VAGLIO:0:6}}.)
 same => n,Hangup(52)
"""
_LINE = re.compile(r"BENCH (\d+) (\d+) (\d+) (.*?)\.$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """A peer's measurements: milliseconds of each answered call, and how many calls had no answer."""

    peer: Peer
    times: list[float]
    unanswered: int
    reason: str = ""


def measure(peers: Sequence[Peer], calls: int, turn: int) -> list[Row]:
    """Time every peer by `calls` calls, `turn` of them in a row, on one Asterisk. Raises LabError without one."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vaglio-bench-")))
        directory.chmod(0o755)
        reasons: dict[int, str] = {}
        dialplan = DIALPLAN_HEAD
        for index, peer in enumerate(peers):
            try:
                step = peer.start(stack, directory)
            except NotMeasured as error:
                reasons[index] = str(error)
            else:
                dialplan += DIALPLAN_PEER.format(index=index, skip=len(f"b{index}-"), step=step)
        asterisk = Asterisk(extra={"extensions_local.conf": dialplan})
        _fill_astdb(asterisk.home / "db")
        stack.enter_context(asterisk)
        measured = [index for index in range(len(peers)) if index not in reasons]
        place_calls(asterisk, _turns(peers, measured, WARM_UP, 1))
        before = len(_readings(asterisk))
        if not before:
            raise LabError("no call reached the dialplan; perhaps another program took the SIP port: run again")
        plan = _turns(peers, measured, calls, turn)
        place_calls(asterisk, plan)
        readings = await_readings(asterisk, before + len(plan))[before:]
    return [_row(index, peer, readings, calls, reasons.get(index, "")) for index, peer in enumerate(peers)]


def _turns(peers: Sequence[Peer], measured: Sequence[int], calls: int, turn: int) -> list[Call]:
    """The calls in order: `turn` for the first peer, `turn` for the next, and round again; each its own number."""
    plan = []
    for start in range(0, calls, turn):
        for index in measured:
            prefix, digits = peers[index].numbers
            numbers = range(start, min(start + turn, calls))
            plan += [Call(f"b{index}-{prefix}{2 * number + 1:0{digits}d}") for number in numbers]
    return plan


def place_calls(asterisk: Asterisk, plan: Sequence[Call]) -> None:
    """Place the calls at `RATE` a second and wait for their end."""
    place(asterisk.ports.sip, plan, rate=RATE, timeout=30.0)


def _readings(asterisk: Asterisk) -> list[tuple[int, float, str]]:
    """Peer, milliseconds and what VAGLIO held, of every call so far."""
    found = _LINE.findall(asterisk.log)
    return [(int(index), (int(after) - int(before)) / 1000, answer) for index, before, after, answer in found]


def await_readings(asterisk: Asterisk, wanted: int) -> list[tuple[int, float, str]]:
    """Peer, milliseconds and verdict of every call so far, once so many are told or five seconds are over."""
    deadline = time.monotonic() + 5
    while len(readings := _readings(asterisk)) < wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return readings


def _row(index: int, peer: Peer, readings: Sequence[tuple[int, float, str]], calls: int, reason: str) -> Row:
    own = [(ms, answer) for number, ms, answer in readings if number == index]
    answered = [ms for ms, answer in own if answer or peer.title == PEERS[0].title]
    return Row(peer, sorted(answered), 0 if reason else calls - len(answered), reason)


def _fill_astdb(directory: Path) -> None:
    """The database as Asterisk makes it, with a million keys under `bench/`."""
    directory.mkdir(parents=True)
    with sqlite3.connect(directory / "astdb.sqlite3") as connection:
        connection.execute("CREATE TABLE astdb (key VARCHAR(256), value VARCHAR(256), PRIMARY KEY(key))")
        rows = ((f"/bench/+336{number:08d}", "1") for number in range(_ASTDB_ROWS))
        connection.executemany("INSERT INTO astdb VALUES (?, ?)", rows)
    connection.close()


def _report(rows: Sequence[Row], turn: int) -> str:
    base = next((percentile(row.times, 50) for row in rows if row.peer.title == NULL_C and row.times), None)
    lines = []
    for row in rows:
        if not row.times:
            lines.append([row.peer.title, f"not measured: {row.reason or 'no call was answered'}"])
            continue
        p50, p99 = percentile(row.times, 50), percentile(row.times, 99)
        ratio = f"{p50 / base:.2f}" if base else "-"
        counts = (str(len(row.times)), str(row.unanswered))
        lines.append([row.peer.title, f"{p50:.2f}", f"{p99:.2f}", f"{row.times[-1]:.2f}", ratio, *counts])
    order = "one call each in turn" if turn == 1 else f"{turn} calls each in turn"
    head = ["ms from the dialplan", "p50", "p99", "max", "p50 / null C", "calls", "unanswered"]
    return f"AGI round trip seen from the dialplan, {RATE} calls/s, {order}\n{table(head, lines)}"


def main(arguments: Sequence[str]) -> int:
    """Print both tables; 1 when there is no Asterisk to measure on."""
    parser = argparse.ArgumentParser(prog="python -m bench.call", description=__doc__)
    parser.add_argument("--calls", type=int, default=800, help="calls a peer (default 800)")
    parser.add_argument("--turn", type=int, default=1, help="calls for one peer before the next has its turn")
    parser.add_argument("--only", default="", help="rows whose title holds this text, and the null C server")
    parser.add_argument("--no-load", action="store_true", help="leave out the direct AGI load")
    options = parser.parse_args(arguments)
    peers = [peer for peer in PEERS if options.only in peer.title or peer.title == NULL_C]
    print(machine_line(), flush=True)
    try:
        rows = measure(peers, options.calls, options.turn)
    except LabError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    print(f"\n{_report(rows, options.turn)}\n{sync_line()}", flush=True)
    if not options.no_load:
        print(f"\n{agi_load.report()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
