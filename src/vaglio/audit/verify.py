"""`audit verify`: rebuild everything from the rows and name what is wrong.

Rows are compared with the tree's leaves, tiles with one another, the tree with every checkpoint, checkpoints with
the keys that were in force, the side table with the commitments, the attempts with the entries, the tables with
the schema. The order of trust: the key one was given, the checkpoints it signed, the tree, the rows.
"""

import gc
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path

from vaglio.audit.attempt_scan import unaccounted
from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.continuity import check_checkpoints, continued, kept_outside, key_chain
from vaglio.audit.damage import Damage, DamageKind, Verification
from vaglio.audit.keys import Keys
from vaglio.audit.note import Verifier
from vaglio.audit.removal import Removals
from vaglio.audit.scan import Scan, Stretch, scan
from vaglio.audit.store import IN_PASSING, explained, open_reading
from vaglio.audit.structure import Tree, reported_damages, schema_damages
from vaglio.audit.tree import SigningKey, tree_size

STRETCH = 65536
"""Entries a worker takes at a time; a multiple of a tile's width."""

_MAX_PROCESSES = 8
_OF_ENTRIES = frozenset(DamageKind) - {
    DamageKind.ATTEMPT,
    DamageKind.TILE,
    DamageKind.CHECKPOINT,
    DamageKind.SCHEMA,
}
"""After such damage nothing can be said of the attempts, which are only derived."""


def verify_log(
    path: Path,
    trusted: Verifier,
    *,
    keys: Keys | None = None,
    since: Sequence[Checkpoint] = (),
    progress: Callable[[int, int], None] | None = None,
    processes: int | None = None,
    thorough: bool = False,
) -> Verification:
    """Check the whole log.

    Args:
        path: audit.db; it may be in use.
        trusted: a signing key of the log, past or present, from outside the log.
        keys: to open the side rows too, and to compare with the checkpoint kept beside the keys.
        since: earlier checkpoints that the log must continue.
        progress: told the entries done and their total.
        processes: how many to use; as many as there are processors when not given.
        thorough: also have SQLite check its own structure, indexes included; slow on a large file.

    Raises:
        StoreError: when the file is missing, no log, or of another version. Damage is a result, not an error.
    """
    with closing(open_reading(path, IN_PASSING)) as connection, explained(path):
        connection.execute("BEGIN")
        entries = int(connection.execute("SELECT ifnull(max(seq), 0) FROM entry").fetchone()[0])
        sealed = tree_size(connection)
        damages: list[Damage] = []
        removals = Removals.told_by(connection)
        tree = Tree(connection, sealed)
        with _noted(damages):
            damages += [*schema_damages(connection), *reported_damages(connection, thorough=thorough)]
        with _noted(damages):
            damages += tree.damages()
        chain: tuple[SigningKey, ...] = ()
        covered = checkpoints = 0
        with _noted(damages):
            chain = key_chain(connection, trusted, damages)
            covered, checkpoints = check_checkpoints(connection, tree, entries, chain, damages)
        with _noted(damages):
            earlier = [*since, *kept_outside(keys, damages)]
            damages += continued(tree, entries, chain, covered, earlier)
        scanned = Scan()
        for found in _scan_all(path, entries, sealed, removals, keys, processes, progress):
            scanned.numbers += found.numbers
            scanned.removed += found.removed
            scanned.attempts += found.attempts
            damages += found.damages
        if sealed > entries:
            damages.append(
                Damage(entries + 1, DamageKind.ROLLED_BACK, f"entries {entries + 1} to {sealed} were cut off")
            )
        if not any(damage.kind in _OF_ENTRIES for damage in damages):
            damages += unaccounted(connection, entries, scanned.attempts)
        else:
            damages = [damage for damage in damages if damage.kind is not DamageKind.ATTEMPT]
    remaining = _still_missing(path, damages)
    return Verification(
        entries, sealed, covered, checkpoints, scanned.numbers, scanned.removed, tuple(sorted(set(remaining)))
    )


@contextmanager
def _noted(damages: list[Damage]) -> Iterator[None]:
    """A part of the file that cannot be read is a finding, and the rest is checked all the same."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        damages.append(Damage(0, DamageKind.UNREADABLE, f"a part of the file cannot be read: {error}"))


def _scan_all(
    path: Path,
    entries: int,
    sealed: int,
    removals: Removals,
    keys: Keys | None,
    processes: int | None,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Scan]:
    directory = keys.directory if keys else None
    stretches = [
        Stretch(path, first, min(first + STRETCH - 1, entries), sealed, removals, directory)
        for first in range(1, entries + 1, STRETCH)
    ]
    workers = min(processes or os.cpu_count() or 1, _MAX_PROCESSES, len(stretches))
    if workers < 2:  # noqa: PLR2004 - a second process pays only with a second stretch
        for stretch in stretches:
            yield scan(stretch)
            _tell(progress, stretch, entries)
        return
    # Rows make no cycles: without the collector a worker is a tenth faster.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=gc.disable) as pool:
        for stretch, found in zip(stretches, pool.map(scan, stretches), strict=True):
            yield found
            _tell(progress, stretch, entries)


def _tell(progress: Callable[[int, int], None] | None, stretch: Stretch, entries: int) -> None:
    if progress is not None:
        progress(stretch.last, entries)


def _still_missing(path: Path, damages: list[Damage]) -> list[Damage]:
    """Side rows that a purge removed while the verification ran are no damage."""
    if not any(damage.kind is DamageKind.SIDE_TABLE for damage in damages):
        return damages
    with closing(open_reading(path, IN_PASSING)) as connection, explained(path):
        removals = Removals.told_by(connection)
        remaining = []
        for damage in damages:
            if damage.kind is DamageKind.SIDE_TABLE and damage.detail.endswith("was not purged"):
                row = connection.execute(
                    "SELECT CAST(body AS TEXT) ->> '$.number.country', at FROM entry WHERE seq = ?", (damage.seq,)
                ).fetchone()
                if row and removals.cover(damage.seq, *row):
                    continue
            remaining.append(damage)
    return remaining
