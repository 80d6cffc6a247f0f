"""Appends and seals while the disk fails at one operation after another; a JSON line a case, faults.c preloaded.

Arguments: a directory, the errno, and how many operations fail in a row.
"""

import ctypes
import errno
import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from vaglio.audit import EntryKind, Keys, Log, Reader, Sealer, create_log, make
from vaglio.audit.verify import verify_log
from vaglio.errors import StoreError, VaglioError

AT = datetime(2026, 3, 2, tzinfo=UTC)
FAULTS = ctypes.CDLL(None)


def opened(path: Path, keys: Keys) -> Log:
    """Open the log, again if the disk fails meanwhile."""
    while True:
        try:
            return Log(path, keys)
        except StoreError:
            continue


def scenario(directory: Path, keys: Keys) -> tuple[list[str], int]:
    """Append, seal, sign, append again; the ids acknowledged, and how many steps failed."""
    acknowledged: list[str] = []
    failed = 0
    with opened(directory / "audit.db", keys) as log:
        sealer = None
        for turn in range(12):
            entry = make(EntryKind.CONFIG, AT, {"turn": turn, "text": "x" * 500})
            try:
                log.append(entry)
                acknowledged.append(entry.id)
            except VaglioError:
                failed += 1
            try:
                if turn % 4 == 3:
                    sealer = sealer or Sealer(directory / "audit.db", keys)
                    sealer._unmoved = 1000  # move the write-ahead log in every case
                    sealer.step(now=True)
            except VaglioError:
                failed += 1
        if sealer is not None:
            sealer.close()
    return acknowledged, failed


def case(directory: Path, nth: int, width: int, number: int) -> dict[str, object]:
    shutil.rmtree(directory, ignore_errors=True)
    keys = Keys.create(directory / "keys", "example.org/log")
    create_log(directory / "audit.db", keys, AT)
    FAULTS.faults_arm(str(directory).encode(), ctypes.c_long(nth), ctypes.c_long(width), number)
    acknowledged, failed = scenario(directory, keys)
    seen = FAULTS.faults_seen()
    FAULTS.faults_arm(b"", ctypes.c_long(0), ctypes.c_long(0), 0)
    with Reader(directory / "audit.db") as reader:
        present = {record.id for record in reader.tail(100)}
    found = verify_log(directory / "audit.db", keys.verifier, keys=keys, processes=1, thorough=True)
    with Log(directory / "audit.db", keys) as log, Sealer(directory / "audit.db", keys) as sealer:
        log.append(make(EntryKind.CONFIG, AT, {}))
        sealer.step(now=True)
    after = verify_log(directory / "audit.db", keys.verifier, keys=keys, processes=1)
    return {
        "nth": nth,
        "seen": seen,
        "failed": failed,
        "lost": [name for name in acknowledged if name not in present],
        "damages": [damage.detail for damage in (*found.damages, *after.damages)],
    }


def main(directory: Path, number: int, width: int) -> None:
    total = int(str(case(directory, 0, 0, 0)["seen"]))
    for nth in range(1, total + 1):
        sys.stdout.write(json.dumps(case(directory, nth, width, number)) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), getattr(errno, sys.argv[2]), int(sys.argv[3]))
