"""`vaglio web`: the web's process, from start to stop."""

import asyncio
import os
import signal
import socket
from contextlib import suppress
from typing import Final

import structlog
import uvicorn
import uvloop

from vaglio import __version__, logging
from vaglio.errors import ConfigError, VaglioError
from vaglio.service import systemd
from vaglio.site import Site
from vaglio.web.app import create_app
from vaglio.web.exposure import Exposure, exposure
from vaglio.web.rooms import Rooms, open_rooms

_DRAIN_SECONDS: Final = 10
_AT_ONCE: Final = 256
"""Requests and connections at once; beyond, the answer is 503."""
_BEHIND_CALLS: Final = 5
"""How far behind the service the processor serves this process, on nice(2)'s scale."""


def serve_web(site: Site) -> None:
    """Serve API and console until SIGTERM or SIGINT; SIGHUP takes over changed rulebooks and settings.

    Raises:
        VaglioError: when it cannot start; one line says why.
    """
    reach = exposure(site.settings)
    with suppress(OSError):
        os.nice(_BEHIND_CALLS)  # a call never waits for a page
    logging.configure(site.settings.log)
    uvloop.run(_serve(site, reach))


async def _serve(site: Site, reach: Exposure) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the server stops at it, then raises it once more
    async with open_rooms(site) as rooms:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _hang_up_heard, rooms)
        config = uvicorn.Config(
            create_app(rooms, reach),
            lifespan="off",
            log_config=None,
            access_log=False,  # a path may be asked that somebody put a number into
            proxy_headers=False,  # the threshold sees to that
            server_header=False,
            ssl_certfile=reach.certificate,
            ssl_keyfile=reach.key,
            limit_concurrency=_AT_ONCE,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
        with _bound(reach) as listener:
            await _Server(config).serve([listener])
    systemd.notify("STOPPING=1")


class _Server(uvicorn.Server):
    """Tells when it can be asked."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            structlog.get_logger("vaglio.web").info("ready", port=sockets[0].getsockname()[1], version=__version__)
            systemd.notify("READY=1")


def _bound(reach: Exposure) -> socket.socket:
    family = socket.AF_INET6 if ":" in reach.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((reach.host, reach.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"web.listen: cannot listen on {reach.host}:{reach.port} ({os.strerror(error.errno or 0)}); "
            "stop what listens there, or configure another address"
        ) from error
    return listener


def _hang_up_heard(rooms: Rooms) -> None:
    asyncio.get_running_loop().run_in_executor(None, _reload, rooms)


def _reload(rooms: Rooms) -> None:
    log = structlog.get_logger("vaglio.web")
    try:
        rooms.reload()
    except VaglioError as error:
        log.exception("configuration not loaded; the old one stays", error=str(error))
    else:
        log.info("configuration loaded")
