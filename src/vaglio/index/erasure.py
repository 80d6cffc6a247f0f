"""Erasing what is known of one number: all but what must be kept to honour it or by a law's own term.

Oppositions in force and withdrawals stay: without them the next file would bring the person back (GDPR art.
17(3)(b)). A consent that a law has the caller document stays too, and is ended by a withdrawal of its own, for who
asks to be forgotten consents no longer (art. 17(1)(b)).
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from vaglio.index.instants import to_micros
from vaglio.index.store import Store

_ERASED: Final = {
    "consent": "consent WHERE {own} AND given_at < :since AND entry NOT IN (SELECT value FROM json_each(:used))",
    "relationship": "relationship WHERE {own}",
    "contact": "contact WHERE {own}",
    "verdict": "register_verdict WHERE {own}",
    "lifted opposition": "opposition WHERE {own} AND lifted_at IS NOT NULL",
    "former fact": (
        "former WHERE number = :number AND (:controller IS NULL OR fact ->> '$.controller' = :controller)"
    ),
}
"""What is deleted, by name; `own` is the number, and the controller where one is given."""
_OWN: Final = "number = :number AND (:controller IS NULL OR controller = :controller)"
_KEPT: Final = """
SELECT 'opposition', count(*) FROM opposition
WHERE number = :number AND (:controller IS NULL OR controller IN (:controller, '*'))
UNION ALL SELECT 'withdrawal', count(*) FROM withdrawal
WHERE number = :number AND (:controller IS NULL OR controller = :controller)"""
_KEPT_CONSENTS: Final = f"SELECT controller, purpose, channel, entry FROM consent WHERE {_OWN}"  # noqa: S608 - a constant
_WITHDRAW: Final = """
INSERT OR IGNORE INTO withdrawal (number, controller, purpose, channel, withdrawn_at, evidence_uri, entry)
VALUES (?, ?, ?, ?, ?, NULL, ?)"""
_FOREVER: Final = 1 << 62
_TRIES: Final = 20
_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class ErasedFacts:
    """How many facts of each kind are gone, and how many stay."""

    erased: dict[str, int]
    kept: dict[str, int]
    consents: frozenset[int]
    """The entries that brought the consents that stay."""
    wiped: bool
    """Whether the write-ahead log was emptied too; else the next checkpoint overwrites what it holds."""


async def erase_facts(
    store: Store,
    number: int,
    *,
    entry: int,
    at: datetime,
    controller: str | None = None,
    documented_since: datetime | None = None,
    documented: Collection[int] = (),
) -> ErasedFacts:
    """Erase a number's facts in one transaction, and the bytes they stood in.

    Args:
        store: of the index.
        number: the E.164 integer.
        entry: that announced it.
        at: when consents that stay are withdrawn.
        controller: whose facts; None is everybody's.
        documented_since: consents given then or later stay; None lets all go.
        documented: consents that these entries brought stay as well.

    Raises:
        StoreError: when the index cannot be written.
    """
    values: dict[str, object] = {
        "number": number,
        "controller": controller,
        "since": _FOREVER if documented_since is None else to_micros(documented_since),
        "used": orjson.dumps(sorted(documented)).decode(),
    }
    await store.rows("PRAGMA secure_delete = ON")
    async with store.change(entry) as db:
        erased = {}
        for name, rows in _ERASED.items():
            statement = f"DELETE FROM {rows.format(own=_OWN)}"  # noqa: S608 - of constants
            erased[name] = (await db.execute(statement, values)).rowcount
        stay = [tuple(row) for row in await db.execute_fetchall(_KEPT_CONSENTS, values)]
        ended = [(number, whose, purpose, channel, to_micros(at), entry) for whose, purpose, channel, _ in stay]
        await db.executemany(_WITHDRAW, ended)
        kept = {str(row[0]): int(row[1]) for row in await db.execute_fetchall(_KEPT, values)}
    await store.rows("PRAGMA secure_delete = OFF")
    return ErasedFacts(
        erased, {**kept, "consent": len(stay)}, frozenset(row[3] for row in stay), await _wiped(store)
    )


async def _wiped(store: Store) -> bool:
    """Empty the write-ahead log, where the erased rows still stand; a reader can be in the way for a moment."""
    for _ in range(_TRIES):
        if not (await store.rows("PRAGMA wal_checkpoint(TRUNCATE)"))[0][0]:
            return True
        await asyncio.sleep(_PAUSE)
    return False
