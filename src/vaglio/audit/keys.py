"""The keys of the log: signing (Ed25519), search (HMAC-SHA256) and sealing (AES-256-GCM).

Files of one directory, mode 0600, outside audit.db and outside the backups of the data: who has the data alone
learns no number, and who has the data and a backup still cannot sign.
"""

import hashlib
import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vaglio.audit.entry import Subject
from vaglio.audit.note import Verifier
from vaglio.errors import ConfigError, VerificationError

SIGNING, SEARCH, SEALING, ORIGIN = "signing.pem", "search.key", "sealing.key", "origin"
NEXT = "signing.pem.next"
"""A new signing key on its way into the old one's place."""
PUBLIC = "signing.vkey"
"""Public: the verifier key of the checkpoints, to be handed to auditors."""

_NONCE = 12
_SECRET = re.compile(r"[0-9a-f]{64}\n?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{2,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys in use, loaded once; safe to share between threads.

    Attributes:
        directory: where they came from; the last checkpoint is kept there too.
        origin: the log's name on its checkpoints, which never changes.
        signing: signs checkpoints.
    """

    directory: Path
    origin: str
    signing: Ed25519PrivateKey = field(repr=False)
    _search: bytes = field(repr=False)
    _sealing_secret: bytes = field(repr=False)
    _sealing: AESGCM = field(repr=False)

    @classmethod
    def create(cls, directory: Path, origin: str | None = None) -> Self:
        """Make new keys in a new or empty directory.

        Args:
            directory: made with mode 0700 when it does not exist.
            origin: name of the log on its checkpoints, unique in the world; drawn at random when not given.

        Raises:
            ConfigError: when the directory holds something, cannot be written, or the origin is no name.
        """
        name = origin or f"vaglio.invalid/{secrets.token_hex(8)}"
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"origin {name!r}: expected letters, digits, dots, dashes and slashes, 3 to 128 of them"
            )
        signing = Ed25519PrivateKey.generate()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(directory.iterdir()):
                raise ConfigError(f"{directory}: not empty; new keys are made only where nothing is lost")
            write_private(directory / SIGNING, signing_pem(signing))
            for file in (SEARCH, SEALING):
                write_private(directory / file, f"{secrets.token_hex(32)}\n".encode("ascii"))
            write_private(directory / ORIGIN, f"{name}\n".encode("ascii"))
            write_private(directory / PUBLIC, f"{Verifier.of(name, signing).vkey}\n".encode("ascii"))
        except OSError as error:
            raise ConfigError(f"{directory}: keys cannot be written ({error.strerror})") from error
        return cls.load(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read the keys.

        Raises:
            ConfigError: when one is missing, unreadable, readable by others than its owner, or no key.
        """
        signing = load_signing(directory / SIGNING)
        origin = _read(directory / ORIGIN).decode("ascii", "replace").strip()
        if not _NAME.fullmatch(origin):
            raise ConfigError(f"{directory / ORIGIN}: holds no log name; restore the keys directory")
        search, sealing = _secret(_place(directory, SEARCH)), _secret(_place(directory, SEALING))
        return cls(directory, origin, signing, search, sealing, AESGCM(sealing))

    @property
    def verifier(self) -> Verifier:
        """The public half of the signing key, under the log's name."""
        return Verifier.of(self.origin, self.signing)

    @property
    def fingerprints(self) -> dict[str, str]:
        """What the first entry says of the secret keys, to notice wrong ones; reveals nothing of them."""
        return {"search": _fingerprint(self._search), "sealing": _fingerprint(self._sealing_secret)}

    def keep_next(self, key: Ed25519PrivateKey) -> None:
        """Keep a new signing key beside the old one until the log names it.

        Raises:
            ConfigError: when it cannot be written.
        """
        try:
            write_private(self.directory / NEXT, signing_pem(key))
        except OSError as error:
            raise ConfigError(f"{self.directory}: the new key cannot be written ({error.strerror})") from error

    def next_verifier(self) -> Verifier | None:
        """The public half of the key on its way in, if there is one.

        Raises:
            ConfigError: when it is no key.
        """
        path = self.directory / NEXT
        return Verifier.of(self.origin, load_signing(path)) if path.exists() else None

    def with_next(self) -> Self:
        """Put the new signing key in the old one's place, which is then gone.

        Raises:
            ConfigError: when it cannot be done.
        """
        try:
            (self.directory / NEXT).replace(self.directory / SIGNING)
            sync_directory(self.directory)
            made = self.load(self.directory)
            write_private(self.directory / PUBLIC, f"{made.verifier.vkey}\n".encode("ascii"))
        except OSError as error:
            raise ConfigError(
                f"{self.directory}: the new key cannot be put in place ({error.strerror})"
            ) from error
        return made

    def token(self, e164: str) -> bytes:
        """What a number is searched by: HMAC-SHA256 under the search key, 32 bytes."""
        return hmac.digest(self._search, e164.encode("ascii"), "sha256")

    def disguised(self, purpose: str, text: bytes) -> bytes:
        """What texts that may hold a number are compared by: HMAC-SHA256 under the search key, for one purpose."""
        return hmac.digest(self._search, purpose.encode("ascii") + b"\0" + text, "sha256")

    def seal(self, subject: Subject, entry: str) -> bytes:
        """The number encrypted for the side row of the entry with that id: nonce, ciphertext, tag."""
        nonce = os.urandom(_NONCE)
        return nonce + self._sealing.encrypt(nonce, subject.e164.encode("ascii"), entry.encode("ascii"))

    def unseal(self, sealed: bytes, entry: str) -> str:
        """The number behind the side row of the entry with that id.

        Raises:
            VerificationError: when the bytes were changed, moved from another entry, or sealed by another key.
        """
        try:
            clear = self._sealing.decrypt(sealed[:_NONCE], sealed[_NONCE:], entry.encode("ascii"))
        except (InvalidTag, ValueError) as error:
            raise VerificationError(
                f"entry {entry}: its sealed number does not open with this sealing key"
            ) from error
        return clear.decode("ascii")


def signing_pem(key: Ed25519PrivateKey) -> bytes:
    """The private key as PKCS#8 PEM, readable by `openssl pkey`."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_signing(path: Path) -> Ed25519PrivateKey:
    """The signing key in a PEM file.

    Raises:
        ConfigError: when it is missing, unreadable, too open, or no Ed25519 key.
    """
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}: no unencrypted PEM private key; restore it") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: not an Ed25519 key; restore the one made by `vaglio init`")
    return key


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 that is whole or not there at all, and durable.

    Raises:
        OSError: when it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make a rename in the directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(4096)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: missing; restore the keys directory, or run `vaglio init` for a new log"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); it must belong to the service's user"
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{path}: others than its owner may read it; run `chmod 600 {path}`")
    return content


def _place(directory: Path, name: str) -> Path:
    """Where a key that never changes is: among systemd's credentials (systemd.exec(5)), else in the directory."""
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(given, name) if given else None
    return credential if credential is not None and credential.is_file() else directory / name


def _secret(path: Path) -> bytes:
    text = _read(path).decode("ascii", "replace")
    if not _SECRET.fullmatch(text):
        raise ConfigError(f"{path}: expected 64 hexadecimal digits; restore it")
    return bytes.fromhex(text.strip())


def _fingerprint(secret: bytes) -> str:
    return hashlib.sha256(b"vaglio key fingerprint\0" + secret).hexdigest()[:16]
