"""What the watch over the PBXs counts, by its Prometheus names; the only label is the PBX's configured name."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class WatchMetrics:
    """One for all PBXs of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.up = Gauge("vaglio_ami_up", "1 while the PBX's events are heard.", ("pbx",), registry=registry)
        self.events_lost = Gauge(
            "vaglio_ami_events_lost",
            "Events dropped since the start because the queue was full.",
            ("pbx",),
            registry=registry,
        )
        self.legs = Gauge(
            "vaglio_trunk_legs", "Trunk legs with a pass that are under way.", ("pbx",), registry=registry
        )
        self.unscreened = Counter(
            "vaglio_unscreened_calls", "Trunk legs seen without a pass.", ("pbx",), registry=registry
        )
        self.outcomes = Counter(
            "vaglio_outcomes", "What became of screened calls.", ("pbx", "outcome"), registry=registry
        )
