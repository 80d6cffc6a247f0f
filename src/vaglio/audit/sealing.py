"""The sealer: entries become leaves and tiles, and every minute a signed checkpoint.

It runs off the hot path, one at a time for each log whatever the number of processes, and also does what the hot
writer leaves out: moving the write-ahead log into the file.
"""

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vaglio.audit.canonical import leaf_hash, time_of
from vaglio.audit.checkpoint import Checkpoint, signed_checkpoint
from vaglio.audit.commit import Log, clock
from vaglio.audit.entry import EntryKind, make
from vaglio.audit.keys import Keys, write_private
from vaglio.audit.merkle import root
from vaglio.audit.note import Verifier, sign
from vaglio.audit.store import explained, open_writing
from vaglio.audit.tiles import MissingTile, fetcher, grow
from vaglio.audit.tree import (
    LAST_CHECKPOINT,
    kept_checkpoint,
    last_checkpoint,
    signing_keys,
    tile_reader,
    tree_size,
    vouching_text,
)
from vaglio.errors import ConfigError, StoreError, VerificationError
from vaglio.turn import Turn

MAX_LEAVES = 4096
"""Leaves a transaction."""

_AGAIN = 5_000_000
"""Microseconds before a checkpoint that could not be signed is tried again."""
_MOVE_AFTER = 512
"""Entries after which the write-ahead log is moved into the file, for the next commit to write over it."""
_MOVES = 6
"""How often that is tried beside the writers before it takes a turn of its own."""
_PUT_TILE = """
    INSERT INTO tile (level, number, hashes) VALUES (?, ?, ?)
    ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes"""


class InconsistentLog(VerificationError):  # noqa: N818 - names the state the log is in
    """The log is not a continuation of what was signed before. Nothing more is sealed; raise the alarm."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one step did.

    Attributes:
        size: entries in the tree now.
        added: entries this step sealed.
        checkpoint: signed in this step, if one was due.
    """

    size: int
    added: int
    checkpoint: Checkpoint | None


