"""What the service counts, by its Prometheus names; never a number in a label."""

import time
from collections.abc import Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.decisions = Counter(
            "vaglio_decisions", "Decisions made.", ("verdict", "reason", "campaign"), registry=self.registry
        )
        self.decision_seconds = Histogram(
            "vaglio_decision_seconds",
            "From the whole request to the durable decision.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.failopen = Counter(
            "vaglio_failopen", "Calls the failure policy let out, handed over.", registry=self.registry
        )
        self.agi_errors = Counter(
            "vaglio_agi_errors", "Conversations that ended without a verdict.", ("kind",), registry=self.registry
        )
        self.sessions = Gauge("vaglio_agi_sessions", "Conversations open now.", registry=self.registry)
        self.log_size = Gauge("vaglio_log_size", "Entries in the decision log.", registry=self.registry)
        self.checkpoint_age = Gauge(
            "vaglio_checkpoint_age_seconds", "Since the last signed checkpoint.", registry=self.registry
        )
        self.loop_lag = Gauge(
            "vaglio_loop_lag_seconds", "How late the event loop's last tick came.", registry=self.registry
        )

        self.register_age = Gauge(
            "vaglio_register_age_seconds",
            "Since the date of a register's list, or of its oldest verdict.",
            ("register",),
            registry=self.registry,
        )

    def date_registers(self, dates: Mapping[str, float]) -> None:
        """Take over the registers' dates, in epoch seconds; their ages then go on by themselves."""
        self.register_age.clear()
        for register, dated in dates.items():
            self.register_age.labels(register).set_function(partial(_since, dated))

    def decided(self, verdict: str, reason: str, campaign: str, seconds: float) -> None:
        """Count one durable decision; `campaign` is empty when it is none of ours, to bound the labels."""
        self.decisions.labels(verdict, reason, campaign).inc()
        self.decision_seconds.observe(seconds)


def _since(dated: float) -> float:
    return time.time() - dated
