"""Which side rows may be gone: what the purge and erasure entries say.

A purge entry has `rules`, a list of `country` (two letters; null for all without a rule of their own), `before`:
side rows of that country's entries older than that are gone. An erasure entry has `entries`, a list of
[first, last] sequence numbers whose side rows are gone.
"""

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

import orjson

from vaglio.audit.canonical import microseconds

_REMOVALS = """
    SELECT kind, body FROM entry
    WHERE kind NOT IN ('decision', 'delivery', 'outcome') AND kind IN ('purge', 'erasure')
    ORDER BY seq"""


@dataclass(frozen=True, slots=True)
class Removals:
    """What was removed, ready to be asked of many rows."""

    before: dict[str | None, int] = field(default_factory=dict)
    """Country → microseconds since 1970 up to which its side rows were purged."""
    firsts: tuple[int, ...] = ()
    lasts: tuple[int, ...] = ()
    """Where the erased runs of sequence numbers begin and end, both in order."""

    @classmethod
    def told_by(cls, connection: sqlite3.Connection) -> Self:
        """Read the purge and erasure entries; one that cannot be read removes nothing."""
        before: dict[str | None, int] = {}
        runs: list[tuple[int, int]] = []
        for kind, raw in connection.execute(_REMOVALS):
            try:
                body = orjson.loads(raw)
                if kind == "purge":
                    for rule in body["rules"]:
                        limit = microseconds(datetime.fromisoformat(rule["before"]))
                        before[rule["country"]] = max(limit, before.get(rule["country"], limit))
                else:
                    runs += [(int(first), int(last)) for first, last in body["entries"]]
            except (ValueError, KeyError, TypeError):
                continue
        merged = merge(runs)
        return cls(before, tuple(first for first, _ in merged), tuple(last for _, last in merged))

    def cover(self, seq: int, country: str | None, at: int) -> bool:
        """Whether the side row of that entry may be gone."""
        limit = self.before.get(country, self.before.get(None))
        if limit is not None and at < limit:
            return True
        place = bisect_right(self.firsts, seq) - 1
        return place >= 0 and seq <= self.lasts[place]


def merge(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs in order, without overlap."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
