"""Cosignatures (c2sp.org/tlog-cosignature), Ed25519: a witness saw the checkpoint, and it continues the last."""

from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.note import MAX_SIGNATURES, Note, Signature, key_id, named_key
from vaglio.errors import VerificationError

_TYPE: Final = b"\x04"
_TIME: Final = 8
_SIGNATURE: Final = 64


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's public key under its name."""

    name: str
    public: bytes = field(repr=False)

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a verifier key line of signature type 0x04.

        Raises:
            VerificationError: when it is none, or its key id is not that of its key.
        """
        return cls(*named_key(vkey, _TYPE, "witness key"))

    @property
    def key_id(self) -> bytes:
        """SHA-256(name, newline, 0x04, public key), the first four bytes."""
        return key_id(self.name, _TYPE, self.public)


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint with a witness's cosignature."""

    note: Note
    at: int
    """Seconds since 1970, as the witness says."""


def cosigned(checkpoint: Checkpoint, answer: bytes, key: WitnessKey) -> Cosigned:
    """The checkpoint with the witness's signature out of its answer; lines of other keys are ignored.

    Raises:
        VerificationError: when the answer is not formed as it must be, or holds no valid cosignature of the key.
    """
    lines = Note.parse(checkpoint.note.text.encode() + b"\n" + answer).signatures
    for signature in lines[:MAX_SIGNATURES]:
        if (signature.name, signature.key_id) == (key.name, key.key_id):
            at = _time(checkpoint, signature, key)
            return Cosigned(Note(checkpoint.note.text, (*checkpoint.note.signatures, signature)), at)
    raise VerificationError(f"witness {key.name}: its answer holds no signature by its configured key")


def cosigned_message(text: str, at: int) -> bytes:
    """What a witness signs of a checkpoint's text."""
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _time(checkpoint: Checkpoint, signature: Signature, key: WitnessKey) -> int:
    raw = signature.signature
    if len(raw) != _TIME + _SIGNATURE:
        raise VerificationError(f"witness {key.name}: its signature is not a time and an Ed25519 signature")
    at = int.from_bytes(raw[:_TIME])
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(
            raw[_TIME:], cosigned_message(checkpoint.note.text, at)
        )
    except InvalidSignature as error:
        raise VerificationError(f"witness {key.name}: its signature does not verify") from error
    return at
