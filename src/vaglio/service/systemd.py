"""What systemd and a service tell each other: sd_notify(3) and sd_listen_fds(3), without its library."""

import contextlib
import os
import socket
from collections.abc import Mapping, MutableMapping
from typing import Final

from vaglio.errors import ConfigError

_FIRST_DESCRIPTOR: Final = 3
_MOST: Final = 64


def notify(state: str) -> None:
    """Tell systemd, where it listens; nothing otherwise."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
        unix.setblocking(False)
        unix.sendto(state.encode(), address)


def passed_sockets(environment: MutableMapping[str, str] | None = None) -> Mapping[str, socket.socket]:
    """The listening TCP sockets that systemd opened for this process, by their `FileDescriptorName=`.

    Empty without socket activation. The variables are taken out of the environment, so that no child of this
    process believes they are meant for it.

    Raises:
        ConfigError: when one of them is no listening TCP socket.
    """
    told = os.environ if environment is None else environment
    process, count, names = (told.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if process != str(os.getpid()) or not count.isdecimal() or not 1 <= int(count) <= _MOST:
        return {}
    given = names.split(":") if names else []
    found = {}
    for place in range(int(count)):
        name = given[place] if place < len(given) else f"unnamed-{place}"
        found[name] = _listening(_FIRST_DESCRIPTOR + place, name)
    return found


def _listening(descriptor: int, name: str) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        made = socket.socket(fileno=descriptor)
        made.setblocking(False)
        listens = made.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        usable = listens and made.type == socket.SOCK_STREAM and made.family in {socket.AF_INET, socket.AF_INET6}
    except OSError:
        usable = False
    if not usable:
        raise ConfigError(
            f"socket activation: {name!r} is no listening TCP socket; ListenStream= needs ADDRESS:PORT"
        )
    return made
