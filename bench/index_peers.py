"""The same set of numbers kept in other ways: rows of SQLite, LMDB, a sorted file searched by halves."""

from __future__ import annotations

import mmap
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final

from bench.parts import NotMeasured
from vaglio.index.definitions import definition
from vaglio.index.lists import read_list
from vaglio.index.rows import Rejects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

_AT_ONCE: Final = 1_000_000


def parsed(file: Path) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """The list's numbers sorted, read as Vaglio reads them: the peers differ in how they keep them."""
    with Rejects(file) as rejects:
        return read_list(definition("us-dnc"), file, rejects).added


def sqlite_rows(file: Path, kept: Path) -> None:
    """A table whose only column is the primary key, filled in order in one transaction."""
    numbers = parsed(file)
    database = sqlite3.connect(kept, isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("CREATE TABLE number (e164 INTEGER PRIMARY KEY)")
    database.execute("BEGIN")
    for start in range(0, len(numbers), _AT_ONCE):
        some = numbers[start : start + _AT_ONCE].tolist()
        database.executemany("INSERT INTO number VALUES (?)", zip(some, strict=True))
    database.execute("COMMIT")
    database.close()


def sqlite_look_up(kept: Path) -> Callable[[int], bool]:
    """One primary-key read."""
    database = sqlite3.connect(f"file:{kept}?mode=ro", uri=True, isolation_level=None)
    database.execute("PRAGMA mmap_size = 2147418112")
    return lambda number: database.execute("SELECT 1 FROM number WHERE e164 = ?", (number,)).fetchone() is not None


def _lmdb() -> Any:  # noqa: ANN401 - a package without types
    try:
        import lmdb  # noqa: PLC0415 - the bench runs without it
    except ImportError as error:
        raise NotMeasured("no lmdb here: pip install lmdb") from error
    return lmdb


def lmdb_keys(file: Path, kept: Path) -> None:
    """Keys of eight bytes without values, appended in order."""
    lmdb = _lmdb()
    numbers = parsed(file)
    environment = lmdb.open(str(kept), subdir=False, map_size=64 * 1024**3, sync=False, writemap=True)
    for start in range(0, len(numbers), _AT_ONCE):
        keys = numbers[start : start + _AT_ONCE].astype(">u8").tobytes()
        with environment.begin(write=True) as transaction, transaction.cursor() as cursor:
            cursor.putmulti([(keys[at : at + 8], b"") for at in range(0, len(keys), 8)], append=True)
    environment.sync(True)
    environment.close()


def lmdb_look_up(kept: Path) -> Callable[[int], bool]:
    """One read in a transaction of its own, as a call would make it."""
    environment = _lmdb().open(str(kept), subdir=False, readonly=True, lock=False)

    def look_up(number: int) -> bool:
        with environment.begin() as transaction:
            return transaction.get(number.to_bytes(8, "big")) is not None

    return look_up


def sorted_file(file: Path, kept: Path) -> None:
    """Eight bytes a number, in order."""
    parsed(file).astype(">u8").tofile(kept)


def sorted_file_look_up(kept: Path) -> Callable[[int], bool]:
    """A binary search in the mapped file."""
    with kept.open("rb") as stream:
        view = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    last = len(view) // 8

    def look_up(number: int) -> bool:
        wanted = number.to_bytes(8, "big")
        low, high = 0, last
        while low < high:
            middle = (low + high) // 2
            if view[middle * 8 : middle * 8 + 8] < wanted:
                low = middle + 1
            else:
                high = middle
        return low < last and view[low * 8 : low * 8 + 8] == wanted

    return look_up


def timed(look_up: Callable[[int], bool], asked: list[int]) -> tuple[list[float], int]:
    """Microseconds of each look-up in rising order, after one round to warm up, and how many were found."""
    found = sum(look_up(number) for number in asked)
    times = []
    for number in asked:
        started = time.perf_counter_ns()
        look_up(number)
        times.append((time.perf_counter_ns() - started) / 1000)
    return sorted(times), found
