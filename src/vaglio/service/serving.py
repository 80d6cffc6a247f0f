"""`vaglio serve`, first service or standby: startup, main loop, shutdown, top to bottom.

What it promises of time and limits is in docs/promises.md.
"""

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import datetime

import structlog
import uvloop

from vaglio import __version__, logging
from vaglio.audit import EntryKind, Writer, make, redacted
from vaglio.audit import Reader as LogReader
from vaglio.audit.canonical import timestamp
from vaglio.audit.seal_task import keep_sealed
from vaglio.audit.sealing import InconsistentLog, Sealed
from vaglio.changes import Changes
from vaglio.clock import now
from vaglio.config import Settings
from vaglio.errors import VaglioError
from vaglio.index.definitions import definitions
from vaglio.index.reader import Reader as IndexReader
from vaglio.index.store import Store
from vaglio.metrics import Metrics
from vaglio.numbers import warm
from vaglio.pbx.fastagi import FastAgiServer
from vaglio.pbx.parts import Parts
from vaglio.pbx.routes import Routes
from vaglio.pbx.watches import Watches
from vaglio.policy import write_policies
from vaglio.rules import Rulebooks
from vaglio.screening import Screener
from vaglio.service import listening, priority, readiness, systemd
from vaglio.service.anchoring import Anchored
from vaglio.service.health import Health
from vaglio.service.presence import Presence
from vaglio.service.standing_in import stand_in
from vaglio.service.stopped import keep_writers_moving
from vaglio.site import Site
from vaglio.sync.schedule import keep_synced
from vaglio.sync.sources import sources

_TICK_SECONDS = 1.0
_DRAIN_SECONDS = 5.0
_LAG_SECONDS = 0.25
"""From here on a late event loop costs verdicts."""
_SAMPLES = ("+390612345678", "+33123456789", "+442079460000", "+12125550100", "+34911234567", "+4930123456")
"""Numbers judged once at start, so that no call pays for the first use of anything."""


def serve(site: Site, *, standby: bool = False) -> None:
    """Run the first service, or the standby, until SIGTERM or SIGINT.

    Raises:
        VaglioError: when it cannot start; one line says why.
    """
    logging.configure(site.settings.log)
    if site.settings.fastagi.real_time and not priority.go_first():
        structlog.get_logger("vaglio.service").warning(
            "no real-time priority is granted here; the units' `LimitRTPRIO=1` does"
        )
    uvloop.run(Service(site, standby=standby).run())


