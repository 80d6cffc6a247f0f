"""What registers and their requests hold of one number: lists, verdicts, and what was handed to a keeper."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from vaglio.index import database
from vaglio.index.instants import from_micros
from vaglio.index.shards import SHARD_BITS, active_snapshots, holds, listed

_VERDICTS: Final = """
SELECT register, controller, opposed, as_of, consents_void_until, batch, entry FROM register_verdict
WHERE number = ? ORDER BY register, controller"""
_HANDED: Final = """
SELECT batch.id, register, controller, requested_at, entry, batch_shard.numbers
FROM batch JOIN batch_shard ON batch_shard.batch = batch.id AND shard = ? ORDER BY requested_at"""


def register_lists(index: Path, number: int) -> list[dict[str, object]]:
    """The list registers in force that hold the number, with their date and snapshot.

    Raises:
        StoreError: when the index cannot be read.
    """
    with closing(database.read_only(index)) as db:
        try:
            found: list[dict[str, object]] = []
            for name, snapshot in sorted(active_snapshots(db).items()):
                if listed(db, snapshot.id, number):
                    dated = {"as_of": snapshot.date.isoformat(), "snapshot": snapshot.source}
                    found.append({"register": name, "state": "opposed", **dated})
        except sqlite3.Error as error:
            raise database.unreadable(index, error) from error
    return found


def register_verdicts(index: Path, number: int) -> list[dict[str, object]]:
    """The newest answer of every query register for every controller.

    Raises:
        StoreError: when the index cannot be read.
    """
    with closing(database.read_only(index)) as db:
        try:
            rows = db.execute(_VERDICTS, (number,)).fetchall()
        except sqlite3.Error as error:
            raise database.unreadable(index, error) from error
    return [
        {
            "register": register,
            "controller": controller,
            "state": "opposed" if opposed else "clear",
            "as_of": from_micros(as_of).isoformat(),
            "consents_void_until": void_until,
            "batch": batch,
            "entry": entry,
        }
        for register, controller, opposed, as_of, void_until, batch, entry in rows
    ]


def handed_over(index: Path, number: int) -> list[dict[str, object]]:
    """The requests to a register's keeper that held the number, oldest first.

    Raises:
        StoreError: when the index cannot be read.
    """
    with closing(database.read_only(index)) as db:
        try:
            rows = db.execute(_HANDED, (number >> SHARD_BITS,)).fetchall()
        except sqlite3.Error as error:
            raise database.unreadable(index, error) from error
    return [
        {
            "batch": batch,
            "register": register,
            "controller": controller,
            "requested_at": from_micros(requested_at).isoformat(),
            "entry": entry,
        }
        for batch, register, controller, requested_at, entry, numbers in rows
        if holds(numbers, number)
    ]
