"""RFC 6962's tree, its proofs, and the tiles it is kept in."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaglio.audit.canonical import leaf_hash
from vaglio.audit.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    consistent,
    fold,
    inclusion_proof,
    root,
    root_from_inclusion,
)
from vaglio.audit.tiles import FULL, MissingTile, Tile, entries_path, fetcher, grow, path, widths

REFERENCE_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
REFERENCE_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The test data of the Certificate Transparency reference implementation."""


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, written as it stands there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + mth(leaves[:split]) + mth(leaves[split:])).digest()


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=300))
def test_a_tile_of_any_length_has_a_root(tile: bytes) -> None:
    """A tile that was cut within a hash ends no verification half way; what is whole has the tree's root."""
    made = fold(tile)
    hashes = [tile[at : at + 32] for at in range(0, len(tile), 32)]
    while len(hashes) > 1:
        hashes = [
            hashlib.sha256(b"\1" + b"".join(hashes[at : at + 2])).digest() if at + 1 < len(hashes) else hashes[at]
            for at in range(0, len(hashes), 2)
        ]
    assert made == hashes[0]


def tiles_of(leaves: list[bytes], *steps: int) -> Tile:
    """Tiles grown in steps that end at the given sizes and then at the end."""
    kept: dict[tuple[int, int], bytes] = {}

    def read(level: int, number: int) -> bytes:
        return kept.get((level, number), b"")

    for start, end in pairwise([0, *sorted(set(steps)), len(leaves)]):
        kept.update(grow(read, start, [leaf_hash(leaf) for leaf in leaves[start:end]]))
    return read


def numbered(count: int) -> list[bytes]:
    return [f"leaf {index}".encode() for index in range(count)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference_implementation(size: int) -> None:
    """Eight leaves, eight roots."""
    assert root(fetcher(tiles_of(REFERENCE_LEAVES)), size).hex() == REFERENCE_ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    """SHA-256 of no bytes."""
    assert root(fetcher(tiles_of([])), 0) == EMPTY_ROOT == mth([])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 1200), st.data())
def test_roots_and_proofs_hold_at_any_size(size: int, data: st.DataObject) -> None:
    """However the tree grew: its root, the inclusion of any leaf, consistency with any earlier size."""
    leaves = numbered(size)
    steps = data.draw(st.lists(st.integers(0, size), max_size=4))
    fetch = fetcher(tiles_of(leaves, *steps))
    whole = mth(leaves)
    assert root(fetch, size) == whole
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(fetch, index, size)
    assert root_from_inclusion(leaf_hash(leaves[index]), index, size, proof) == whole
    old = data.draw(st.integers(0, size))
    shown = consistency_proof(fetch, old, size)
    assert consistent(old, mth(leaves[:old]), size, whole, shown)
    if old < size:
        assert not consistent(old, mth([*leaves[: max(old - 1, 0)], b"other"]), size, whole, shown)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.data())
def test_a_wrong_proof_proves_nothing(size: int, data: st.DataObject) -> None:
    """Another leaf, place, size or hash, a hash too many or too few: the root is not reached."""
    leaves = numbered(size)
    fetch = fetcher(tiles_of(leaves))
    whole = root(fetch, size)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(fetch, index, size)
    leaf = leaf_hash(leaves[index])
    assert root_from_inclusion(leaf_hash(b"other"), index, size, proof) != whole
    assert root_from_inclusion(leaf, index, size, [*proof, leaf]) != whole
    assert root_from_inclusion(leaf, size, size, proof) is None
    assert root_from_inclusion(leaf, -1, size, proof) is None
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        changed = [bytes(32) if at == place else sibling for at, sibling in enumerate(proof)]
        assert root_from_inclusion(leaf, index, size, changed) != whole
        assert root_from_inclusion(leaf, index, size, proof[:-1]) != whole
        other = data.draw(st.integers(0, size - 1).filter(lambda place: place != index))
        assert root_from_inclusion(leaf, other, size, proof) != whole


def test_a_tree_of_70000_has_the_tiles_the_specification_lists() -> None:
    """273 full tiles at level 0 and one of 112, one full at level 1 and one of 17, one of width 1 at level 2."""
    found = list(widths(70_000))
    assert sum(level == 0 and width == 256 for level, _, width in found) == 273
    assert [tile for tile in found if tile[2] < 256] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert [(level, number) for level, number, width in found if level == 1 and width == 256] == [(1, 0)]


def test_a_tree_of_256_has_a_full_tile_and_one_of_width_one() -> None:
    """Only a full tile is hashed into the level above."""
    assert list(widths(256)) == [(0, 0, 256), (1, 0, 1)]
    read = tiles_of(numbered(256))
    assert (len(read(0, 0)), len(read(1, 0))) == (FULL, 32)


def test_tile_paths_are_those_of_the_specification() -> None:
    """Three digits an element, `x` before all but the last, the width of a partial tile behind."""
    assert path(0, 1_234_067, 256) == "tile/0/x001/x234/067"
    assert path(2, 5, 112) == "tile/2/005.p/112"
    assert entries_path(1_234_067, 1) == "tile/entries/x001/x234/067.p/1"


def test_a_missing_or_short_tile_is_named() -> None:
    """Neither a root nor growth goes on without it."""
    read = tiles_of(numbered(600))

    def cut(level: int, number: int) -> bytes:
        return b"" if (level, number) == (0, 1) else read(level, number)

    with pytest.raises(MissingTile, match="0/1"):
        inclusion_proof(fetcher(cut), 300, 600)
    with pytest.raises(MissingTile, match="0/1"):
        grow(cut, 300, [bytes(32)])