class Service:
    """One serving process.

    The standby is the same with another address: same files, same code, same log. It seals the log, and takes
    questions from a socket shared with the first service, only while that one is not there.
    """

    def __init__(self, site: Site, *, standby: bool = False) -> None:
        self._site = site
        self._standby = standby
        self._log = structlog.get_logger("vaglio.service")
        self._stopping = asyncio.Event()
        self._metrics = Metrics()
        self._ready = False
        self._policies_of = -1
        """Generation of the index that the written failure policies follow."""
        self._reloading: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        """Sealing first, then what else goes on beside the conversations."""
        self._started = time.time()
        self._lag = 0.0
        self._inspected = readiness.Inspection((), None)
        self._unwritable_since: datetime | None = None
        """Since when the log could not be written, until an entry says so."""
        self._failures_told = 0
        """Failed commits that an entry tells of."""
        self._alarming: asyncio.Task[None] | None = None
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
            try:
                await self._listen()
                await self._tick_until_stopped()
            finally:
                await self._stop()

    async def _open(self, stack: AsyncExitStack) -> None:
        site = self._site
        settings = site.settings
        self._passed = dict(systemd.passed_sockets())
        keys = site.keys()
        self._presence = stack.enter_context(contextlib.closing(Presence(site.log_file)))
        self._writer = await stack.enter_async_context(Writer(site.log_file, keys))
        self._store = await stack.enter_async_context(await Store.open(site.index_file))
        self._changes = Changes(self._store, self._writer)
        self._log_reader = stack.enter_context(LogReader(site.log_file))
        self._index = stack.enter_context(IndexReader.open(site.index_file))
        self._opened = readiness.identities(site)
        reconciled = await self._changes.reconcile(self._log_reader)
        if reconciled:
            self._log.warning("finished what a crash had left", changes=reconciled)
        rulebooks = site.rulebooks()
        rulebooks.warm(now())
        screener = Screener(self._index, self._log_reader, keys, rulebooks, site.emergency())
        self._routes = Routes(Parts(screener, self._writer, self._changes, self._metrics))
        active = self._presence.absent if self._standby else _always
        self._watches = Watches(settings, self._routes, self._metrics.registry, active)
        self._server = FastAgiServer(
            self._routes.table(),
            listening.limits(settings),
            settings.fastagi.peers,
            listening.secret(settings),
            lambda kind: self._metrics.agi_errors.labels(kind).inc(),
        )
        self._anchored = Anchored(site, self._metrics.registry)
        self._health = Health(self.faults, self._metrics.registry, self._anchored.warnings)
        await self._follow_campaigns()
        warm(settings.rules.emergency_regions)
        for number in _SAMPLES:
            for campaign in ("", *(one.id for one in self._index.campaigns()[:16])):
                screener.judge(number, campaign, "")

    async def _listen(self) -> None:
        settings = self._site.settings
        await self._writer.append(
            make(
                EntryKind.START,
                now(),
                _stated(settings, self._routes.parts.screener.rulebooks, standby=self._standby),
            )
        )
        gc.collect()
        gc.freeze()
        if not self._standby and not await asyncio.to_thread(self._presence.take):
            self._log.warning("another first service works on this log; its end will not be heard by the standby")
        keys = self._routes.parts.screener.keys
        every = settings.audit.checkpoint_minutes * 60
        due = self._presence.absent if self._standby else _always
        self._beside(
            keep_sealed(self._site.log_file, keys, every, self._sealed, self._not_sealed, due=due),
            readiness.keep_inspecting(self._site, self._opened, self._look),
            readiness.keep_dating_registers(self._site, self._metrics.date_registers),
            keep_writers_moving(lambda: self._writer.waiting_seconds, self._site.log_file),
        )
        if not self._standby:
            registers = definitions(settings.registers)
            known = sources(settings.sources, registers)
            self._beside(keep_synced(self._store, known, settings.file, self._source_ran))
        shared = await listening.listen(self._server, settings, self._passed, standby=self._standby)
        if shared is not None:
            self._beside(stand_in(self._server, shared, self._presence))
        await listening.listen_for_health(self._health.start, settings, standby=self._standby)
        self._watches.start()
        self._anchored.start()
        self._ready = True
        self._log.info("ready", port=self._server.port, version=__version__, standby=self._standby)
        systemd.notify("READY=1")

    def _source_ran(self, source: str, code: int, words: str) -> None:
        if code:
            self._log.error("source failed", source=source, words=words)
        else:
            self._log.info("source ran", source=source, words=words)

    def _beside(self, *work: Coroutine[None, None, None]) -> None:
        self._tasks += [asyncio.get_running_loop().create_task(one) for one in work]

    async def _tick_until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            due = loop.time() + _TICK_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._stopping.wait()
            self._lag = max(0.0, loop.time() - due)
            self._metrics.loop_lag.set(self._lag)
            self._metrics.sessions.set(self._server.sessions)
            systemd.notify("WATCHDOG=1")
            self._watch_log()
            try:
                self._metrics.log_size.set(self._log_reader.size())
                await self._follow_campaigns()
            except VaglioError as error:
                self._log.error("campaigns not followed", error=str(error))

    def _watch_log(self) -> None:
        """While the log cannot be written, try at every tick; the first entry that goes in tells since when."""
        if self._writer.failures != self._failures_told and self._unwritable_since is None:
            self._unwritable_since = now()
        if self._unwritable_since is not None and (self._alarming is None or self._alarming.done()):
            self._alarming = asyncio.get_running_loop().create_task(self._tell_since(self._unwritable_since))

    async def _tell_since(self, since: datetime) -> None:
        with contextlib.suppress(VaglioError):  # still not writable: the next tick tries again
            told = {"fault": "log not writable", "since": timestamp(since)}
            await self._writer.append(make(EntryKind.ALARM, now(), told))
            self._unwritable_since = None
            self._failures_told = self._writer.failures

    async def _follow_campaigns(self) -> None:
        """Keep the failure policies that the dialplan reads equal to the campaigns."""
        generation = self._index.generation()
        if generation != self._policies_of:
            campaigns = self._index.campaigns()
            await asyncio.to_thread(write_policies, self._site.policy_directory, campaigns)
            self._policies_of = generation

    def _look(self, found: readiness.Inspection) -> None:
        self._inspected = found
        self._metrics.checkpoint_age.set(max(0.0, time.time() - (found.checkpoint_at or self._started)))

    def _sealed(self, done: Sealed) -> None:
        if done.checkpoint is not None:
            self._log.debug("checkpoint signed", size=done.size)
            self._anchored.offer(done.checkpoint)

    def _not_sealed(self, error: VaglioError) -> None:
        if isinstance(error, InconsistentLog):
            self._alarm = str(error)
            self._log.critical("the log is not what was signed; nothing more is sealed", error=str(error))
        else:
            self._log.error("entries not sealed; tried again", error=str(error))

    async def _stop(self) -> None:
        self._ready = False
        systemd.notify("STOPPING=1")
        if not self._standby:
            self._presence.leave()
        self._log.info("stopping", sessions=self._server.sessions)
        await self._server.drain(_DRAIN_SECONDS)
        await self._routes.finish()
        await self._watches.close()
        await self._health.stop()
        try:
            await self._writer.append(make(EntryKind.STOP, now(), {"version": __version__}))
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._anchored.stop()

    def _hang_up_heard(self) -> None:
        self._reloading = asyncio.get_running_loop().create_task(self._reload())

    async def _reload(self) -> None:
        """SIGHUP: take over what can change while calls flow; where the new is wrong, the old stays."""
        try:
            site = await asyncio.to_thread(Site.at, self._site.settings.file)
            rulebooks, emergency = await asyncio.to_thread(lambda: (site.rulebooks(), site.emergency()))
            secret = await asyncio.to_thread(listening.secret, site.settings)
            await asyncio.to_thread(rulebooks.warm, now())
            site.anchors()  # whatever is wrong is wrong before the log says that it was taken over
            await asyncio.to_thread(self._watches.check, site.settings)
            await self._writer.append(
                make(EntryKind.CONFIG, now(), _stated(site.settings, rulebooks, standby=self._standby))
            )
            await self._watches.reload(site.settings)
            await self._anchored.reload(site)
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
        if self._writer.waiting_seconds > self._site.settings.fastagi.deadline_ms / 1000:
            found.append("audit.db: an entry waits longer than a verdict may take; see who holds its lock")
        if self._lag > _LAG_SECONDS:
            found.append(f"the event loop was {self._lag:.1f} s late; the machine is overloaded or was stopped")
        found += self._inspected.faults
        found += self._watches.faults()
        try:
            self._index.generation()
        except VaglioError as error:
            found.append(str(error))
        return found


def _always() -> bool:
    return True


def _stated(settings: Settings, rulebooks: Rulebooks, *, standby: bool) -> dict[str, object]:
    """What a process decides by: its version, configuration, rulebooks, and what the site loosened."""
    return {
        "version": __version__,
        "standby": standby,
        "configuration": settings.digest,
        "rulebooks": sorted(book.version for book in rulebooks.books.values()),
        "overrides": [{"rule": one.rule, "reason": redacted(one.reason)} for one in rulebooks.overrides],
    }
