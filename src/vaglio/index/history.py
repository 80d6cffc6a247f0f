"""All that is and was known of one number: facts in force, ended ones, and what corrections replaced."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import orjson

from vaglio.index import database
from vaglio.index.instants import from_micros
from vaglio.index.records import FactKind

_FORMER: Final = "SELECT fact, entry, replaced_by FROM former WHERE number = ? AND kind = ? ORDER BY replaced_by"


def history(
    index: Path, number: int, kinds: Sequence[FactKind] = tuple(FactKind)
) -> dict[FactKind, list[dict[str, object]]]:
    """Every fact of the number, of every controller, by kind; times as ISO 8601, empty key parts as None.

    A fact that a correction replaced has `replaced_by`, the entry of the correction.

    Raises:
        StoreError: when the index cannot be read.
    """
    with closing(database.read_only(index)) as db:
        db.row_factory = sqlite3.Row
        try:
            return {kind: _of_kind(db, kind, number) for kind in kinds}
        except sqlite3.Error as error:
            raise database.unreadable(index, error) from error


def _of_kind(db: sqlite3.Connection, kind: FactKind, number: int) -> list[dict[str, object]]:
    standing = db.execute(f"SELECT * FROM {kind.value} WHERE number = ?", (number,))  # noqa: S608 - an enumeration
    former = db.execute(_FORMER, (number, kind.value))
    replaced = [
        {**orjson.loads(row["fact"]), "entry": row["entry"], "replaced_by": row["replaced_by"]} for row in former
    ]
    return [_readable(fact) for fact in (*(dict(row) for row in standing), *replaced)]


def _readable(fact: dict[str, object]) -> dict[str, object]:
    fact.pop("number", None)
    for key, value in fact.items():
        if key.endswith("_at") and isinstance(value, int):
            fact[key] = from_micros(value).isoformat()
        elif value == "":
            fact[key] = None
    return fact
