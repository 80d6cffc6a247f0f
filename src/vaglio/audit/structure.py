"""Whether the file itself is as it was made: tables, indexes, triggers, and the tiles of the tree."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files

from vaglio.audit.damage import Damage, DamageKind
from vaglio.audit.merkle import HASH, fold, root
from vaglio.audit.tiles import WIDTH, MissingTile, Tile, fetcher, split, widths
from vaglio.audit.tree import tile_reader

_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
_TILES = "SELECT level, number, length(hashes) FROM tile WHERE level > 0 OR number > ?"


class Tree:
    """The tree as its tiles tell it."""

    def __init__(self, connection: sqlite3.Connection, size: int) -> None:
        self._connection = connection
        self._tile: Tile = tile_reader(connection)
        self._fetch = fetcher(self._tile)
        self.size = size

    def root(self, size: int) -> bytes | None:
        """The root over the first entries; None when tiles are missing."""
        try:
            return root(self._fetch, size) if size <= self.size else None
        except MissingTile:
            return None

    def damages(self) -> Iterator[Damage]:
        """Tiles missing, too many, of the wrong width, or (from level 2) not the hashes of those below."""
        stored = {
            (level, number): length // HASH if length % HASH == 0 else -1
            for level, number, length in self._connection.execute(_TILES, (max(0, (self.size - 1) // WIDTH),))
        }
        for level, number, width in widths(self.size):
            if level == 0:
                continue
            if stored.pop((level, number), None) != width:
                yield _tile_damage(level, number, f"tile {level}/{number} is missing, cut or too long")
            elif level > 1:
                for place, known in enumerate(split(self._tile(level, number))):
                    below = self._tile(level - 1, number * WIDTH + place)
                    if not below or fold(below) != known:
                        detail = f"tile {level}/{number} or {level - 1}/{number * WIDTH + place} was edited"
                        yield _tile_damage(level, number, detail)
                        break
        for level, number in sorted(stored):
            yield _tile_damage(level, number, f"tile {level}/{number} does not belong to a tree of {self.size}")


def _tile_damage(level: int, number: int, detail: str) -> Damage:
    return Damage(min(number * WIDTH ** (level + 1) + 1, 1 << 62), DamageKind.TILE, detail)


def schema_damages(connection: sqlite3.Connection) -> Iterator[Damage]:
    """Tables, indexes and triggers that are not those of the schema."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(files("vaglio.audit").joinpath("schema.sql").read_text(encoding="utf-8"))
        wanted = {row[1]: row for row in fresh.execute(_SCHEMA)}
    present = {row[1]: row for row in connection.execute(_SCHEMA)}
    for name in sorted(wanted.keys() | present.keys()):
        if wanted.get(name) != present.get(name):
            state = "is missing" if name not in present else "was changed" if name in wanted else "was added"
            kind = (wanted.get(name) or present[name])[0]
            yield Damage(0, DamageKind.SCHEMA, f"{kind} {name} {state}")


def reported_damages(connection: sqlite3.Connection, *, thorough: bool) -> Iterator[Damage]:
    """What SQLite finds in its own structure, when asked."""
    if thorough:
        for (line,) in connection.execute("PRAGMA integrity_check(20)").fetchall():
            if line != "ok":
                yield Damage(0, DamageKind.UNREADABLE, f"SQLite reports: {line}")
