"""Free ports of loopback."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

from lab.errors import LabError

_PORTS = range(21_000, 32_000)
"""Below those that Linux gives to outgoing connections: none can take a port before its server binds it."""
_TRIES = 200


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now, over TCP or UDP; another one each time."""
    for port in random.sample(_PORTS, _TRIES):
        with suppress(OSError), socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port
    raise LabError(f"no free port among {_TRIES} of {_PORTS.start} to {_PORTS.stop - 1}")
