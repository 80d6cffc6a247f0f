"""The index at national scale: how fast a list loads, what it takes, how fast it answers, what a load costs calls.

Run `python -m bench.index` (30 million numbers, 10 million consents), `--full` for 250 million numbers as well.
Every step runs in a process of its own, so that one's memory is not another's.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench import index_peers as peers
from bench.index_data import asked, write_consents, write_list
from bench.machine import machine_line
from bench.parts import NotMeasured
from bench.processes import alone
from bench.tables import percentile, table
from vaglio.index import database
from vaglio.index.definitions import definition
from vaglio.index.imports import import_facts
from vaglio.index.reader import Reader
from vaglio.index.records import FactKind, OppositionRecord
from vaglio.index.shards import active_snapshots, listed
from vaglio.index.snapshots import import_list
from vaglio.index.store import Store
from vaglio.model import Campaign, DialMode, Purpose, RegisterState
from vaglio.numbers import Number, parse_e164

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_UPS: Final = 20_000
AS_OF: Final = datetime(2026, 11, 20, tzinfo=UTC)
CAMPAIGN: Final = Campaign(
    id="bench",
    controller="acme",
    caller_org="bench",
    purpose=Purpose.MARKETING,
    sector="telecom",
    dial_mode=DialMode.PREVIEW,
    region="US",
)
_SHELL_COLUMNS: Final = (
    "number, controller, purpose, given_at, channel, sector, method, evidence_uri, evidence_sha256, notice_id"
)


def load_list(file: Path, index: Path) -> dict[str, float]:
    """Import a list as `vaglio register import` does."""
    if not index.exists():
        database.create(index)

    async def run() -> float:
        async with await Store.open(index) as store:
            started = time.perf_counter()
            await import_list(store, definition("us-dnc"), file, entry=1, as_of=AS_OF, force="bench")
            return time.perf_counter() - started

    return {"seconds": asyncio.run(run()), "peak": peak_megabytes()}


def look_up(index: Path, listed: int) -> dict[str, Any]:
    """Whole questions of the hot path: every fact of a number and its status in the register."""
    numbers = [number for key in asked(LOOK_UPS, listed) if (number := parse_e164(f"+{key}")).e164]
    with Reader.open(index) as reader:
        before = anonymous_megabytes()

        def listed_as(number: Number) -> bool:
            return reader.facts(number, CAMPAIGN, ("us-dnc",)).registers["us-dnc"].state is RegisterState.OPPOSED

        by_key = {number.key: number for number in numbers}
        times, found = peers.timed(lambda key: listed_as(by_key[key]), list(by_key))
        return {"times": times, "found": found, "held": anonymous_megabytes() - before}


def look_up_list(index: Path, listed_numbers: int) -> dict[str, Any]:
    """The list alone, from the service's read path: what the peers are asked."""
    keys = [key for key in asked(LOOK_UPS, listed_numbers) if parse_e164(f"+{key}").e164]
    with closing(database.read_only(index)) as connection:
        connection.execute("PRAGMA mmap_size = 1073741824")  # as the service's reader has it
        before = anonymous_megabytes()
        snapshot = active_snapshots(connection)["us-dnc"].id
        times, found = peers.timed(lambda key: listed(connection, snapshot, key), list(dict.fromkeys(keys)))
        return {"times": times, "found": found, "held": anonymous_megabytes() - before}


def keep_as_peer(name: str, file: Path, kept: Path) -> dict[str, float]:
    """Import into a peer."""
    started = time.perf_counter()
    {"SQLite rows": peers.sqlite_rows, "LMDB": peers.lmdb_keys, "sorted file": peers.sorted_file}[name](file, kept)
    return {"seconds": time.perf_counter() - started, "peak": peak_megabytes()}


