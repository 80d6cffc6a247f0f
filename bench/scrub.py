"""How fast a calling list is scrubbed, under the Italian and the US rulebook, beside a bare anti-join in DuckDB.

The sizes to aim at:

    python -m bench.scrub --leads 1000000 --listed 30000000 --consents 1000000 --oppositions 100000

DuckDB is used where it is installed; it answers only which numbers are on a list.
"""

import argparse
import io
import resource
import sqlite3
import sys
import tempfile
from contextlib import closing, redirect_stdout, suppress
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from bench.index_data import numbers
from bench.machine import machine_line
from bench.tables import table
from vaglio.index.instants import to_micros
from vaglio.reports.scrub import Order, scrub
from vaglio.site import Site, init

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

AT = datetime(2026, 3, 18, 16, 30, tzinfo=UTC)
SEED = 20260318
_CAMPAIGNS = """
[[controller]]
id = "acme"
name = "Acme"
""" + "".join(
    f"""
[[campaign]]
id = "{name}"
controller = "acme"
caller_org = "centre"
purpose = "marketing"
sector = "telecom"
dial_mode = "manual"
region = "{region}"
caller_ids = ["{caller}"]
script_version = "1"
notice_version = "1"
"""
    for name, region, caller in (("it", "IT", "+390612345678"), ("us", "US", "+12125551234"))
)


