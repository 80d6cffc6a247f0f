"""`vaglio serve`: startup, main loop, shutdown, top to bottom.

What it promises of time and limits is in docs/promises.md.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import structlog
import uvloop

from vaglio import __version__, config, logging
from vaglio.audit import EntryKind, Writer, make, redacted
from vaglio.audit import Reader as LogReader
from vaglio.audit.seal_task import keep_sealed
from vaglio.audit.sealing import InconsistentLog, Sealed
from vaglio.changes import Changes
from vaglio.clock import now
from vaglio.config import Settings
from vaglio.errors import ConfigError, VaglioError
from vaglio.health import Health
from vaglio.index.reader import Reader as IndexReader
from vaglio.index.store import Store
from vaglio.metrics import Metrics
from vaglio.numbers import warm
from vaglio.pbx.fastagi import FastAgiServer, Limits
from vaglio.pbx.policy import write_policies
from vaglio.pbx.routes import Parts, Routes
from vaglio.rules import Rulebooks
from vaglio.screening import Screener
from vaglio.site import Site

_TICK_SECONDS = 1.0
_DRAIN_SECONDS = 5.0
_SAMPLES = ("+390612345678", "+33123456789", "+442079460000", "+12125550100", "+34911234567", "+4930123456")
"""Numbers judged once at start, so that no call pays for the first use of anything."""


def serve(site: Site) -> None:
    """Run the service until SIGTERM or SIGINT.

    Raises:
        VaglioError: when it cannot start; one line says why.
    """
    logging.configure(site.settings.log)
    uvloop.run(Service(site).run())


class Service:
    """One serving process."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._log = structlog.get_logger("vaglio.service")
        self._stopping = asyncio.Event()
        self._metrics = Metrics()
        self._ready = False
        self._policies_of = -1
        """Generation of the index that the written failure policies follow."""
        self._reloading: asyncio.Task[None] | None = None
        self._sealing: asyncio.Task[None] | None = None
        self._signed_at = 0.0
        """When the last checkpoint was signed, on the loop's clock."""
        self._alarm: str | None = None
        """What is wrong with the log: it no longer continues what was signed."""

    async def run(self) -> None:
        """Start, serve, stop."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_signal_handler(signal.SIGINT, self._stopping.set)
        async with AsyncExitStack() as stack:
            await self._open(stack)
            loop.add_signal_handler(signal.SIGHUP, self._hang_up_heard)
            await self._listen()
            try:
                await self._tick_until_stopped()
            finally:
                await self._stop()

    async def _open(self, stack: AsyncExitStack) -> None:
        site = self._site
        settings = site.settings
        keys = site.keys()
        self._writer = await stack.enter_async_context(Writer(site.log_file, keys))
        self._store = await stack.enter_async_context(await Store.open(site.index_file))
        self._changes = Changes(self._store, self._writer)
        self._log_reader = stack.enter_context(LogReader(site.log_file))
        self._index = stack.enter_context(IndexReader.open(site.index_file))
        reconciled = await self._changes.reconcile(self._log_reader)
        if reconciled:
            self._log.warning("finished what a crash had left", changes=reconciled)
        rulebooks = site.rulebooks()
        rulebooks.warm(now())
        screener = Screener(self._index, self._log_reader, keys, rulebooks, site.emergency())
        self._routes = Routes(Parts(screener, self._writer, self._changes, self._metrics))
        self._server = FastAgiServer(
            self._routes.table(),
            _limits(settings),
            settings.fastagi.peers,
            _secret(settings),
            lambda kind: self._metrics.agi_errors.labels(kind).inc(),
        )
        self._health = Health(self.faults, self._metrics.registry)
        await self._follow_campaigns()
        warm(settings.rules.emergency_regions)
        for number in _SAMPLES:
            for campaign in ("", *(one.id for one in self._index.campaigns()[:16])):
                screener.judge(number, campaign, "")

    async def _listen(self) -> None:
        settings = self._site.settings
        await self._writer.append(
            make(EntryKind.START, now(), _stated(settings, self._routes.parts.screener.rulebooks))
        )
        gc.collect()
        gc.freeze()
        self._signed_at = asyncio.get_running_loop().time()
        self._sealing = asyncio.get_running_loop().create_task(
            keep_sealed(
                self._site.log_file,
                self._routes.parts.screener.keys,
                settings.audit.checkpoint_minutes * 60,
                self._sealed,
                self._not_sealed,
            )
        )
        await _bind(self._server.start, settings.fastagi.listen, "fastagi.listen")
        await _bind(self._health.start, settings.health.listen, "health.listen")
        self._ready = True
        self._log.info("ready", port=self._server.port, version=__version__)
        notify("READY=1")

    async def _tick_until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            due = loop.time() + _TICK_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._stopping.wait()
            self._metrics.loop_lag.set(max(0.0, loop.time() - due))
            self._metrics.sessions.set(self._server.sessions)
            self._metrics.checkpoint_age.set(loop.time() - self._signed_at)
            notify("WATCHDOG=1")
            try:
                await self._follow_campaigns()
            except VaglioError as error:
                self._log.error("campaigns not followed", error=str(error))

    async def _follow_campaigns(self) -> None:
        """Keep the failure policies that the dialplan reads equal to the campaigns."""
        generation = self._index.generation()
        if generation != self._policies_of:
            campaigns = self._index.campaigns()
            await asyncio.to_thread(write_policies, self._site.policy_directory, campaigns)
            self._policies_of = generation

    def _sealed(self, done: Sealed) -> None:
        self._metrics.log_size.set(done.size)
        if done.checkpoint is not None:
            self._signed_at = asyncio.get_running_loop().time()

    def _not_sealed(self, error: VaglioError) -> None:
        if isinstance(error, InconsistentLog):
            self._alarm = str(error)
            self._log.critical("the log is not what was signed; nothing more is sealed", error=str(error))
        else:
            self._log.error("entries not sealed; tried again", error=str(error))

    async def _stop(self) -> None:
        self._ready = False
        notify("STOPPING=1")
        self._log.info("stopping", sessions=self._server.sessions)
        await self._server.drain(_DRAIN_SECONDS)
        await self._routes.finish()
        await self._health.stop()
        try:
            await self._writer.append(make(EntryKind.STOP, now(), {"version": __version__}))
        finally:
            if self._sealing is not None:
                self._sealing.cancel()
                await asyncio.gather(self._sealing, return_exceptions=True)

    def _hang_up_heard(self) -> None:
        self._reloading = asyncio.get_running_loop().create_task(self._reload())

    async def _reload(self) -> None:
        """SIGHUP: take over what can change while calls flow; where the new is wrong, the old stays."""
        try:
            site = await asyncio.to_thread(Site.at, self._site.settings.file)
            rulebooks, emergency = await asyncio.to_thread(lambda: (site.rulebooks(), site.emergency()))
            secret = await asyncio.to_thread(_secret, site.settings)
            await asyncio.to_thread(rulebooks.warm, now())
            await self._writer.append(make(EntryKind.CONFIG, now(), _stated(site.settings, rulebooks)))
        except VaglioError as error:
            self._log.error("configuration not loaded; the old one stays", error=str(error))
            return
        self._site = site
        logging.configure(site.settings.log)
        old = self._routes.parts
        screener = Screener(self._index, self._log_reader, old.screener.keys, rulebooks, emergency)
        self._routes.parts = Parts(screener, self._writer, self._changes, self._metrics)
        self._server.reconfigure(self._routes.table(), site.settings.fastagi.peers, secret)
        self._policies_of = -1
        self._log.info("configuration loaded")

    def faults(self) -> list[str]:
        """What keeps this process from giving verdicts; empty when it is ready."""
        if not self._ready:
            return ["starting or stopping"]
        found = [] if self._alarm is None else [self._alarm]
        if self._writer.failing:
            found.append("audit.db: the last entry could not be written; no verdict is given")
        try:
            self._index.generation()
        except VaglioError as error:
            found.append(str(error))
        return found


def notify(state: str) -> None:
    """Tell systemd, where it listens (sd_notify(3)); nothing otherwise."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
        unix.setblocking(False)
        unix.sendto(state.encode(), address)