def look_up_in_peer(name: str, kept: Path, listed: int) -> dict[str, Any]:
    """The same look-ups in a peer."""
    make: dict[str, Callable[[Path], Callable[[int], bool]]] = {
        "SQLite rows": peers.sqlite_look_up,
        "LMDB": peers.lmdb_look_up,
        "sorted file": peers.sorted_file_look_up,
    }
    keys = [key for key in asked(LOOK_UPS, listed) if parse_e164(f"+{key}").e164]
    before = anonymous_megabytes()
    times, found = peers.timed(make[name](kept), list(dict.fromkeys(keys)))
    return {"times": times, "found": found, "held": anonymous_megabytes() - before}


def questions(index: Path, listed: int, stop: Path) -> list[float]:
    """Milliseconds of one question at a time, until the file `stop` is there, in rising order."""
    numbers = [number for key in asked(2_000, listed) if (number := parse_e164(f"+{key}")).e164]
    times = []
    with Reader.open(index) as reader:
        for number in numbers:
            reader.facts(number, CAMPAIGN, ("us-dnc",))
        while not stop.exists():
            for number in numbers[:100]:
                started = time.perf_counter()
                reader.facts(number, CAMPAIGN, ("us-dnc",))
                times.append((time.perf_counter() - started) * 1000)
                time.sleep(0.005)
    return sorted(times)


def second_writer(index: Path, stop: Path) -> list[float]:
    """Milliseconds of one durable opposition at a time, until `stop` is there, in rising order."""
    waits: list[float] = []

    async def write() -> None:
        async with await Store.open(index) as store:
            while not await asyncio.to_thread(stop.exists):
                place = len(waits)
                record = OppositionRecord(393471234567, "acme", f"p{place}", AS_OF)
                started = time.perf_counter()
                await store.add([record], entry=1_000 + place)
                waits.append((time.perf_counter() - started) * 1000)
                await asyncio.sleep(0.02)

    asyncio.run(write())
    return sorted(waits)


def load_consents(file: Path, index: Path) -> dict[str, float]:
    """Import consents as `vaglio consent import` does."""

    async def run() -> float:
        async with await Store.create(index) as store:
            started = time.perf_counter()
            await import_facts(store, FactKind.CONSENT, file, entry=1)
            return time.perf_counter() - started

    return {"seconds": asyncio.run(run()), "peak": peak_megabytes()}


def shell_import(file: Path, kept: Path) -> dict[str, float]:
    """The same file by `sqlite3 .import`, into a plain table and into one keyed as Vaglio's is."""
    program = shutil.which("sqlite3")
    if program is None:
        raise NotMeasured("no sqlite3 shell here: install the package sqlite3")
    found = {}
    for label, table_end in (("plain", ")"), ("keyed", ", PRIMARY KEY (number, controller, purpose, given_at))")):
        kept.unlink(missing_ok=True)
        end = f"{table_end} {'WITHOUT ROWID' if label == 'keyed' else ''}"
        script = (
            f"PRAGMA journal_mode = OFF;\nPRAGMA synchronous = OFF;\n"
            f"CREATE TABLE consent ({_SHELL_COLUMNS}{end};\n.mode csv\n.import --skip 1 {file} consent\n"
        )
        started = time.perf_counter()
        subprocess.run([program, str(kept)], input=script, text=True, check=True, capture_output=True)
        found[label] = time.perf_counter() - started
    return found


