"""All watched PBXs of one process, as configured in `[[pbx]]`."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from vaglio import config
from vaglio.config import Pbx, Settings
from vaglio.errors import ConfigError
from vaglio.pbx.ami import Account, AmiState
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
            account = _account(settings, pbx)
            if account is None:
                continue
            watched = Watched(pbx.name, pbx.peers, pbx.trunks, pbx.hang_up_unscreened, pbx.agent_within_seconds)
            made.append(Watch(watched, account, self._routes, self._metrics, self._active))
        return made


def _account(settings: Settings, pbx: Pbx) -> Account | None:
    if pbx.username is None:
        return None
    secret = config.read_secret(settings, pbx.secret_file)
    if secret is None:
        raise ConfigError(f"[[pbx]] {pbx.name}: username without secret_file; name the file with its secret")
    if not pbx.trunks:
        raise ConfigError(f'[[pbx]] {pbx.name}: trunks is empty; name each, such as trunks = ["PJSIP/carrier"]')
    tls = _tls(settings, pbx.tls_ca_file, pbx.name) if pbx.tls else None
    return Account(pbx.name, pbx.host, pbx.port, pbx.username, secret, tls)


def _tls(settings: Settings, authorities: Path | None, name: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.path(authorities) if authorities else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"[[pbx]] {name}: tls_ca_file cannot be used ({error}); expected PEM") from error