def american(amount: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """E.164 integers of area codes in use."""
    generator = np.random.default_rng(seed)
    areas = np.array([212, 213, 305, 312, 313, 404, 415, 480, 512, 602, 617, 702, 713, 718, 808, 907, 916, 972])
    some = numbers(amount, generator) % 10_000_000
    return 10_000_000_000 + areas[generator.integers(0, len(areas), amount)] * 10_000_000 + some


def italian(amount: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """E.164 integers of Italian mobile numbers."""
    return 393_200_000_000 + np.random.default_rng(seed).integers(0, 799_999_999, amount)


def shuffled(
    known: np.ndarray[tuple[int], np.dtype[np.int64]],
    other: np.ndarray[tuple[int], np.dtype[np.int64]],
    amount: int,
    share: float,
) -> list[int]:
    """So many leads, a share of them among the known."""
    some = known[: int(amount * share)]
    mixed = np.concatenate((some, other[: amount - len(some)]))
    np.random.default_rng(SEED).shuffle(mixed)
    return [int(number) for number in mixed]


def prepared(folder: Path, args: argparse.Namespace) -> Site:
    """An installation with campaigns, consents, oppositions, a list register and a query register's answers."""
    site = init(folder / "site")
    campaigns = folder / "campaigns.toml"
    campaigns.write_text(_CAMPAIGNS)
    command(site, "campaign", "import", campaigns)
    facts = np.concatenate((italian(args.consents // 2, 1), american(args.consents - args.consents // 2, 2)))
    file = folder / "consents.csv"
    with file.open("w") as out:
        out.write("number,controller,purpose,given_at,channel,method,evidence_uri\n")
        out.writelines(
            f"+{number},acme,marketing,2026-01-10T10:00:00Z,any,web-form,https://proof.example/{place}\n"
            for place, number in enumerate(facts.tolist())
        )
    command(site, "consent", "import", file)
    facts = np.concatenate((italian(args.oppositions // 2, 3), american(args.oppositions // 2, 4)))
    file = folder / "oppositions.csv"
    with file.open("w") as out:
        out.write("number,controller,purpose,opposed_at\n")
        out.writelines(f"+{number},acme,*,2026-01-10T10:00:00Z\n" for number in facts.tolist())
    command(site, "opposition", "import", file)
    file = folder / "us-dnc.txt"
    with file.open("w") as out:
        listed = american(args.listed, 5) - 10_000_000_000
        for start in range(0, len(listed), 1_000_000):
            some = listed[start : start + 1_000_000].tolist()
            out.writelines(f"{one // 10_000_000},{one % 10_000_000:07d}\n" for one in some)
    command(site, "register", "import", "us-dnc", file, "--as-of", (AT - timedelta(days=2)).isoformat())
    return site


def answered(site: Site, leads: list[int]) -> None:
    """The Italian register's answers for the list, as one batch of two days ago would have brought them."""
    as_of = to_micros(AT - timedelta(days=2))
    with closing(sqlite3.connect(site.index_file)) as index, index:
        index.execute("INSERT INTO register VALUES ('rpo', 'query')")
        index.executemany(
            "INSERT OR IGNORE INTO register_verdict VALUES (?, 'rpo', 'acme', ?, ?, NULL, 'b1', 1)",
            ((number, int(number % 10 < 3), as_of) for number in sorted(leads)),
        )
        index.execute("UPDATE generation SET value = value + 1, registers = value + 1")


def command(site: Site, *arguments: object) -> None:
    """A command in this process."""
    from vaglio.cli import main  # noqa: PLC0415

    sys.argv = ["vaglio", *map(str, arguments), "--config", str(site.settings.file)]
    with suppress(SystemExit), redirect_stdout(io.StringIO()):
        main.run()


def written(file: Path, leads: list[int]) -> Path:
    """A list as a CRM hands it over."""
    with file.open("w") as out:
        out.write("id,name,phone,city\n")
        out.writelines(f"{place},Somebody {place % 977},+{lead},Somewhere\n" for place, lead in enumerate(leads))
    return file


def measured(site: Site, file: Path, campaign: str, out: Path) -> dict[str, object]:
    """One scrub in a process of its own."""
    context = get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=_measure, args=(str(site.settings.file), file, campaign, out, queue))
    process.start()
    process.join()
    return queue.get()  # type: ignore[no-any-return]


def _measure(config: str, file: Path, campaign: str, out: Path, queue: "SimpleQueue[dict[str, object]]") -> None:
    site = Site.at(Path(config))
    before = resource.getrusage(resource.RUSAGE_SELF)
    base = _peak()
    started = perf_counter()
    summary = scrub(site, Order(file, campaign, out, at=AT))
    took = perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    queue.put(
        {
            "seconds": took,
            "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "leads": summary.leads,
            "allowed": summary.allowed,
            "peak": _peak(),
            "base": base,
        }
    )


def _peak() -> float:
    """The most memory that this process has held, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def antijoined(leads: Path, lists: list[Path]) -> float | None:
    """Seconds in which DuckDB leaves out of the leads all numbers of the lists, all read from CSV."""
    try:
        import duckdb  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    started = perf_counter()
    with duckdb.connect() as base:
        base.execute("SET threads = 2")
        wanted = " UNION ALL ".join(
            f"SELECT replace(replace(column0 || coalesce(column1, ''), '+1', ''), '+', '') AS n FROM"
            f" read_csv('{one}', header = false, all_varchar = true, null_padding = true, delim = ',',"
            f" columns = {{'column0': 'VARCHAR', 'column1': 'VARCHAR'}})"
            for one in lists
        )
        base.execute(
            f"CREATE TABLE kept AS SELECT * FROM read_csv('{leads}', all_varchar = true) AS leads"
            f" ANTI JOIN ({wanted}) AS listed ON replace(replace(leads.phone, '+1', ''), '+', '') = listed.n"
        )
    return perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, amount in (("leads", 100_000), ("listed", 1_000_000), ("consents", 50_000), ("oppositions", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=amount)
    parser.add_argument("--known", type=float, default=0.01, help="Share of the leads that have a consent.")
    args = parser.parse_args()
    print(machine_line())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = prepared(folder, args)
        rows = []
        for campaign, make, seed in (("it", italian, 1), ("us", american, 2)):
            known = make(args.consents // 2, seed)
            leads = shuffled(known, make(args.leads, 99), args.leads, args.known)
            file = written(folder / f"{campaign}.csv", leads)
            if campaign == "it":
                answered(site, leads)
            done = measured(site, file, campaign, folder / campaign)
            rate = float(str(done["leads"])) / float(str(done["seconds"]))
            cpu = float(str(done["leads"])) / float(str(done["cpu"]))
            memory = f"{done['peak']:.0f} MiB ({done['base']:.0f} before)"
            rows.append(
                (f"scrub, {campaign} rulebook", f"{rate:,.0f}", f"{cpu:,.0f}", memory, str(done["allowed"]))
            )
        seconds = antijoined(folder / "us.csv", [folder / "us-dnc.txt"])
        if seconds is not None:
            rows.append(("DuckDB anti-join, us list alone", f"{args.leads / seconds:,.0f}", "", "", ""))
        sizes = ("leads", "listed", "consents", "oppositions")
        print(", ".join(f"{getattr(args, size):,} {size}" for size in sizes))
        print(table(("", "leads/s", "leads/s of processor", "peak memory", "allowed"), rows))


if __name__ == "__main__":
    main()
