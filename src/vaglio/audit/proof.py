"""Proofs of one entry (c2sp.org/tlog-proof), checked with nothing but the public key.

The `extra` line holds the entry itself, base64 of its canonical bytes. It is not signed, and need not be: only the
true entry hashes to the leaf that the proof leads up from.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from vaglio.audit.canonical import MAX_BODY, leaf_hash
from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.merkle import HASH, inclusion_proof, root_from_inclusion
from vaglio.audit.note import Verifier
from vaglio.audit.store import explained, open_reading
from vaglio.audit.tiles import MissingTile, fetcher
from vaglio.audit.tree import signing_keys, tile_reader
from vaglio.errors import NotFoundError, VerificationError

SUFFIX = ".tlog-proof"
_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
_MAX_HASHES = 63
_MAX_PROOF = 4 * MAX_BODY
_ENTRY = "SELECT seq, body FROM entry WHERE id = ?"
_COVERING = "SELECT note FROM checkpoint WHERE size >= ? ORDER BY size LIMIT 1"
_NEWEST = "SELECT note FROM checkpoint WHERE size >= ? ORDER BY size DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry stands at its place in the log.

    Attributes:
        index: its place, from 0; one less than its sequence number.
        body: its canonical bytes.
        hashes: RFC 6962's audit path, from the leaf up.
        checkpoint: the tree it stands in.
    """

    index: int
    body: bytes = field(repr=False)
    hashes: tuple[bytes, ...] = field(repr=False)
    checkpoint: Checkpoint

    @property
    def record(self) -> dict[str, Any]:
        """The entry, read."""
        return orjson.loads(self.body)  # type: ignore[no-any-return]

    @property
    def raw(self) -> bytes:
        """The file's bytes."""
        lines = [_HEADER, f"extra {_base64(self.body)}", f"index {self.index}", *map(_base64, self.hashes), "", ""]
        return "\n".join(lines).encode("ascii") + self.checkpoint.raw

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a proof.

        Raises:
            VerificationError: when it is not formed as the specification asks, or holds no entry.
        """
        head, blank, checkpoint = raw[:_MAX_PROOF].partition(b"\n\n")
        lines = head.decode("ascii", "replace").split("\n")
        if not blank or lines[0] != _HEADER:
            raise VerificationError(f"proof: expected a file that begins with {_HEADER}")
        extra, index, *hashes = lines[1:] if len(lines) > 2 else ("", "")  # noqa: PLR2004 - header, extra, index
        found = _INDEX.fullmatch(index)
        if not extra.startswith("extra ") or found is None or len(hashes) > _MAX_HASHES:
            raise VerificationError("proof: expected an `extra` line with the entry, an `index` line and hashes")
        body = _bytes(extra.removeprefix("extra "), None)
        return cls(int(found[1]), body, tuple(_bytes(line, HASH) for line in hashes), Checkpoint.parse(checkpoint))

    def verify(self, trusted: Sequence[Verifier]) -> None:
        """Check the checkpoint's signature and the way from the entry to its root.

        Raises:
            VerificationError: when it proves nothing; the message says why.
        """
        self.checkpoint.verified_by(*trusted)
        reached = root_from_inclusion(leaf_hash(self.body), self.index, self.checkpoint.size, self.hashes)
        if reached != self.checkpoint.root:
            raise VerificationError(f"proof: the entry is not number {self.index + 1} of the log that was signed")


def prove(path: Path, entry: str, *, newest: bool = False) -> Proof:
    """The proof of the entry with that id, under the first checkpoint that covers it, or under the newest.

    Checkpoints of a key that was since replaced are passed over: the first one after a change is signed by both
    keys, so that the proof holds for whoever has either.

    Raises:
        NotFoundError: when there is no such entry, or no checkpoint covers it yet.
        VerificationError: when the tree lacks a part that the proof needs.
        StoreError: when the log cannot be read.
    """
    with closing(open_reading(path)) as connection, explained(path):
        connection.execute("BEGIN")
        row = connection.execute(_ENTRY, (entry.upper(),)).fetchone()
        if row is None:
            raise NotFoundError(f"no entry {entry[:40]!r} in {path}; `vaglio audit tail` lists the last ones")
        seq, body = row
        since = signing_keys(connection)[-1].since
        note = connection.execute(_NEWEST if newest else _COVERING, (max(seq, since),)).fetchone()
        if note is None:
            raise NotFoundError(f"entry {entry} is not covered by a checkpoint yet; run `vaglio audit checkpoint`")
        checkpoint = Checkpoint.parse(note[0])
        try:
            hashes = inclusion_proof(fetcher(tile_reader(connection)), seq - 1, checkpoint.size)
        except MissingTile as error:
            raise VerificationError(f"{path}: {error} is missing; run `vaglio audit verify`") from error
        return Proof(seq - 1, bytes(body), tuple(hashes), checkpoint)


def verify_proof(raw: bytes, *trusted: Verifier) -> Proof:
    """Check the bytes of a `.tlog-proof` file with the public key alone; what it proves.

    Raises:
        VerificationError: when it proves nothing.
    """
    proof = Proof.parse(raw)
    proof.verify(trusted)
    return proof


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def _bytes(text: str, length: int | None) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raw = b""
    if not raw or (length is not None and len(raw) != length):
        raise VerificationError("proof: a line is not base64 of what belongs there")
    return raw
