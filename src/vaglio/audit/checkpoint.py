"""Checkpoints (c2sp.org/tlog-checkpoint): origin, size and root of the tree, signed.

A checkpoint holds no time: the heartbeat entries do.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vaglio.audit.merkle import HASH
from vaglio.audit.note import Note, Verifier, sign
from vaglio.errors import VerificationError

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint as read; whether it is signed by whom it should is asked of `note`.

    Attributes:
        size: how many entries it covers.
        root: the tree's root over them.
        note: the signed bytes.
    """

    origin: str
    size: int
    root: bytes
    note: Note = field(repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a checkpoint.

        Raises:
            VerificationError: when it is not formed as the specification asks.
        """
        note = Note.parse(raw)
        lines = note.text[:-1].split("\n")
        if len(lines) < _LINES or not all(lines) or not _SIZE.fullmatch(lines[1]):
            raise VerificationError("checkpoint: expected origin, size and root on a line each")
        try:
            root = b64decode(lines[2], validate=True)
        except (Base64Error, ValueError):
            root = b""
        if len(root) != HASH or b64encode(root).decode("ascii") != lines[2]:
            raise VerificationError("checkpoint: its root is not the base64 of 32 bytes")
        return cls(lines[0], int(lines[1]), root, note)

    @property
    def raw(self) -> bytes:
        """The bytes as signed, signatures included."""
        return self.note.raw

    def verified_by(self, *verifiers: Verifier) -> tuple[Verifier, ...]:
        """Which of the verifiers signed it.

        Raises:
            VerificationError: when none did, a signature is wrong, or the origin is another log's.
        """
        if self.origin not in {verifier.name for verifier in verifiers}:
            raise VerificationError(f"checkpoint of {self.origin!r}: another log than the key's")
        return self.note.verified_by(verifiers)


def signed_checkpoint(origin: str, size: int, root: bytes, *keys: Ed25519PrivateKey) -> Checkpoint:
    """Sign the root of a tree under the log's name."""
    text = f"{origin}\n{size}\n{b64encode(root).decode('ascii')}\n"
    return Checkpoint(origin, size, root, sign(text, origin, *keys))
