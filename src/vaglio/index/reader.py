"""The hot path's view of the index: facts about one number, read in microseconds.

One read-only connection of plain `sqlite3`, called directly on the event loop: a thread hop costs more than the
reads do. Everything for one decision is read in one transaction, so the generation told with the facts is theirs.
"""

import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from vaglio.errors import StoreError
from vaglio.index import database
from vaglio.index.campaigns import campaign_of
from vaglio.index.consents import SELECT_CONSENTS, SELECT_WITHDRAWALS, consents_of
from vaglio.index.instants import from_micros, to_micros
from vaglio.index.shards import ActiveSnapshot, active_snapshots, listed
from vaglio.model import (
    ANY,
    Campaign,
    Contact,
    Controller,
    Facts,
    Opposition,
    RegisterState,
    RegisterStatus,
    Relationship,
    RelationshipKind,
    SubjectType,
)
from vaglio.numbers import Number

_MMAP_BYTES: Final = 2_147_418_112
"""The most that SQLite maps; the pages are the kernel's, not this process's."""
_BUSY_SECONDS: Final = 0.02
"""Readers never wait for writers in WAL; this is for the instant in which a log is recovered after a crash."""
_END_OF_TIME: Final = 2**62

_GENERATION: Final = "SELECT value, campaigns, registers FROM generation"
_FOOTPRINT: Final = """
SELECT value, campaigns, registers,
    EXISTS (SELECT 1 FROM opposition WHERE number = ?1),
    EXISTS (SELECT 1 FROM consent WHERE number = ?1),
    EXISTS (SELECT 1 FROM relationship WHERE number = ?1),
    EXISTS (SELECT 1 FROM contact WHERE number = ?1)
FROM generation
"""
_OPPOSITIONS: Final = f"""
SELECT controller, purpose, opposed_at, channel, evidence_uri, entry FROM opposition
WHERE number = ?1 AND controller IN (?2, '{ANY}') AND opposed_at <= ?3 AND (lifted_at IS NULL OR lifted_at > ?3)
ORDER BY opposed_at
"""  # noqa: S608 - a constant
_RELATIONSHIPS: Final = """
SELECT kind, started_at, ended_at, sector, simplified_revocation, entry FROM relationship
WHERE number = ? AND controller = ? AND started_at <= ? ORDER BY started_at
"""
_CONTACT: Final = """
SELECT directory_listed, region, subdivision, timezone, subject_type, entry FROM contact
WHERE number = ? AND controller = ?
"""
_VERDICT: Final = """
SELECT opposed, as_of, consents_void_until, batch FROM register_verdict
WHERE number = ? AND register = ? AND controller = ?
"""


