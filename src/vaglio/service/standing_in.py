"""The standby in the first service's place: on the socket that systemd gave to both.

The kernel keeps the connections that arrive in between, so that a restart costs a site without a standby in its
dialplan a few milliseconds and no verdict.
"""

import asyncio
import contextlib
from socket import socket

import structlog

from vaglio.pbx.fastagi import FastAgiServer
from vaglio.service.presence import Presence


async def stand_in(server: FastAgiServer, shared: socket, presence: Presence) -> None:
    """Accept from the shared socket while the first service is not there, until cancelled."""
    loop = asyncio.get_running_loop()
    changes: asyncio.Queue[bool] = asyncio.Queue()

    def changed(absent: bool) -> None:  # noqa: FBT001 - a callback's one argument
        with contextlib.suppress(RuntimeError):  # the loop is closed: this process ends
            loop.call_soon_threadsafe(changes.put_nowait, absent)

    presence.watch(changed)
    log = structlog.get_logger("vaglio.standby")
    listener: asyncio.Server | None = None
    while True:
        absent = await changes.get()
        if absent and listener is None:
            listener = await server.start(sock=shared.dup())
        elif not absent and listener is not None:
            server.leave(listener)
            listener = None
        log.info("first service is not there; answering in its place" if absent else "first service is there")