def peak_megabytes() -> float:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def anonymous_megabytes() -> float:
    """Memory that is this process's own: not the kernel's cache of files, which it may take back at any time."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise NotMeasured("the kernel does not tell RssAnon")


def list_table(amount: int, folder: Path) -> str:
    """Vaglio and the peers with one list."""
    file = folder / "list.txt"
    write_list(file, amount)
    rows = []
    index = folder / "index.db"
    loaded = alone(load_list, file, index)
    rows.append(_row("Vaglio", amount, loaded, index, alone(look_up_list, index, amount)))
    rows.append(_row("Vaglio, all facts of a number", amount, loaded, index, alone(look_up, index, amount)))
    for name in ("SQLite rows", "LMDB", "sorted file"):
        kept = folder / "peer"
        try:
            loaded = alone(keep_as_peer, name, file, kept)
            rows.append(_row(name, amount, loaded, kept, alone(look_up_in_peer, name, kept, amount)))
        except NotMeasured as error:
            rows.append((name, f"not measured: {error}"))
        finally:
            for left in folder.glob("peer*"):
                left.unlink()
    head = ("kept as", "load s", "M numbers/s", "peak MB", "bytes a number", "look-up p50 µs", "p99 µs", "held MB")
    title = f"{amount:,} numbers from a flat file, {LOOK_UPS:,} look-ups, half of them listed"
    return f"{title}\n\n{table(head, rows)}\n\n{_beside_table(folder, file, index, amount)}"


def _row(
    name: str, amount: int, loaded: dict[str, float], kept: Path, answered: dict[str, Any]
) -> tuple[str, ...]:
    times = answered["times"]
    return (
        name,
        f"{loaded['seconds']:.1f}",
        f"{amount / loaded['seconds'] / 1e6:.2f}",
        f"{loaded['peak']:.0f}",
        f"{kept.stat().st_blocks * 512 / amount:.2f}",
        f"{percentile(times, 50):.1f}",
        f"{percentile(times, 99):.1f}",
        f"{answered['held']:.1f}",
    )


def _beside_table(folder: Path, file: Path, index: Path, amount: int) -> str:
    """Questions and a second writer while nothing loads, and while the same list loads again."""
    rows = []
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        for label in ("idle", "beside a load"):
            stop = folder / "stop"
            stop.unlink(missing_ok=True)
            asking = pool.submit(questions, index, amount, stop)
            writing = pool.submit(second_writer, index, stop)
            if label == "idle":
                time.sleep(10)
            else:
                pool.submit(load_list, file, index).result()
            stop.touch()
            answered, waited = asking.result(), writing.result()
            rows.append(
                (
                    label,
                    *(f"{percentile(answered, percent):.3f}" for percent in (50, 99)),
                    *(f"{percentile(waited, percent):.1f}" for percent in (50, 99, 100)),
                )
            )
    head = ("milliseconds", "question p50", "p99", "second writer's change p50", "p99", "longest")
    return table(head, rows)


def consent_table(amount: int, folder: Path) -> str:
    """Consents into the index, and the same file by the shell."""
    file = folder / "consents.csv"
    write_consents(file, amount)
    index = folder / "consents.db"
    loaded = alone(load_consents, file, index)
    connection = sqlite3.connect(index)
    kept = connection.execute("SELECT count(*) FROM consent").fetchone()[0]
    connection.close()
    rows: list[tuple[str, ...]] = [
        ("Vaglio", f"{loaded['seconds']:.1f}", f"{amount / loaded['seconds']:,.0f}", f"{loaded['peak']:.0f}")
    ]
    try:
        shell = alone(shell_import, file, folder / "shell.db")
        rows += [
            (f"sqlite3 .import, {label} table, nothing checked", f"{seconds:.1f}", f"{amount / seconds:,.0f}", "")
            for label, seconds in shell.items()
        ]
    except NotMeasured as error:
        rows.append(("sqlite3 .import", f"not measured: {error}"))
    title = f"{amount:,} consents from CSV, in no order, {kept:,} facts"
    return f"{title}\n\n{table(('by', 'seconds', 'rows/s', 'peak MB'), rows)}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", type=int, default=30_000_000)
    parser.add_argument("--full", action="store_true", help="250 million numbers as well")
    parser.add_argument("--consents", type=int, default=10_000_000)
    options = parser.parse_args()
    print(machine_line(), "\n")
    for amount in (options.numbers, *([250_000_000] if options.full else [])):
        if amount:
            with tempfile.TemporaryDirectory(prefix="vaglio-bench-") as folder:
                print(list_table(amount, Path(folder)), "\n")
    if options.consents:
        with tempfile.TemporaryDirectory(prefix="vaglio-bench-") as folder:
            print(consent_table(options.consents, Path(folder)))


if __name__ == "__main__":
    main()
