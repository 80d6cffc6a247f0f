"""Tiles (c2sp.org/tlog-tiles): the tree kept as runs of up to 256 hashes, eight levels of it a tile.

Tile (L, N) holds at place i the root of the complete subtree (8 · L, 256 · N + i). Only full tiles have a hash
in the level above.
"""

from collections.abc import Callable, Iterable, Iterator

from vaglio.audit.merkle import HASH, Fetch, fold

WIDTH = 256
FULL = WIDTH * HASH
_HEIGHT = 8

Tile = Callable[[int, int], bytes]
"""Level and number → the hashes of a tile, one after another; empty when there is none."""


class MissingTile(LookupError):  # noqa: N818 - caught where the answer is known
    """A tile that the tree's size calls for is absent or too short."""

    def __init__(self, level: int, number: int) -> None:
        super().__init__(f"tile {level}/{number}")
        self.level = level
        self.number = number


def fetcher(tile: Tile) -> Fetch:
    """Complete subtrees of any height, from tiles. Raises MissingTile."""
    read: dict[tuple[int, int], bytes] = {}

    def fetch(height: int, index: int) -> bytes:
        level, within = divmod(height, _HEIGHT)
        number, place = divmod(index << within, WIDTH)
        if (level, number) not in read:
            read[level, number] = tile(level, number)
        hashes = read[level, number][place * HASH : (place + (1 << within)) * HASH]
        if len(hashes) < HASH << within:
            raise MissingTile(level, number)
        return fold(hashes)

    return fetch


def split(tile: bytes) -> list[bytes]:
    """The hashes of a tile."""
    return [tile[place : place + HASH] for place in range(0, len(tile), HASH)]


def widths(size: int) -> Iterator[tuple[int, int, int]]:
    """The tiles of a tree of that size: level, number, width; the last of each level may be partial."""
    level = 0
    while size:
        full, partial = divmod(size, WIDTH)
        for number in range(full):
            yield level, number, WIDTH
        if partial:
            yield level, full, partial
        size, level = full, level + 1


def grow(tile: Tile, size: int, leaves: Iterable[bytes]) -> dict[tuple[int, int], bytes]:
    """The tiles that change when leaf hashes are added to a tree of that size: level and number → hashes.

    Raises:
        MissingTile: when the tiles there are do not have the width that the size calls for.
    """
    changed: dict[tuple[int, int], bytearray] = {}
    added = list(leaves)
    level = 0
    while added:
        full: list[bytes] = []
        for leaf in added:
            number, place = divmod(size, WIDTH)
            if (level, number) not in changed:
                before = tile(level, number) if place else b""
                if len(before) != place * HASH:
                    raise MissingTile(level, number)
                changed[level, number] = bytearray(before)
            changed[level, number] += leaf
            size += 1
            if place == WIDTH - 1:
                full.append(fold(bytes(changed[level, number])))
        added, size, level = full, (size - len(added)) // WIDTH, level + 1
    return {key: bytes(hashes) for key, hashes in changed.items()}


def path(level: int, number: int, width: int) -> str:
    """Where a tile stands below a log's prefix: `tile/0/x001/234`, with `.p/112` behind it when partial."""
    return f"tile/{level}/{_number(number)}{'' if width == WIDTH else f'.p/{width}'}"


def entries_path(number: int, width: int) -> str:
    """Where a bundle of entries stands below a log's prefix."""
    return f"tile/entries/{_number(number)}{'' if width == WIDTH else f'.p/{width}'}"


def _number(number: int) -> str:
    made = f"{number % 1000:03}"
    while number >= 1000:  # noqa: PLR2004 - three digits a path element
        number //= 1000
        made = f"x{number % 1000:03}/{made}"
    return made
