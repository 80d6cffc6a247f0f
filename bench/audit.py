"""The decision log: durable appends a second, what verifying and proving cost, and turns beside greedy writers.

Run `python -m bench.audit [--entries 1000000] [--decisions 1000000] [--seconds 3]`; with both at 10000000 the
large figures are those of ten million entries and of ten million decisions (some 30 GB of disk). Everything is on
files in a temporary directory below `--directory`, which should be on the disk that matters.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import uvloop

from bench.audit_data import dialled, fill
from bench.machine import machine_line
from bench.processes import alone
from bench.tables import percentile, table
from vaglio.audit import (
    Entry,
    Keys,
    Reader,
    Sealer,
    Writer,
    create_log,
    decision_entry,
    delivery_entry,
    outcome_entry,
)
from vaglio.audit.commit import MAX_BATCH
from vaglio.audit.proof import prove, verify_proof
from vaglio.audit.verify import verify_log
from vaglio.model import (
    Call,
    CallOutcome,
    Campaign,
    Decision,
    DialMode,
    Facts,
    Finding,
    FindingOutcome,
    Purpose,
    Reason,
    Verdict,
)
from vaglio.numbers import Number, parse

if TYPE_CHECKING:
    from collections.abc import Callable

AT = datetime(2026, 4, 22, 9, 30, tzinfo=UTC)
WAITING = (1, 10, 100)
CAMPAIGN = Campaign(
    "spring", "acme", "Call House", Purpose.MARKETING, "telecom", DialMode.PREVIEW, "IT", ("+390612345678",)
)
FINDINGS = tuple(
    Finding(f"IT-COC-{rule:02}", FindingOutcome.PASS, None, "nothing speaks against the call", "D.Lgs. 206/2005")
    for rule in range(8)
)
DECIDED = Decision(
    Verdict.ALLOW, Reason.CONSENT, FINDINGS, "it", {"Europe/Rome": AT.isoformat()}, "it@0123456789ab"
)
_APPENDER = Path(__file__).parents[1] / "tests" / "audit" / "appender.py"


def decision(call: int) -> Entry:
    """The entry of one allowed call, as large as a real one."""
    dialled = _number(call % 1000)
    asked = Call(
        dialled, "spring", "+390612345678", AT + timedelta(milliseconds=call), "pbx", f"1776850200.{call}"
    )
    return decision_entry(asked, Facts(7, CAMPAIGN), DECIDED, {"facts": 40, "rules": 120})


@cache
def _number(last: int) -> Number:
    """One of a thousand numbers; parsing is not what is measured here."""
    return parse(f"+393401234{last:03}", region="IT", emergency=frozenset())


def new_log(directory: Path) -> tuple[Path, Keys]:
    """A log and its keys in a new directory."""
    keys = Keys.create(directory / "keys", "example.org/bench")
    create_log(directory / "audit.db", keys, AT)
    return directory / "audit.db", keys


async def appended(path: Path, keys: Keys, waiting: int, seconds: float) -> tuple[float, list[float]]:
    """Appends a second with so many callers waiting, and how long each took in microseconds, in rising order."""
    taken: list[float] = []
    entries = [decision(call) for call in range(waiting * 400)]
    stop = time.perf_counter() + seconds

    async def caller(own: list[Entry]) -> None:
        while time.perf_counter() < stop:
            fresh = own.pop() if own else decision(len(taken))
            started = time.perf_counter()
            await writer.append(fresh)
            taken.append((time.perf_counter() - started) * 1e6)

    async with Writer(path, keys) as writer:
        started = time.perf_counter()
        await asyncio.gather(*(caller(entries[place::waiting]) for place in range(waiting)))
        elapsed = time.perf_counter() - started
    return len(taken) / elapsed, sorted(taken)


def repeated(action: Callable[[], object], seconds: float) -> tuple[float, list[float]]:
    """Times a second that something can be done one after another, and how long each took in microseconds."""
    taken: list[float] = []
    began = time.perf_counter()
    while (started := time.perf_counter()) < began + seconds:
        action()
        taken.append((time.perf_counter() - started) * 1e6)
    return len(taken) / (time.perf_counter() - began), sorted(taken)


def bare_commits(directory: Path, bodies: list[bytes], seconds: float) -> tuple[float, list[float]]:
    """SQLite alone: the same bytes in one table without an index, `synchronous=FULL`, so many a commit."""
    with closing(sqlite3.connect(directory / "bare.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, body BLOB)")

        def commit() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO entry (body) VALUES (?)", [(body,) for body in bodies])
            connection.execute("COMMIT")

        rate, taken = repeated(commit, seconds)
    return rate * len(bodies), taken


def bare_writes(directory: Path, bodies: list[bytes], seconds: float) -> tuple[float, list[float]]:
    """`write` and `fdatasync` of the same bytes to a growing file, so many a sync."""
    whole = b"".join(bodies)
    descriptor = os.open(directory / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write() -> None:
        os.write(descriptor, whole)
        os.fdatasync(descriptor)

    try:
        rate, taken = repeated(write, seconds)
    finally:
        os.close(descriptor)
    return rate * len(bodies), taken


def append_table(directory: Path, seconds: float) -> str:
    """Appends a second, beside what the disk and SQLite alone can do."""
    body = decision(0).body
    rows = []
    for waiting in WAITING:
        with tempfile.TemporaryDirectory(dir=directory) as place:
            path, keys = new_log(Path(place))
            batch = [body] * min(waiting, MAX_BATCH)
            rate, taken = uvloop.run(appended(path, keys, waiting, seconds))
            rows.append(_row(f"Vaglio, {waiting} waiting", rate, taken))
            rows.append(_row(f"bare SQLite, {len(batch)} a commit", *bare_commits(Path(place), batch, seconds)))
            rows.append(_row(f"write + fdatasync, {len(batch)} a sync", *bare_writes(Path(place), batch, seconds)))
    return table(["appends, durable", "a second", "p50 µs", "p99 µs"], rows)


def _row(name: str, rate: float, taken: list[float]) -> list[str]:
    return [name, f"{rate:,.0f}", f"{percentile(taken, 50):,.0f}", f"{percentile(taken, 99):,.0f}"]


def large_table(directory: Path, entries: int, decisions: int) -> str:
    """Verifying, proving and searching a large log: calls first, then decisions alone until there are so many."""
    with tempfile.TemporaryDirectory(dir=directory) as place:
        path, keys = new_log(Path(place))
        decided = decision(0)
        told = delivery_entry(decided.id, AT, 1400)
        ended = outcome_entry(decided.id, AT, CallOutcome.ANSWERED, {"cause": 16, "seconds": 40})
        numbers = max(1000, decisions // 10)
        some = alone(fill, path, keys.directory, entries, (decided, told, ended), AT, numbers)
        started = time.perf_counter()
        alone(seal, path, keys.directory)
        rows = [["seal", f"{entries / (time.perf_counter() - started):,.0f} entries/s"]]
        for name, opened in (("verify, public key only", False), ("verify, side table opened", True)):
            rows.append([name, alone(verified, path, keys.directory, opened)])
        ids = cycle(some)
        _, taken = repeated(lambda: prove(path, next(ids)), 2.0)
        rows.append(["prove, file opened each time", f"p50 {percentile(taken, 50) / 1000:.2f} ms"])
        raw = prove(path, some[0]).raw
        _, taken = repeated(lambda: verify_proof(raw, keys.verifier), 1.0)
        rows.append(["check a proof", f"p50 {percentile(taken, 50) / 1000:.2f} ms"])
        rows.append(["size of audit.db", f"{path.stat().st_size / entries:,.0f} bytes an entry"])
        if (more := decisions - entries // 3) > 0:
            alone(fill, path, keys.directory, more, (decided,), AT + timedelta(days=1), numbers)
        rows.append([f"search a number, {decisions:,} decisions", searched(path, keys, numbers)])
    return table([f"a log of {entries:,} entries", "figure"], rows)


def seal(path: Path, keys: Path) -> None:
    """Seal all there is."""
    with Sealer(path, Keys.load(keys)) as sealer:
        sealer.step(now=True)


def verified(path: Path, directory: Path, opened: bool) -> str:  # noqa: FBT001 - called through a process pool
    """One verification: entries a second, processor time, and the most memory that it and a worker held."""
    keys = Keys.load(directory)
    started, before = time.perf_counter(), _processor_seconds()
    found = verify_log(path, keys.verifier, keys=keys if opened else None)
    elapsed, spent = time.perf_counter() - started, _processor_seconds() - before
    if not found.intact:
        raise SystemExit(f"the log does not verify: {found.damages[0].detail}")
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    own, worker = (resource.getrusage(one).ru_maxrss / 1024 for one in who)
    each = f"{spent / found.entries * 1e6:.1f} µs of processor an entry"
    memory = f"{own:,.0f} MiB, {worker:,.0f} MiB the largest worker"
    return f"{found.entries / elapsed:,.0f} entries/s, {each}, {memory}, load {os.getloadavg()[0]:.1f}"


def searched(path: Path, keys: Keys, numbers: int) -> str:
    """All entries about one number after another, each a number not asked for before."""
    fresh = iter(np.random.default_rng(7).permutation(numbers).tolist())
    found: list[int] = []
    with Reader(path) as reader:

        def search() -> None:
            found.append(len(reader.by_token(keys.token(dialled(next(fresh))))))

        taken = repeated(search, 0.9 * min(3.0, numbers / 10_000))[1]
    mean = sum(found) / len(found)
    times = " ".join(f"p{percent} {percentile(taken, percent) / 1000:.2f} ms" for percent in (50, 99))
    return f"{times}, {mean:.1f} entries a number, {len(taken):,} searches"


def _processor_seconds() -> float:
    """Used by this process and the workers it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def turns_table(directory: Path, seconds: float) -> str:
    """What a steady writer waits beside three that append as fast as they can."""
    rows = []
    for others in (0, 1, 3):
        with tempfile.TemporaryDirectory(dir=directory) as place:
            new_log(Path(place))
            started = [
                subprocess.Popen(
                    [sys.executable, _APPENDER, place, mode, str(seconds)], stdout=subprocess.PIPE, text=True
                )
                for mode in ["hot", *["tight"] * others]
            ]
            outputs = [process.communicate()[0].splitlines() for process in started]
            waits = sorted(float(line.split()[2]) for line in outputs[0])
            greedy = sum(map(len, outputs[1:])) / seconds
            row = [f"{others} greedy writers", f"{greedy:,.0f}"]
            rows.append([*row, f"{percentile(waits, 50):.2f}", f"{percentile(waits, 99):.2f}", f"{waits[-1]:.2f}"])
    head = ["100 appends a second beside", "their appends a second", "p50 ms", "p99 ms", "longest ms"]
    return table(head, rows)


def main() -> None:
    """Print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=1_000_000)
    arguments.add_argument("--decisions", type=int, default=1_000_000)
    arguments.add_argument("--seconds", type=float, default=3.0)
    arguments.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    given = arguments.parse_args()
    free = shutil.disk_usage(given.directory).free
    needed = given.entries * 1500 + given.decisions * 2500
    if free < needed:
        raise SystemExit(f"{given.directory}: {free >> 30} GiB free, {needed >> 30} GiB are needed")
    print(machine_line(), end="\n\n")
    print(append_table(given.directory, given.seconds), end="\n\n", flush=True)
    print(turns_table(given.directory, given.seconds), end="\n\n", flush=True)
    print(large_table(given.directory, given.entries, given.decisions), flush=True)


if __name__ == "__main__":
    main()