class Sealer:
    """Seals one log; use as a context manager, from one thread at a time, never on the event loop.

    Args:
        path: audit.db.
        keys: the log's keys.
        every: microseconds within which a checkpoint is signed.
        now: microseconds since 1970.

    Raises:
        StoreError, ConfigError: as `Log`.
    """

    def __init__(self, path: Path, keys: Keys, every: int = 60_000_000, now: Callable[[], int] = clock) -> None:
        self._path = path
        self._keys = keys
        self._every = every
        self._now = now
        self._unmoved = 0
        self._signed_at = 0
        self._tried_at = 0
        self._log = Log(path, keys, now)
        self._turn = Turn(path)
        try:
            self._connection = open_writing(path)
            self._tile = tile_reader(self._connection)
            with self._alone(), explained(path):
                self._follow_key()
        except BaseException:
            self._turn.close()
            self._log.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; what is not sealed is sealed by the next sealer."""
        with suppress(sqlite3.Error):
            self._connection.close()
        self._turn.close()
        self._log.close()

    def step(self, *, now: bool = False) -> Sealed:
        """Seal what was appended since the last step; sign a checkpoint when one is due or asked for `now`.

        Raises:
            InconsistentLog: the log does not continue what was signed; nothing was signed.
            StoreError: the file cannot be written now; the next step tries again.
        """
        with self._alone(), explained(self._path):
            self._follow_key()
            last = last_checkpoint(self._connection)
            size, added = self._seal()
            due = now or (self._since(self._signed_at) >= self._every and self._since(self._tried_at) >= _AGAIN)
            checkpoint = self._checkpoint(last) if due else None
            if checkpoint is not None:
                added, size = added + checkpoint.size - size, checkpoint.size
            self._move(added)
            return Sealed(size, added, checkpoint)

    def rotate(self) -> Keys:
        """Put a new signing key in the old one's place: the old one vouches for it, and both sign a checkpoint.

        A rotation that was interrupted is finished first, by whoever opens a sealer.

        Raises:
            InconsistentLog, StoreError: as `step`.
            ConfigError: when the keys directory cannot be written.
        """
        with self._alone(), explained(self._path):
            self._follow_key()
            old, new = self._keys, Ed25519PrivateKey.generate()
            verifier = Verifier.of(old.origin, new)
            vouched = sign(vouching_text(verifier), old.origin, old.signing).raw.decode()
            self._seal()
            last = last_checkpoint(self._connection)
            self._confirm(last)
            old.keep_next(new)
            fields = {"vkey": verifier.vkey, "vouched": vouched, "checkpoint": _named(last)}
            self._log.append(make(EntryKind.KEY_ROTATION, time_of(self._now()), fields))
            self._seal()
            self._sign(last, (old.signing, new))
            self._keys = old.with_next()
            return self._keys

    def _follow_key(self) -> None:
        """Use the key in force, which another process may have put in the old one's place."""
        in_force = signing_keys(self._connection)[-1].verifier
        if self._keys.verifier != in_force:
            self._keys = Keys.load(self._keys.directory)
        if self._keys.verifier != in_force and self._keys.next_verifier() == in_force:
            self._keys = self._keys.with_next()
        if self._keys.verifier != in_force:
            raise ConfigError(
                f"{self._keys.directory}: the signing key is not the one in force in {self._path};"
                " restore the keys directory"
            )

    def _checkpoint(self, last: Checkpoint | None) -> Checkpoint:
        """Sign, after a heartbeat: a checkpoint holds no time, and nothing else tells of the one before."""
        self._confirm(last)
        self._tried_at = self._now()
        self._log.append(make(EntryKind.HEARTBEAT, time_of(self._now()), {"checkpoint": _named(last)}))
        self._seal()
        return self._sign(last, (self._keys.signing,))

    def _sign(self, last: Checkpoint | None, keys: tuple[Ed25519PrivateKey, ...]) -> Checkpoint:
        size = self._confirm(last)
        made = signed_checkpoint(self._keys.origin, size, root(fetcher(self._tile), size), *keys)
        try:
            write_private(self._keys.directory / LAST_CHECKPOINT, made.raw)
        except OSError as error:
            raise StoreError(
                f"{self._keys.directory}: the checkpoint cannot be kept there ({error.strerror})"
            ) from error
        with self._transaction():
            self._connection.execute(
                "INSERT INTO checkpoint (size, note) VALUES (?, ?) ON CONFLICT (size) DO NOTHING",
                (size, made.raw),
            )
        self._signed_at = self._now()
        return made

    def _confirm(self, last: Checkpoint | None) -> int:
        """Make sure that the tree continues what was signed, here and as kept outside; its size."""
        fetch = fetcher(self._tile)
        size = tree_size(self._connection)
        try:
            for earlier in (last, kept_checkpoint(self._keys)):
                if earlier is not None and (earlier.size > size or root(fetch, earlier.size) != earlier.root):
                    raise InconsistentLog(_unlike(self._path, earlier, size))
            root(fetch, size)
        except MissingTile as error:
            raise InconsistentLog(f"{self._path}: {error} is missing; run `vaglio audit verify`") from error
        return size

    def _seal(self) -> tuple[int, int]:
        """Turn new entries into leaves; the tree's size, and how many were added."""
        size = before = tree_size(self._connection)
        while True:
            rows = self._connection.execute(
                "SELECT seq, body FROM entry WHERE seq > ? ORDER BY seq LIMIT ?", (size, MAX_LEAVES)
            ).fetchall()
            if rows and rows[-1][0] != size + len(rows):
                raise InconsistentLog(f"{self._path}: entries are missing after {size}; run `vaglio audit verify`")
            if not rows:
                if self._entries() < size:
                    raise InconsistentLog(
                        f"{self._path}: {size} entries were sealed, {self._entries()} are there; the file was"
                        " cut or an older one was put back"
                    )
                return size, size - before
            try:
                changed = grow(self._tile, size, [leaf_hash(body) for _, body in rows])
            except MissingTile as error:
                raise InconsistentLog(f"{self._path}: {error} is damaged; run `vaglio audit verify`") from error
            with self._transaction():
                self._connection.executemany(_PUT_TILE, [(*key, hashes) for key, hashes in changed.items()])
            size += len(rows)

    def _since(self, then: int) -> int:
        """Microseconds between then and now, whichever way the clock was set meanwhile."""
        return abs(self._now() - then)

    def _entries(self) -> int:
        return int(self._connection.execute("SELECT ifnull(max(seq), 0) FROM entry").fetchone()[0])

    def _move(self, added: int) -> None:
        """Move the write-ahead log into the file, so that the next commit begins it anew.

        Written over, it does not grow, and a commit does not have to record a new length of it on the disk. It is
        begun anew only by a commit that finds all of it moved. Whatever was committed amid a move remains, so the
        move is repeated: beside the writers until there was a gap between them, else in a turn.
        """
        self._unmoved += added
        if self._unmoved < _MOVE_AFTER:
            return
        self._unmoved = 0
        last = 0
        for _ in range(_MOVES):
            frames, moved = self._moved()
            if frames <= last:
                return  # nothing was committed since the last move, and that one left nothing
            last = moved
        with self._turn:
            self._moved()

    def _moved(self) -> tuple[int, int]:
        """Move what no reader needs; frames there were when it began, and how many of them are in the file now."""
        _, frames, moved = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return frames, moved

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._turn:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One sealer at a time, whatever process it is in; the kernel lets go when a process dies."""
        name = f"{self._path}.sealer"
        try:
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError as error:
            raise StoreError(f"{name}: cannot be opened ({error.strerror})") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _named(checkpoint: Checkpoint | None) -> dict[str, object] | None:
    """How an entry names the checkpoint before it."""
    if checkpoint is None:
        return None
    return {"size": checkpoint.size, "sha256": hashlib.sha256(checkpoint.raw).hexdigest()}


def _unlike(path: Path, earlier: Checkpoint, size: int) -> str:
    if earlier.size > size:
        what = f"a checkpoint of {earlier.size} entries was signed, {size} are there: an older file was put back"
    else:
        what = f"the first {earlier.size} entries are not those that were signed"
    return f"{path}: {what}; nothing more is signed; run `vaglio audit verify`"
