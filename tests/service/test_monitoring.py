"""Alert rules and dashboard: they ask for metrics that exist, by labels that exist, and never for a number."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from vaglio import site
from vaglio.metrics import Metrics
from vaglio.pbx.watched import WatchMetrics
from vaglio.service.anchoring import Anchored

DOCKER = Path(__file__).parents[2] / "docker"
ALERTS = DOCKER / "prometheus" / "alerts.yml"
DASHBOARD = DOCKER / "grafana" / "vaglio.json"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
RULE = re.compile(
    r"^      - alert: (\w+)\n        expr: (\|\n(?:          .*\n)+|.*\n)((?:        .*\n)+)", re.MULTILINE
)


@pytest.fixture
def known(tmp_path: Path) -> set[str]:
    """Every sample name a serving process can expose."""
    metrics = Metrics()
    WatchMetrics(metrics.registry)
    Anchored(site.init(tmp_path / "site"), metrics.registry)
    return {
        family.name + suffix
        for family in metrics.registry.collect()
        for suffix in SUFFIXES.get(family.type, ("",))
    }


def rules() -> dict[str, tuple[str, str]]:
    return {name: (expression, rest) for name, expression, rest in RULE.findall(ALERTS.read_text("utf-8"))}


def panels() -> Iterator[dict[str, object]]:
    yield from json.loads(DASHBOARD.read_text("utf-8"))["panels"]


def asked(text: str) -> set[str]:
    return set(re.findall(r"\bvaglio_[a-z_]+", text))


def test_every_alert_asks_for_metrics_that_exist(known: set[str]) -> None:
    """A renamed metric takes its alert along; none stays silent for ever."""
    found = rules()
    assert len(found) == ALERTS.read_text("utf-8").count("- alert:")
    for name, (expression, _) in found.items():
        metrics = asked(expression)
        assert metrics or "up{" in expression, name
        assert metrics <= known, name


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    """Severity and summary, so that who is paged knows the next step."""
    for name, (_, rest) in rules().items():
        assert re.search(r"severity: (critical|warning)\}", rest), name
        assert re.search(r'summary: ".{20,}"', rest), name


def test_every_panel_asks_for_metrics_that_exist(known: set[str]) -> None:
    """The dashboard shows nothing that is not counted, and each panel shows something."""
    for panel in panels():
        text = json.dumps(panel.get("targets", []))
        assert asked(text) <= known, panel["title"]
        assert panel["type"] == "row" or asked(text) or "up{" in text, panel["title"]


def test_the_dashboard_shows_every_metric(known: set[str]) -> None:
    """What is counted can be seen without writing a query."""
    shown = asked(DASHBOARD.read_text("utf-8"))
    missing = {name for name in known if name.startswith("vaglio_") and name not in shown}
    assert missing <= {
        "vaglio_decision_seconds_count",
        "vaglio_decision_seconds_sum",
        "vaglio_anchor_entries",
        "vaglio_anchor_failures",
        "vaglio_anchor_refused",
    }


def test_every_metric_is_documented(known: set[str]) -> None:
    """An operator finds each in docs/operating.md."""
    text = (DOCKER.parent / "docs" / "operating.md").read_text("utf-8")
    documented = {name.removesuffix(suffix) for name in asked(text) for suffix in ("_total", "")}
    plain = {re.sub("_(total|bucket|count|sum)$", "", name) for name in known}
    assert {name for name in plain if name.startswith("vaglio_")} <= documented


def test_no_two_panels_overlap() -> None:
    """Grafana would push one of them down."""
    places = [(panel["title"], panel["gridPos"]) for panel in panels()]
    for (one, first), (other, second) in combinations(places, 2):
        assert isinstance(first, dict)
        assert isinstance(second, dict)
        across = first["x"] < second["x"] + second["w"] and second["x"] < first["x"] + first["w"]
        along = first["y"] < second["y"] + second["h"] and second["y"] < first["y"] + first["h"]
        assert not (across and along), f"{one} and {other}"


def test_no_label_can_hold_a_number(tmp_path: Path) -> None:
    """Labels are names of the site's own choosing or of closed vocabularies."""
    registry = CollectorRegistry()
    labels: set[str] = set()
    for made in (Metrics(), WatchMetrics(registry), Anchored(site.init(tmp_path / "site"), registry)):
        for value in vars(made).values():
            labels |= set(getattr(value, "_labelnames", ()))
    assert labels <= {"verdict", "reason", "campaign", "kind", "register", "pbx", "outcome", "anchor"}
