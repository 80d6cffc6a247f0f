"""What everything that answers a PBX works with."""

from dataclasses import dataclass

from vaglio.audit import Writer
from vaglio.changes import Changes
from vaglio.clock import Clock, now
from vaglio.metrics import Metrics
from vaglio.screening import Screener


@dataclass(frozen=True, slots=True)
class Parts:
    """Replaced as a whole when the configuration is loaded anew."""

    screener: Screener
    writer: Writer
    changes: Changes
    metrics: Metrics
    clock: Clock = now