class Reader:
    """Reads index.db on the event loop; cheap to keep open, one a process, not for two threads at once.

    Raises:
        StoreError: from any method, when the file cannot be read.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._campaigns_as_of = -1
        self._campaigns: dict[str, Campaign] = {}
        self._controllers: dict[str, Controller] = {}
        self._registers_as_of = -1
        self._snapshots: dict[str, ActiveSnapshot] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an index for reading.

        Raises StoreError when it is missing, damaged or of another version, with the command that mends it.
        """
        connection = database.read_only(path)
        try:
            connection.execute(f"PRAGMA mmap_size = {_MMAP_BYTES}")
            connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
            reader = cls(path, connection)
            reader.campaigns()
        except BaseException:
            connection.close()
            raise
        return reader

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def generation(self) -> int:
        """The counter that rises with every change of the index."""
        return self._refresh()

    def campaign(self, campaign_id: str) -> Campaign | None:
        """A campaign as it stands now."""
        self._refresh()
        return self._campaigns.get(campaign_id)

    def campaigns(self) -> tuple[Campaign, ...]:
        """All campaigns, by id."""
        self._refresh()
        return tuple(self._campaigns.values())

    def campaign_last_read(self, campaign_id: str) -> Campaign | None:
        """A campaign as it stood when campaigns were last read; `facts` reads them again when they changed."""
        return self._campaigns.get(campaign_id)

    def controller(self, controller_id: str) -> Controller | None:
        """A controller as it stands now."""
        self._refresh()
        return self._controllers.get(controller_id)

    def controllers(self) -> tuple[Controller, ...]:
        """All controllers, by id."""
        self._refresh()
        return tuple(self._controllers.values())

    def facts(
        self, number: Number, campaign: Campaign, registers: Sequence[str], at: datetime | None = None
    ) -> Facts:
        """All that is known of a number for a campaign's controller, and its status in the named registers.

        With `at` (aware), only facts dated up to it: what came later, a withdrawal, a lift or a snapshot, is not
        there yet. Attempts are not here but in the log. Raises ValueError for a number without E.164.
        """
        key = number.key
        until = _END_OF_TIME if at is None else to_micros(at)
        try:
            if not registers:
                generation, campaigns, _, *known = self._db.execute(_FOOTPRINT, (key,)).fetchone()
                if not any(known):
                    self._follow_campaigns(campaigns)
                    return Facts(generation=generation, campaign=campaign)
            self._db.execute("BEGIN")
            try:
                return self._facts(key, campaign, registers, until)
            finally:
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise database.unreadable(self.path, error) from error

    def _facts(self, key: int, campaign: Campaign, registers: Sequence[str], until: int) -> Facts:
        execute = self._db.execute
        generation, campaigns, version, *footprint = execute(_FOOTPRINT, (key,)).fetchone()
        opposed, consented, related, known = footprint
        if campaigns != self._campaigns_as_of:
            self._load_campaigns(campaigns)
        if version != self._registers_as_of:
            self._snapshots = active_snapshots(self._db)
            self._registers_as_of = version
        asked = (key, campaign.controller, until)
        oppositions: tuple[Opposition, ...] = ()
        if opposed:
            oppositions = tuple(
                Opposition(controller, purpose, from_micros(opposed_at), channel, uri, entry)
                for controller, purpose, opposed_at, channel, uri, entry in execute(_OPPOSITIONS, asked)
            )
        consents = (
            consents_of(execute(SELECT_CONSENTS, asked), execute(SELECT_WITHDRAWALS, asked).fetchall())
            if consented
            else ()
        )
        return Facts(
            generation=generation,
            campaign=campaign,
            oppositions=oppositions,
            consents=consents,
            relationships=self._relationships(asked) if related else (),
            contact=self._contact(key, campaign.controller) if known else None,
            registers={name: self._status(name, key, campaign.controller, until) for name in registers},
        )

    def _relationships(self, asked: tuple[int, str, int]) -> tuple[Relationship, ...]:
        return tuple(
            Relationship(
                asked[1],
                RelationshipKind(kind),
                from_micros(started_at),
                None if ended_at is None else from_micros(ended_at),
                sector,
                bool(simplified),
                entry,
            )
            for kind, started_at, ended_at, sector, simplified, entry in self._db.execute(_RELATIONSHIPS, asked)
        )

    def _contact(self, key: int, controller: str) -> Contact | None:
        row = self._db.execute(_CONTACT, (key, controller)).fetchone()
        if row is None:
            return None
        listed, region, subdivision, timezone, subject_type, entry = row
        return Contact(
            controller,
            None if listed is None else bool(listed),
            region,
            subdivision,
            timezone,
            None if subject_type is None else SubjectType(subject_type),
            entry,
        )

    def _status(self, register: str, key: int, controller: str, until: int) -> RegisterStatus:
        """What the register says of the number; a list by its active snapshot, else by verdict."""
        snapshot = self._snapshots.get(register)
        if snapshot is None:
            return self._verdict(register, key, controller, until)
        if snapshot.as_of > until:
            return RegisterStatus(register, RegisterState.NEVER_CHECKED, None, None)
        if listed(self._db, snapshot.id, key):
            state = RegisterState.OPPOSED
        else:
            state = RegisterState.CLEAR if snapshot.covers(key) else RegisterState.NOT_COVERED
        return RegisterStatus(register, state, snapshot.date, snapshot.source)

    def _verdict(self, register: str, key: int, controller: str, until: int) -> RegisterStatus:
        row = self._db.execute(_VERDICT, (key, register, controller)).fetchone()
        if row is None or row[1] > until:
            return RegisterStatus(register, RegisterState.NEVER_CHECKED, None, None)
        opposed, as_of, void_until, batch = row
        return RegisterStatus(
            register,
            RegisterState.OPPOSED if opposed else RegisterState.CLEAR,
            from_micros(as_of),
            batch,
            None if void_until is None else date.fromisoformat(void_until),
        )

    def _refresh(self) -> int:
        """The generation; controllers and campaigns are read again when they changed since the last time."""
        try:
            generation, campaigns, _ = self._db.execute(_GENERATION).fetchone()
            self._follow_campaigns(campaigns)
        except (sqlite3.Error, TypeError) as error:
            raise self._unreadable(error) from error
        return int(generation)

    def _follow_campaigns(self, version: int) -> None:
        """Read controllers and campaigns again, in a transaction of its own, when they changed."""
        if version == self._campaigns_as_of:
            return
        self._db.execute("BEGIN")
        try:
            _, version, _ = self._db.execute(_GENERATION).fetchone()
            self._load_campaigns(version)
        finally:
            self._db.execute("COMMIT")

    def _load_campaigns(self, version: int) -> None:
        controllers = self._db.execute("SELECT id, name FROM controller ORDER BY id").fetchall()
        definitions = self._db.execute("SELECT id, definition FROM campaign ORDER BY id").fetchall()
        self._campaigns_as_of = version
        self._controllers = {name: Controller(name, title) for name, title in controllers}
        try:
            self._campaigns = {name: campaign_of(definition) for name, definition in definitions}
        except ValueError as error:
            raise StoreError(
                f"{self.path}: a campaign's definition is damaged; import the campaigns again: "
                "vaglio campaign import FILE.toml"
            ) from error

    def _unreadable(self, error: sqlite3.Error | TypeError) -> StoreError:
        if isinstance(error, sqlite3.Error):
            return database.unreadable(self.path, error)
        return StoreError(f"{self.path}: the generation is missing; check it with: vaglio index verify")
