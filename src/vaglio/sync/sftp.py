"""SFTP as a source uses it: the server proves who it is, and only what the source names opens the door.

Neither the agent nor the keys of whoever runs Vaglio are offered: they are not the source's.
"""

import io
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import paramiko

from vaglio.errors import ConfigError, InputError

_CONNECT_SECONDS: Final = 20.0
_SILENCE_SECONDS: Final = 60.0
_KEYS: Final = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)

# Its background thread logs failures with a traceback, which would go to the terminal when nobody listens; the
# same failure reaches the caller as an error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class _ProvenHost(paramiko.MissingHostKeyPolicy):
    """Accepts the one host key that the source expects: RFC 4251, section 4.1."""

    def __init__(self, source: str, expected: str | None) -> None:
        self._source = source
        self._expected = expected

    def missing_host_key(self, _client: object, hostname: str, key: paramiko.PKey) -> None:
        """Raise InputError unless the key is the expected one; nothing secret has been sent by then."""
        told = str(key.fingerprint)
        if self._expected is None:
            raise InputError(
                f"source {self._source}: {hostname} has the host key {told}; if its operator confirms it, "
                f'set options.host_key = "{told}"'
            )
        if self._expected.rstrip("=") != told:
            raise InputError(
                f"source {self._source}: {hostname} has the host key {told}, expected {self._expected}; "
                "ask its operator before you trust it: somebody may stand between"
            )


def connection(source: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the filesystem connects with, from the source's options and secrets.

    `host_key` is the server's fingerprint, as `ssh-keygen -lf` prints it; `private_key` a key's text, with its
    `passphrase` if it has one. Raises ConfigError for a key that cannot be read.
    """
    given = dict(options)
    expected = given.pop("host_key", None)
    given.setdefault("host_key_policy", _ProvenHost(source, expected))
    text = given.pop("private_key", None)
    if text is not None:
        given["pkey"] = _key(source, str(text), given.pop("passphrase", None))
    return {
        "timeout": _CONNECT_SECONDS,
        "banner_timeout": _CONNECT_SECONDS,
        "auth_timeout": _CONNECT_SECONDS,
        "channel_timeout": _CONNECT_SECONDS,
        "allow_agent": False,
        "look_for_keys": False,
        **given,
    }


def bound(filesystem: Any) -> None:  # noqa: ANN401 - fsspec ships no types
    """From now on a server that says nothing for a minute is an error, not a wait without end."""
    filesystem.ftp.get_channel().settimeout(_SILENCE_SECONDS)


def _key(source: str, text: str, passphrase: str | None) -> paramiko.PKey:
    for kind in _KEYS:
        with suppress(paramiko.SSHException, ValueError, IndexError):
            return kind.from_private_key(io.StringIO(f"{text}\n"), passphrase)
    raise ConfigError(
        f"source {source}: private_key: expected the text of an Ed25519, ECDSA or RSA key, "
        "with its passphrase as another secret if it has one"
    )
