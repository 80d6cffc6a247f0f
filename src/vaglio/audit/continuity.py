"""Whether the tree is the one that was signed, by the keys then in force, here and in what is kept elsewhere."""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence

import orjson

from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.damage import Damage, DamageKind
from vaglio.audit.keys import Keys
from vaglio.audit.note import Verifier
from vaglio.audit.structure import Tree
from vaglio.audit.tree import SigningKey, kept_checkpoint, signing_keys
from vaglio.errors import VerificationError

_NAMED = """
    SELECT seq, body FROM entry
    WHERE kind NOT IN ('decision', 'delivery', 'outcome') AND kind IN ('heartbeat', 'key-rotation')
    ORDER BY seq"""
_CHECKPOINTS = "SELECT size, note FROM checkpoint ORDER BY size"


def key_chain(connection: sqlite3.Connection, trusted: Verifier, damages: list[Damage]) -> tuple[SigningKey, ...]:
    """The keys that were in force; empty when the trusted one is none of them."""
    try:
        chain = signing_keys(connection)
    except VerificationError as error:
        damages.append(Damage(1, DamageKind.WRONG_KEY, str(error)))
        return ()
    if trusted not in [key.verifier for key in chain]:
        detail = f"the log is signed by {chain[-1].verifier.vkey}, not by the key {trusted.vkey}"
        damages.append(Damage(1, DamageKind.WRONG_KEY, detail))
        return ()
    return chain


def check_checkpoints(
    connection: sqlite3.Connection,
    tree: Tree,
    entries: int,
    chain: tuple[SigningKey, ...],
    damages: list[Damage],
) -> tuple[int, int]:
    """Check every checkpoint in the table; how many entries the last good one covers, and how many are."""
    named = _named_checkpoints(connection, damages)
    covered = good = newest = 0
    for size, raw in connection.execute(_CHECKPOINTS):
        newest = size
        digest = named.pop(size, None)
        if digest is not None and hashlib.sha256(raw).hexdigest() != digest:
            damages.append(
                Damage(size, DamageKind.CHECKPOINT, f"checkpoint {size} is not the one that was signed")
            )
        problem = _checkpoint_problem(size, raw, tree, entries, chain, covered)
        if problem:
            damages.append(problem)
        else:
            covered, good = size, good + 1
    damages += [Damage(size, DamageKind.CHECKPOINT, f"checkpoint {size} is missing") for size in named]
    if newest < max(named, default=0):
        damages.append(Damage(newest + 1, DamageKind.ROLLED_BACK, f"the checkpoints after {newest} were cut off"))
    return (covered, good) if chain else (0, 0)


def _named_checkpoints(connection: sqlite3.Connection, damages: list[Damage]) -> dict[int, str]:
    """The checkpoints that entries name: size → SHA-256 of the note."""
    named: dict[int, str] = {}
    for seq, raw in connection.execute(_NAMED):
        try:
            before = orjson.loads(raw)["checkpoint"]
            if before is not None:
                named[int(before["size"])] = str(before["sha256"])
        except (ValueError, KeyError, TypeError):
            damages.append(Damage(seq, DamageKind.EDITED, f"entry {seq}: names no checkpoint"))
    return named


def _checkpoint_problem(
    size: int, raw: bytes, tree: Tree, entries: int, chain: tuple[SigningKey, ...], covered: int
) -> Damage | None:
    try:
        checkpoint = Checkpoint.parse(raw)
    except VerificationError as error:
        return Damage(size, DamageKind.CHECKPOINT, f"checkpoint {size}: {error}")
    if checkpoint.size != size:
        return Damage(size, DamageKind.CHECKPOINT, f"checkpoint {size}: signs {checkpoint.size} entries")
    return _signature_problem(checkpoint, chain) or _root_problem(checkpoint, tree, entries, covered)


def _signature_problem(checkpoint: Checkpoint, chain: tuple[SigningKey, ...]) -> Damage | None:
    """Signed by the key in force at its size, whose name is the log's."""
    in_force = [key.verifier for key in chain if key.since <= checkpoint.size][-1:]
    if not in_force:
        return None  # the chain itself is damaged, which has been told
    try:
        checkpoint.verified_by(*in_force)
    except VerificationError as error:
        signers = {signature.key_id for signature in checkpoint.note.signatures}
        kind = DamageKind.CHECKPOINT if in_force[0].key_id in signers else DamageKind.WRONG_KEY
        return Damage(checkpoint.size, kind, f"checkpoint {checkpoint.size}: {error}")
    return None


def _root_problem(checkpoint: Checkpoint, tree: Tree, entries: int, covered: int) -> Damage | None:
    size = checkpoint.size
    if size > entries:
        detail = f"a checkpoint signs {size} entries, the log ends at {entries}"
        return Damage(entries + 1, DamageKind.ROLLED_BACK, detail)
    if size > tree.size:
        return Damage(
            tree.size + 1, DamageKind.TILE, f"a checkpoint signs {size} entries, the tiles hold {tree.size}"
        )
    if tree.root(size) != checkpoint.root:
        detail = (
            f"the tree over {size} entries is not the one signed; changed between entry {covered + 1} and {size}"
        )
        return Damage(covered + 1, DamageKind.EDITED, detail)
    return None


def kept_outside(keys: Keys | None, damages: list[Damage]) -> list[Checkpoint]:
    """The checkpoint kept beside the keys."""
    if keys is None:
        return []
    try:
        kept = kept_checkpoint(keys)
    except VerificationError as error:
        damages.append(Damage(0, DamageKind.CHECKPOINT, f"{keys.directory}: its last checkpoint: {error}"))
        return []
    return [kept] if kept is not None else []


def continued(
    tree: Tree, entries: int, chain: tuple[SigningKey, ...], covered: int, earlier: Sequence[Checkpoint]
) -> Iterator[Damage]:
    """Whether the log goes on from the checkpoints that were kept elsewhere."""
    for checkpoint in earlier:
        unsigned = _signature_problem(checkpoint, chain)
        problem = _root_problem(checkpoint, tree, entries, covered if covered < checkpoint.size else 0)
        if unsigned:
            yield Damage(unsigned.seq, unsigned.kind, f"kept elsewhere: {unsigned.detail}")
        elif problem:
            kind = DamageKind.TILE if problem.kind is DamageKind.TILE else DamageKind.ROLLED_BACK
            yield Damage(problem.seq, kind, f"kept elsewhere: {problem.detail}")
