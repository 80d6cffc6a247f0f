"""The service's anchors: started and stopped with it, seen in its log, its metrics and `/readyz`."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from vaglio.audit.anchors import Anchor, Anchoring, AnchorState
from vaglio.audit.checkpoint import Checkpoint
from vaglio.site import Site

STOP_SECONDS: Final = 3.0
"""The longest that anchors hold up the end of the service."""
_WARN_AFTER: Final = 3
"""Tries that fail before `/readyz` speaks of it."""


class Anchored(Collector):
    """The anchors of a serving process; none of its methods blocks.

    Raises:
        ConfigError: when an anchor's configuration is wrong.
    """

    def __init__(self, site: Site, registry: CollectorRegistry) -> None:
        self._log = structlog.get_logger("vaglio.anchors")
        self._anchoring = self._made(site)
        registry.register(self)

    def start(self) -> None:
        """Begin to send."""
        self._anchoring.start()

    def offer(self, checkpoint: Checkpoint) -> None:
        """Have a checkpoint sent to every anchor."""
        self._anchoring.offer(checkpoint)

    async def reload(self, site: Site) -> None:
        """Take over another configuration; what waits goes with the next checkpoint.

        Raises:
            ConfigError: when it is wrong; the old one stays.
        """
        made = self._made(site)
        old, self._anchoring = self._anchoring, made
        made.start()
        await asyncio.to_thread(old.stop, 0.0)

    async def stop(self) -> None:
        """Try once more what waits, then end."""
        await asyncio.to_thread(self._anchoring.stop, STOP_SECONDS)

    def warnings(self) -> list[str]:
        """The anchors that have not been reached for a while, one line each."""
        return [
            f"anchor {anchor.name}: {'REFUSED: ' if state.refused else ''}{state.error}"
            for anchor, state in self._anchoring.states().items()
            if state.refused or state.failures >= _WARN_AFTER
        ]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """How each anchor stands, as metrics."""
        labels = ("anchor", "kind")
        families = (
            GaugeMetricFamily("vaglio_anchor_entries", "Entries under the last one that arrived.", labels=labels),
            GaugeMetricFamily("vaglio_anchor_age_seconds", "Since the last delivery.", labels=labels),
            GaugeMetricFamily("vaglio_anchor_failures", "Tries that failed since.", labels=labels),
            GaugeMetricFamily("vaglio_anchor_refused", "1: it holds what this log does not.", labels=labels),
        )
        entries, age, failures, refused = families
        for anchor, state in self._anchoring.states().items():
            names = (anchor.name, anchor.kind.value)
            entries.add_metric(names, state.size)
            failures.add_metric(names, state.failures)
            refused.add_metric(names, state.refused)
            if state.at is not None:
                age.add_metric(names, max(0.0, (datetime.now(UTC) - state.at).total_seconds()))
        yield from families

    def _made(self, site: Site) -> Anchoring:
        return Anchoring(site.anchors(), site.log_file, site.anchors_directory, self._heard)

    def _heard(self, anchor: Anchor, state: AnchorState) -> None:
        log = self._log.bind(anchor=anchor.name, kind=anchor.kind.value, entries=state.size)
        if state.refused:
            log.critical("anchor refused the checkpoint", error=state.error)
        elif state.error is not None:
            log.warning("anchor not reached; tried again", error=state.error, failures=state.failures)
        else:
            log.debug("checkpoint anchored")
