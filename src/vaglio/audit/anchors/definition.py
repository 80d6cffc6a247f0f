"""`[[anchor]]`: where checkpoints go, as configured; docs/operating.md describes every key."""

import os
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vaglio.audit.anchors.cosignature import WitnessKey
from vaglio.errors import ConfigError, VerificationError

MAX_ANCHORS: Final = 32
_MAX_SECRET: Final = 4096
_MAILBOX: Final = re.compile(r"[^\s@<>,;:\"\\]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,252}")


class AnchorKind(StrEnum):
    """How a checkpoint is handed over."""

    FILE = "file"
    HTTP = "http"
    MAIL = "mail"
    WITNESS = "witness"
    """c2sp.org/tlog-witness"""
    TIMESTAMP = "timestamp"
    """RFC 3161 over HTTP"""


_SCHEMES: Final[Mapping[AnchorKind, tuple[str, ...]]] = MappingProxyType(
    {
        AnchorKind.HTTP: ("https", "http"),
        AnchorKind.MAIL: ("smtp", "smtps"),
        AnchorKind.WITNESS: ("https", "http"),
        AnchorKind.TIMESTAMP: ("https", "http"),
    }
)
_OWN_KEYS: Final[Mapping[AnchorKind, tuple[str, ...]]] = MappingProxyType(
    {
        AnchorKind.FILE: (),
        AnchorKind.HTTP: ("secret_file",),
        AnchorKind.MAIL: ("secret_file", "username", "sender", "to"),
        AnchorKind.WITNESS: ("key",),
        AnchorKind.TIMESTAMP: ("certificates", "secret_file", "username"),
    }
)
"""Which of the keys not common to all each kind takes."""
_NEEDED: Final[Mapping[AnchorKind, tuple[str, ...]]] = MappingProxyType(
    {
        AnchorKind.FILE: (),
        AnchorKind.HTTP: (),
        AnchorKind.MAIL: ("sender", "to"),
        AnchorKind.WITNESS: ("key",),
        AnchorKind.TIMESTAMP: ("certificates",),
    }
)
_PACE: Final[Mapping[AnchorKind, float]] = MappingProxyType(
    {
        AnchorKind.FILE: 0.0,
        AnchorKind.HTTP: 0.0,
        AnchorKind.MAIL: 1440.0,
        AnchorKind.WITNESS: 0.0,
        AnchorKind.TIMESTAMP: 60.0,
    }
)
"""Minutes between two deliveries unless configured: a mail a day, a time stamp an hour, all checkpoints else."""


class Anchor(BaseModel):
    """One place outside; build it with `load_anchors`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    kind: AnchorKind
    url: str = Field(min_length=1, max_length=1000)
    every_minutes: float | None = Field(default=None, ge=0, le=10_080)
    timeout_seconds: float = Field(default=10.0, ge=0.1, le=60)
    """For each step of a conversation: connecting, and each answer."""
    username: str | None = Field(default=None, min_length=1, max_length=200)
    secret_file: Path | None = None
    """Bearer token (http), or password; else `VAGLIO_ANCHOR_<NAME>_SECRET` in the environment."""
    sender: str | None = None
    to: tuple[str, ...] = ()
    key: str | None = None
    """The witness's verifier key (c2sp.org/tlog-cosignature)."""
    certificates: Path | None = None
    """PEM: the time-stamp authority's root, and what stands between."""
    base: Path = Path()
    """Where relative paths begin; set by `load_anchors`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        own = _OWN_KEYS[self.kind]
        for key in ("secret_file", "username", "sender", "to", "key", "certificates"):
            given = bool(getattr(self, key))
            if given and key not in own:
                raise ValueError(f"{key} is nothing an anchor of kind {self.kind} has")
            if not given and key in _NEEDED[self.kind]:
                raise ValueError(f"{key} is missing, which an anchor of kind {self.kind} needs")
        if self.kind in _SCHEMES:
            self._check_url()
        for mailbox in (*self.to, *filter(None, [self.sender])):
            if not _MAILBOX.fullmatch(mailbox):
                raise ValueError("sender and to hold mail addresses such as auditor@example.org")
        if self.key is not None:
            try:
                WitnessKey.parse(self.key)
            except VerificationError as error:
                raise ValueError(str(error)) from error
        return self

    def _check_url(self) -> None:
        allowed = _SCHEMES[self.kind]
        try:
            parts = self.parts
            valid = parts.scheme in allowed and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(f"url: expected {' or '.join(f'{scheme}://HOST[:PORT]' for scheme in allowed)}…")
        if parts.password is not None or parts.username is not None:
            raise ValueError("url: holds a user or a password; use username and secret_file")
        secret = self.secret_file or os.environ.get(self.variable)
        if secret and parts.scheme == "http" and not self.loopback:
            raise ValueError("url: a secret is sent over https alone")

    @property
    def parts(self) -> SplitResult:
        """The address, taken apart."""
        return urlsplit(self.url)

    @property
    def loopback(self) -> bool:
        """Whether the address is this machine."""
        host = self.parts.hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def pace(self) -> float:
        """Seconds between two deliveries at the least."""
        return 60 * (_PACE[self.kind] if self.every_minutes is None else self.every_minutes)

    @property
    def variable(self) -> str:
        """The environment variable that may hold the secret."""
        return f"VAGLIO_ANCHOR_{self.name.upper().replace('-', '_')}_SECRET"

    def path(self, relative: Path) -> Path:
        """A configured path, from the configuration's own directory."""
        return self.base / relative

    def secret(self) -> str | None:
        """The secret; None where none is configured. Read anew each time, so that it can be changed.

        Raises:
            ConfigError: when its file cannot be read or holds none.
        """
        if self.secret_file is None:
            return os.environ.get(self.variable) or None
        path = self.path(self.secret_file)
        try:
            with path.open(encoding="utf-8") as file:
                secret = file.read(_MAX_SECRET).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: the secret of anchor {self.name} cannot be read; restore it") from error
        if not secret or not secret.isascii() or not secret.isprintable():
            raise ConfigError(f"{path}: expected the secret of anchor {self.name}, one line of printable ASCII")
        return secret


def load_anchors(configured: Iterable[Mapping[str, Any]], base: Path) -> tuple[Anchor, ...]:
    """The anchors of a configuration.

    Args:
        configured: the tables `[[anchor]]`.
        base: where relative paths in them begin.

    Raises:
        ConfigError: naming anchor and key.
    """
    made: list[Anchor] = []
    for place, table in enumerate(configured, 1):
        where = f"anchor.{table.get('name', place)}"
        if "base" in table:
            raise ConfigError(f"{where}.base: unknown key; docs/operating.md lists the known ones")
        try:
            anchor = Anchor.model_validate({**table, "base": base})
        except ValidationError as error:
            raise ConfigError(f"{where}{_told(error)}") from error
        if any(anchor.name == other.name for other in made):
            raise ConfigError(f"{where}: the name stands there twice; give each anchor its own")
        made.append(anchor)
    if len(made) > MAX_ANCHORS:
        raise ConfigError(f"anchor: {len(made)} of them, at most {MAX_ANCHORS}")
    return tuple(made)


def _told(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    key = "".join(f".{part}" for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; docs/operating.md lists the known ones"
    return f"{key}: {problem['msg'].removeprefix('Value error, ')}"