async def _bind(start: Callable[[str, int], Awaitable[object]], address: tuple[str, int], key: str) -> None:
    host, port = address
    try:
        await start(host, port)
    except OSError as error:
        raise ConfigError(
            f"{key}: cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}); "
            "stop what listens there, or configure another address"
        ) from error


def _limits(settings: Settings) -> Limits:
    return Limits(sessions=settings.fastagi.sessions, deadline_seconds=settings.fastagi.deadline_ms / 1000)


def _secret(settings: Settings) -> str | None:
    """The shared secret.

    Raises:
        ConfigError: when it cannot be used, or is missing although peers off loopback may ask.
    """
    secret = config.read_secret(settings, settings.fastagi.secret_file)
    if secret is None and not all(network.is_loopback for network in settings.fastagi.peers):
        raise ConfigError("fastagi.peers: networks off loopback may ask, which needs fastagi.secret_file")
    return secret


def _stated(settings: Settings, rulebooks: Rulebooks) -> dict[str, object]:
    """What a process decides by: its version, configuration, rulebooks, and what the site loosened."""
    return {
        "version": __version__,
        "configuration": settings.digest,
        "rulebooks": sorted(book.version for book in rulebooks.books.values()),
        "overrides": [{"rule": one.rule, "reason": redacted(one.reason)} for one in rulebooks.overrides],
    }
