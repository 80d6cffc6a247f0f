"""A second verifier of logs and exports, on hashlib and cryptography alone: what an auditor might write.

It shares no code with Vaglio and is written from the specifications and docs/auditing.md.
"""

import base64
import hashlib
import json
import pathlib
import sqlite3

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Wrong(Exception):  # noqa: N818
    """What was checked is not what it claims to be."""


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH over leaf hashes, level by level: an unpaired node moves up as it is."""
    if not leaves:
        return sha(b"")
    while len(leaves) > 1:
        pairs = [leaves[i : i + 2] for i in range(0, len(leaves), 2)]
        leaves = [sha(b"\x01" + pair[0] + pair[1]) if len(pair) == 2 else pair[0] for pair in pairs]
    return leaves[0]


def open_note(note: bytes, vkeys: list[str]) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint signed by one of the keys."""
    text, _, signatures = note.decode().rpartition("\n\n")
    text += "\n"
    for vkey in vkeys:
        name, _, rest = vkey.partition("+")
        key_id, _, encoded = rest.partition("+")
        public = base64.b64decode(encoded)
        if public[0] != 1 or sha(name.encode() + b"\n" + public)[:4].hex() != key_id:
            raise Wrong("key")
        for line in signatures.splitlines():
            dash, signer, blob = line.split(" ")
            raw = base64.b64decode(blob)
            if dash == "\u2014" and signer == name and raw[:4].hex() == key_id:
                try:
                    Ed25519PublicKey.from_public_bytes(public[1:]).verify(raw[4:], text.encode())
                except InvalidSignature:
                    raise Wrong("signature") from None
                origin, size, root = text.splitlines()[:3]
                return origin, int(size), base64.b64decode(root)
    raise Wrong("no signature by a known key")


def canonical(entry: object) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_database(path: pathlib.Path, vkeys: list[str]) -> int:
    """Every checkpoint of audit.db against the rows; how many entries the last one covers."""
    connection = sqlite3.connect(path)
    bodies = [row[0] for row in connection.execute("SELECT body FROM entry ORDER BY seq")]
    notes = connection.execute("SELECT size, note FROM checkpoint ORDER BY size").fetchall()
    connection.close()
    for body in bodies:
        if canonical(json.loads(body)) != body:
            raise Wrong("body not canonical")
    leaves = [sha(b"\x00" + body) for body in bodies]
    covered = 0
    for size, note in notes:
        _, signed, root = open_note(note, vkeys)
        if signed != size or signed > len(leaves) or tree_hash(leaves[:signed]) != root:
            raise Wrong(f"checkpoint {size}")
        covered = signed
    return covered


def check_proof(raw: bytes, vkeys: list[str]) -> dict[str, object]:
    """A .tlog-proof file with its record; the record."""
    head, _, note = raw.partition(b"\n\n")
    lines = head.decode().split("\n")
    if lines[0] != "c2sp.org/tlog-proof@v1":
        raise Wrong("header")
    body = base64.b64decode(lines[1].removeprefix("extra "))
    index = int(lines[2].removeprefix("index "))
    path = [base64.b64decode(line) for line in lines[3:]]
    _, size, root = open_note(note, vkeys)
    if climb(sha(b"\x00" + body), index, size, path) != root:
        raise Wrong("path")
    record: dict[str, object] = json.loads(body)
    return record


def climb(node: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 6962 section 2.1.1 read backwards, by recursion on the tree."""
    if size == 1:
        if path:
            raise Wrong("path too long")
        return node
    if not path:
        raise Wrong("path too short")
    half = 1
    while half * 2 < size:
        half *= 2
    if index < half:
        return sha(b"\x01" + climb(node, index, half, path[:-1]) + path[-1])
    return sha(b"\x01" + path[-1] + climb(node, index - half, size - half, path[:-1]))


def check_bundle(directory: pathlib.Path, trusted: str) -> int:
    """An export by its README; how many records were checked."""
    vkeys = (directory / "log.vkey").read_text().split()
    if trusted not in vkeys:
        raise Wrong("another log")
    _, size, root = open_note((directory / "checkpoint").read_bytes(), vkeys)
    if tile_root(directory, size) != root:
        raise Wrong("tiles")
    checked = 0
    for line in (directory / "records.jsonl").read_text().splitlines():
        record = json.loads(line)
        leaf = sha(b"\x00" + canonical(record["entry"]))
        index = record["index"]
        tile = read_tile(directory, 0, index // 256, size)
        if tile[index % 256] != leaf:
            raise Wrong(f"record {index}")
        if len(tile) == 256 and read_tile(directory, 1, index // 256 // 256, size)[
            index // 256 % 256
        ] != tree_hash(tile):
            raise Wrong(f"tile of record {index}")
        checked += 1
    return checked


def read_tile(directory: pathlib.Path, level: int, number: int, size: int) -> list[bytes]:
    width = min(size // 256**level - number * 256, 256)
    name = f"{number % 1000:03}"
    rest = number // 1000
    while rest:
        name, rest = f"x{rest % 1000:03}/{name}", rest // 1000
    raw = (directory / f"tile/{level}" / (name if width == 256 else f"{name}.p/{width}")).read_bytes()
    return [raw[i : i + 32] for i in range(0, len(raw), 32)]


def tile_root(directory: pathlib.Path, size: int) -> bytes:
    """The root from the last, partial tile of every level, the lowest last."""
    tops: list[bytes] = []
    level = 0
    while size >> (8 * level):
        count = size >> (8 * level)
        if count % 256:
            hashes = read_tile(directory, level, count // 256, size)
            parts, place = [], 0
            for bit in reversed(range(8)):
                if count % 256 >> bit & 1:
                    parts.append(tree_hash(hashes[place : place + (1 << bit)]))
                    place += 1 << bit
            tops = parts + tops
        level += 1
    made = tops[-1]
    for part in reversed(tops[:-1]):
        made = sha(b"\x01" + part + made)
    return made
