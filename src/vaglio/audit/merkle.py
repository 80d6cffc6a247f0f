"""The Merkle tree of RFC 6962 section 2.1 as pure functions over a way to fetch complete subtrees.

A complete subtree is named by its height and its index: (0, i) is leaf i, (h, i) covers leaves
[i · 2^h, (i + 1) · 2^h). Every root and proof is put together from such subtrees.
"""

import hashlib
from collections.abc import Callable, Sequence

Fetch = Callable[[int, int], bytes]
"""Height and index of a complete subtree → its hash."""

HASH = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

_PAIR = 2 * HASH


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """The root over one to many neighbouring subtrees of the same height, the first of them well placed.

    `hashes` are theirs, one after another. What is no whole number of hashes has a root too, that of no tree.
    """
    level = hashes
    while len(level) > HASH:
        pairs = range(0, len(level) - HASH, _PAIR)
        nodes = b"".join([hashlib.sha256(b"\1" + level[at : at + _PAIR]).digest() for at in pairs])
        level = nodes + level[len(pairs) * _PAIR :]
    return level


def root(fetch: Fetch, size: int) -> bytes:
    """The root of the tree over the first `size` leaves."""
    return subtree(fetch, 0, size) if size else EMPTY_ROOT


def subtree(fetch: Fetch, start: int, end: int) -> bytes:
    """MTH(D[start:end]) where start is a multiple of the largest power of two below the width."""
    parts = []
    while start < end:
        height = (end - start).bit_length() - 1
        parts.append(fetch(height, start >> height))
        start += 1 << height
    made = parts[-1]
    for part in reversed(parts[:-1]):
        made = node_hash(part, made)
    return made


def inclusion_proof(fetch: Fetch, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]): the siblings from the leaf up (section 2.1.1)."""
    proof = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(subtree(fetch, middle, end))
            end = middle
        else:
            proof.append(subtree(fetch, start, middle))
            start = middle
    return proof[::-1]


def consistency_proof(fetch: Fetch, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]): that the first `old` leaves of `new` are the older tree (section 2.1.2)."""
    if not 0 < old < new:
        return []
    proof = []
    start, end, whole = 0, new, True
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(subtree(fetch, middle, end))
            end = middle
        else:
            proof.append(subtree(fetch, start, middle))
            start, whole = middle, False
    if not whole:
        proof.append(subtree(fetch, start, end))
    return proof[::-1]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that the proof leads to; None when it has not the length or the place such a proof has."""
    if not 0 <= index < size:
        return None
    made, last = leaf, size - 1
    for sibling in proof:
        if last == 0:
            return None
        if index % 2 or index == last:
            made = node_hash(sibling, made)
            while index % 2 == 0 and index:
                index, last = index >> 1, last >> 1
        else:
            made = node_hash(made, sibling)
        index, last = index >> 1, last >> 1
    return made if last == 0 else None


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the tree of `old` leaves is the beginning of the tree of `new`."""
    if old == new:
        return old_root == new_root and not proof
    if old == 0:
        return old_root == EMPTY_ROOT and not proof
    if not 0 < old < new or not proof:
        return False
    path = [*([old_root] if old & (old - 1) == 0 else []), *proof]
    return _roots_from_consistency(old, new, path) == (old_root, new_root)


def _roots_from_consistency(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The two roots that a consistency proof leads to (RFC 9162 section 2.1.4.2)."""
    first, last = old - 1, new - 1
    while first % 2:
        first, last = first >> 1, last >> 1
    made_old = made_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if first % 2 or first == last:
            made_old, made_new = node_hash(sibling, made_old), node_hash(sibling, made_new)
            while first % 2 == 0 and first:
                first, last = first >> 1, last >> 1
        else:
            made_new = node_hash(made_new, sibling)
        first, last = first >> 1, last >> 1
    return (made_old, made_new) if last == 0 else None


def _split(width: int) -> int:
    """The largest power of two smaller than the width."""
    return 1 << ((width - 1).bit_length() - 1)
