"""The attempts that frequency caps count, checked against the entries they were derived from.

While a stretch is read, each call let out is held against its row. What was told of it later, that it was
delivered and what became of it, mostly stands in the same stretch; SQLite is asked only for what does not, and to
name the rows that no entry accounts for.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from vaglio.audit.damage import Damage, DamageKind
from vaglio.audit.entry import EntryKind
from vaglio.audit.said import Said

Row = tuple[Any, ...]
"""controller, pbx, uniqueid, decision, delivered, outcome."""

_TRUE = """coalesce(
    (entry.kind = 'failopen' OR entry.verdict = 'allow')
    AND entry.id = attempt.decision AND entry.at = attempt.at AND entry.controller = attempt.controller
    AND subject.token = attempt.token
    AND CAST(entry.body AS TEXT) ->> '$.pbx' = attempt.pbx
    AND CAST(entry.body AS TEXT) ->> '$.uniqueid' = attempt.uniqueid
    AND attempt.delivered IS CASE entry.kind WHEN 'failopen' THEN entry.at ELSE (
        SELECT told.at FROM entry AS told WHERE told.ref = entry.id AND told.kind = 'delivery'
        ORDER BY told.seq DESC LIMIT 1) END
    AND attempt.outcome IS (
        SELECT CAST(told.body AS TEXT) ->> '$.outcome' FROM entry AS told
        WHERE told.ref = entry.id AND told.kind = 'outcome'
        ORDER BY told.seq DESC LIMIT 1), FALSE)"""
_WRONG_OF = f"""
    SELECT attempt.seq FROM entry CROSS JOIN subject USING (seq)
    CROSS JOIN attempt ON attempt.token = subject.token AND attempt.at = entry.at AND attempt.seq = entry.seq
    WHERE entry.id = ? AND NOT {_TRUE}"""  # noqa: S608 - the text above
_WRONG = f"""
    SELECT attempt.seq FROM attempt
    LEFT JOIN entry ON entry.seq = attempt.seq
    LEFT JOIN subject ON subject.seq = attempt.seq
    WHERE attempt.seq <= ? AND NOT {_TRUE}
    ORDER BY attempt.seq LIMIT 100"""  # noqa: S608 - the same
_COUNT = "SELECT count(*) FROM attempt WHERE seq <= ?"


class Attempts:
    """Those of one stretch, told of its entries in their order; what is wrong goes to `note`."""

    def __init__(self, connection: sqlite3.Connection, note: Callable[[int, DamageKind, str], None]) -> None:
        self._connection = connection
        self._note = note
        self._rows: dict[str, tuple[object, object] | None] = {}
        """Decision → delivered and outcome as the table has them; None for one that is no attempt."""
        self._told: dict[str, list[object]] = {}
        """Decision → delivered and outcome as the entries tell."""
        self.right = 0
        """Calls let out whose row stands in the table."""

    def let_out(self, seq: int, said: Said, at: int, row: Row) -> None:
        """An entry that must have a row, and that row, all NULL when there is none."""
        controller, pbx, unique_id, decision, delivered, outcome = row
        if decision is None:
            self._note(seq, DamageKind.ATTEMPT, f"the attempt of entry {seq} is missing")
            return
        self.right += 1
        if (controller, pbx, unique_id, decision) != (said.controller, said.pbx, said.uniqueid, said.id):
            self._note(seq, *_wrong(seq))
            return
        self._rows[decision] = (delivered, outcome)
        if said.kind == EntryKind.FAILOPEN:
            self._told[decision] = [at, None]

    def decided(self, decision: str) -> None:
        """A decision that has no row."""
        self._rows[decision] = None

    def told(self, said: Said, at: int) -> None:
        """A delivery or an outcome."""
        if said.ref is not None:
            told = self._told.setdefault(said.ref, [None, None])
            if said.kind == EntryKind.OUTCOME:
                told[1] = said.outcome
            else:
                told[0] = at

    def finish(self) -> None:
        """Compare what the entries tell with the table; what stands in other stretches is looked up."""
        for decision, row in self._rows.items():
            told = self._told.pop(decision, None)
            if row is not None and (told is None or told[0] != row[0] or told[1] != row[1]):
                self._look_up(decision)
        for decision in self._told:
            self._look_up(decision)

    def _look_up(self, decision: str) -> None:
        for (seq,) in self._connection.execute(_WRONG_OF, (decision,)):
            self._note(seq, *_wrong(seq))


def unaccounted(connection: sqlite3.Connection, entries: int, right: int) -> Iterator[Damage]:
    """The rows that no entry accounts for, when there are more than were found right."""
    if int(connection.execute(_COUNT, (entries,)).fetchone()[0]) > right:
        for (seq,) in connection.execute(_WRONG, (entries,)):
            yield Damage(int(seq), *_wrong(seq))


def _wrong(seq: int) -> tuple[DamageKind, str]:
    return DamageKind.ATTEMPT, f"the attempt of entry {seq} is not what the entries tell"
