"""Where a serving process listens and whom it lets ask: as configured, or on sockets that systemd passed."""

import os
from collections.abc import Awaitable, Callable, Mapping
from socket import socket

from vaglio import config
from vaglio.config import Settings
from vaglio.errors import ConfigError
from vaglio.pbx.fastagi import FastAgiServer, Limits

FIRST, STANDBY = "fastagi", "standby"
"""What the sockets of each are called in the units (`FileDescriptorName=`)."""


async def listen(
    server: FastAgiServer, settings: Settings, passed: Mapping[str, socket], *, standby: bool
) -> socket | None:
    """Listen on the socket passed for this process, else on the configured address.

    Returns the first service's socket when the standby was given it too.

    Raises:
        ConfigError: when the address cannot be had, or a socket of another name was passed.
    """
    name = STANDBY if standby else FIRST
    unknown = passed.keys() - {name, FIRST}
    if unknown:
        raise ConfigError(f"socket activation: {min(unknown)!r} is not known here; name it {name}")
    if name in passed:
        await server.start(sock=passed[name])
    else:
        address = settings.standby.listen if standby else settings.fastagi.listen
        await _bind(server.start, address, f"{name}.listen")
    return passed.get(FIRST) if standby else None


async def listen_for_health(
    start: Callable[[str, int], Awaitable[object]], settings: Settings, *, standby: bool
) -> None:
    """Listen for who asks after this process.

    Raises:
        ConfigError: when the address cannot be had.
    """
    if standby:
        await _bind(start, settings.standby.health, "standby.health")
    else:
        await _bind(start, settings.health.listen, "health.listen")


def limits(settings: Settings) -> Limits:
    """What one server grants its peers."""
    return Limits(sessions=settings.fastagi.sessions, deadline_seconds=settings.fastagi.deadline_ms / 1000)


def secret(settings: Settings) -> str | None:
    """The shared secret.

    Raises:
        ConfigError: when it cannot be used, or is missing although peers off loopback may ask.
    """
    found = config.read_secret(settings, settings.fastagi.secret_file)
    if found is None and not all(network.is_loopback for network in settings.fastagi.peers):
        raise ConfigError("fastagi.peers: networks off loopback may ask, which needs fastagi.secret_file")
    return found


async def _bind(start: Callable[[str, int], Awaitable[object]], address: tuple[str, int], key: str) -> None:
    host, port = address
    try:
        await start(host, port)
    except OSError as error:
        raise ConfigError(
            f"{key}: cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}); "
            "stop what listens there, or configure another address"
        ) from error
