"""Signed notes (c2sp.org/signed-note): a text, a blank line, and signatures by named keys.

Ed25519 only (signature type 0x01). A verifier key, the auditors' form of a public key, is one line:
`<name>+<key id, 8 hexadecimal digits>+<base64 of 0x01 || public key>`.
"""

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vaglio.errors import VerificationError

MAX_NOTE = 1_000_000
"""Bytes of a note that is looked at; the specification's own bound."""
MAX_SIGNATURES = 100

_ED25519 = b"\x01"
_DASH = "\u2014 "
_KEY_ID, _KEY = 4, 32


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name."""

    name: str
    public: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, key: Ed25519PrivateKey) -> Self:
        """The verifier of a signing key."""
        return cls(name, key.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a verifier key line.

        Raises:
            VerificationError: when it is none, or its key id is not that of its key.
        """
        return cls(*named_key(vkey, _ED25519, "verifier key"))

    @property
    def key_id(self) -> bytes:
        """SHA-256(name, newline, 0x01, public key), the first four bytes."""
        return key_id(self.name, _ED25519, self.public)

    @property
    def vkey(self) -> str:
        """The one line auditors are given."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(_ED25519 + self.public).decode('ascii')}"

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True


def key_id(name: str, kind: bytes, public: bytes) -> bytes:
    """SHA-256(name, newline, signature type, public key), the first four bytes."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:_KEY_ID]


def named_key(line: str, kind: bytes, what: str) -> tuple[str, bytes]:
    """Name and public key of a verifier key line of one signature type.

    Raises:
        VerificationError: when it is none, or its key id is not that of its key; it names `what` was read.
    """
    name, _, rest = line.strip().partition("+")
    told, _, key = rest.partition("+")
    try:
        raw = b64decode(key, validate=True)
    except (Base64Error, ValueError):
        raw = b""
    if not usable_name(name) or len(raw) != _KEY + 1 or raw[:1] != kind:
        raise VerificationError(
            f"{what}: expected NAME+KEYID+BASE64 of an Ed25519 key of type 0x{kind.hex()}, one line"
        )
    if key_id(name, kind, raw[1:]).hex() != told:
        raise VerificationError(f"{what} {name}: its key id {told!r} is not that of its key")
    return name, raw[1:]


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who says they signed, the key id, the bytes."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """As it stands in the note, newline included."""
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.signature).decode('ascii')}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signatures, not yet verified."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a note.

        Raises:
            VerificationError: when it is not formed as the specification asks.
        """
        if len(raw) > MAX_NOTE:
            raise VerificationError(f"signed note: {len(raw)} bytes, at most {MAX_NOTE} are read")
        try:
            whole = raw.decode()
        except UnicodeDecodeError as error:
            raise VerificationError("signed note: not UTF-8") from error
        if any(mark < " " and mark != "\n" for mark in whole):
            raise VerificationError("signed note: holds a control character")
        head, blank, tail = whole.rpartition("\n\n")
        if not blank or not tail.endswith("\n"):
            raise VerificationError("signed note: no blank line before its signatures, or no newline at its end")
        lines = tail[:-1].split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise VerificationError(f"signed note: {len(lines)} signatures, at most {MAX_SIGNATURES} are read")
        return cls(head + "\n", tuple(_signature(line) for line in lines))

    @property
    def raw(self) -> bytes:
        """The note's bytes."""
        return f"{self.text}\n{''.join(signature.line for signature in self.signatures)}".encode()

    def verified_by(self, verifiers: Sequence[Verifier]) -> tuple[Verifier, ...]:
        """Which of the verifiers signed it.

        Raises:
            VerificationError: when none did, or a signature that names one of them is not that key's.
        """
        found = []
        text = self.text.encode()
        for signature in self.signatures:
            for verifier in verifiers:
                if (verifier.name, verifier.key_id) == (signature.name, signature.key_id):
                    if not verifier.verifies(text, signature.signature):
                        raise VerificationError(f"signed note: the signature of {verifier.name} does not verify")
                    found.append(verifier)
        if not found:
            raise VerificationError(f"signed note: not signed by {' or '.join(known.name for known in verifiers)}")
        return tuple(found)


def usable_name(name: str) -> bool:
    """Whether a key may have the name: not empty, no blank, no plus."""
    return bool(name) and "+" not in name and not any(mark.isspace() for mark in name)


def sign(text: str, name: str, *keys: Ed25519PrivateKey) -> Note:
    """The text signed by each of the keys under one name; `text` must end in a newline."""
    raw = text.encode()
    made = tuple(Signature(name, Verifier.of(name, key).key_id, key.sign(raw)) for key in keys)
    return Note(text, made)


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        raw = b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        raw = b""
    if not line.startswith(_DASH) or not usable_name(name) or len(raw) <= _KEY_ID:
        raise VerificationError("signed note: a signature line is not `— NAME BASE64`")
    return Signature(name, raw[:_KEY_ID], raw[_KEY_ID:])
