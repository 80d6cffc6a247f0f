"""All watched PBXs of one process, as configured in `[[pbx]]`."""

import asyncio
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from vaglio.config import Settings
from vaglio.errors import ConfigError
from vaglio.pbx.accounts import account
from vaglio.pbx.ami import AmiState
from vaglio.pbx.routes import Routes
from vaglio.pbx.watch import Watch, Watched
from vaglio.pbx.watched import WatchMetrics


class Watches:
    """The watches of one process; `start`, `reload` as often as the configuration changes, `close`."""

    def __init__(
        self,
        settings: Settings,
        routes: Routes,
        registry: CollectorRegistry,
        active: Callable[[], bool] = lambda: True,
    ) -> None:
        self._routes = routes
        self._active = active
        self._metrics = WatchMetrics(registry)
        self._configured = settings.pbxs
        self._watches = self._made(settings)

    def start(self) -> None:
        """Connect to every PBX; returns at once."""
        for watch in self._watches:
            watch.ami.start()

    def check(self, settings: Settings) -> None:
        """Raise what `reload` would raise; nothing changes."""
        self._made(settings)

    async def reload(self, settings: Settings) -> None:
        """Take over a new configuration; connections go on where nothing of them changed.

        Raises:
            ConfigError: the new one is wrong; the old watches go on.
        """
        refused = any(watch.ami.state is AmiState.REFUSED for watch in self._watches)
        if settings.pbxs == self._configured and not refused:
            return
        made = await asyncio.to_thread(self._made, settings)
        await self.close()
        self._configured, self._watches = settings.pbxs, made
        self.start()

    async def close(self) -> None:
        """End every connection; what is being written is waited for."""
        await asyncio.gather(*(watch.close() for watch in self._watches))

    def faults(self) -> list[str]:
        """What only a person can mend: PBXs that refuse the login."""
        return [
            f"[[pbx]] {watch.watched.name}: {watch.ami.reason}"
            for watch in self._watches
            if watch.ami.state is AmiState.REFUSED
        ]

    def _made(self, settings: Settings) -> list[Watch]:
        made: list[Watch] = []
        for pbx in settings.pbxs:
            if any(watch.watched.name == pbx.name for watch in made):
                raise ConfigError(f"[[pbx]] {pbx.name}: the name is given twice; each PBX needs its own")
            if pbx.username is None:
                continue
            known = account(settings, pbx, pbx.username, pbx.secret_file)
            watched = Watched(pbx.name, pbx.peers, pbx.trunks, pbx.hang_up_unscreened, pbx.agent_within_seconds)
            made.append(Watch(watched, known, self._routes, self._metrics, self._active))
        return made
