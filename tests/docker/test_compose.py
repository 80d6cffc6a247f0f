"""The files of docker/: what they name exists, what they open is closed to others, and they agree."""

import re
from pathlib import Path

import pytest
import yaml

from lab import compose
from lab.compose import Service
from lab.errors import LabError

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
SERVICES = compose.read()
each = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def pinned(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", file.read_text("utf-8"), re.MULTILINE))


def parsed(file: Path) -> dict[str, object]:
    content = yaml.safe_load(file.read_text("utf-8"))
    assert isinstance(content, dict)
    return content


@each
def test_an_image_is_built_here_or_pinned(service: Service) -> None:
    """No service runs whatever a registry calls the latest."""
    ours = {one.image for one in SERVICES.values() if one.dockerfile}
    assert service.dockerfile is None or service.dockerfile.is_file()
    assert service.image in ours or re.search(r":v?\d+\.\d+\.\d+$", service.image)
    policy = "build" if service.dockerfile else "never" if service.image in ours else None
    assert service.document.get("pull_policy") == policy


@each
def test_a_service_is_watched_or_says_that_it_is_not(service: Service) -> None:
    """What goes on running has a health check; what ends by itself, or only holds the network, has none."""
    built_by = next(one.dockerfile for one in SERVICES.values() if one.image == service.image)
    own = built_by is not None and "\nHEALTHCHECK " in built_by.read_text("utf-8")
    without = service.health == ()
    assert without == (service.name in {"host", "setup", "load"})
    assert without or service.health or own


@each
def test_a_service_can_do_no_more_than_it_must(service: Service) -> None:
    """A read-only root, no capability, no way to get one."""
    assert service.document["read_only"] is True
    assert service.document["cap_drop"] == ["ALL"]
    assert service.document["security_opt"] == ["no-new-privileges:true"]


@each
def test_nothing_is_published_but_on_loopback(service: Service) -> None:
    """Nobody on another machine reaches a container."""
    assert all(port.startswith("127.0.0.1:") for port in service.ports)


@each
def test_what_a_service_mounts_exists(service: Service) -> None:
    """Paths are in the tree, and nothing of the tree can be written."""
    for mount in service.mounts:
        if isinstance(mount.source, Path):
            assert mount.source.exists()
            assert mount.source.is_relative_to(ROOT)
            assert mount.read_only


def test_every_volume_is_used_and_every_dependency_is_there() -> None:
    """No leftovers, no service that waits for one without a health check."""
    document = parsed(DOCKER / "compose.yaml")
    used = {mount.source for one in SERVICES.values() for mount in one.mounts if isinstance(mount.source, str)}
    assert used == document["volumes"].keys()  # type: ignore[attr-defined] # a mapping, as compose.read relies on
    for service in SERVICES.values():
        for other, condition in service.after.items():
            assert condition != "service_healthy" or SERVICES[other].health != ()


def test_a_key_the_lab_cannot_hold_is_refused(tmp_path: Path) -> None:
    """What runs in the tests is what the file says: an unknown key is told, not passed over."""
    file = tmp_path / "compose.yaml"
    file.write_text("volumes: {}\nservices: {one: {image: x, privileged: true}}\n")
    with pytest.raises(LabError, match="one: the lab does not know 'privileged'"):
        compose.read(file)


def test_prometheus_asks_where_the_processes_answer() -> None:
    """The jobs are those of the alert rules, at the addresses the compose file gives."""
    configuration = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert [(DOCKER / "prometheus" / name).is_file() for name in configuration["rule_files"]] == [True]
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in configuration["scrape_configs"]}
    given = SERVICES["vaglio"].environment
    assert jobs == {
        "vaglio": [given["VAGLIO_HEALTH__LISTEN"].replace("0.0.0.0", "host")],
        "vaglio-standby": [given["VAGLIO_STANDBY__HEALTH"].replace("0.0.0.0", "host")],
    }
    alerts = (DOCKER / "prometheus" / "alerts.yml").read_text("utf-8")
    assert set(re.findall(r'job="([^"]+)"', alerts)) <= jobs.keys()


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    """The provisioned source and folder are what the compose file has."""
    provisioning = DOCKER / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text("utf-8"))["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    [provider] = yaml.safe_load((provisioning / "dashboards" / "vaglio.yaml").read_text("utf-8"))["providers"]
    dashboard = DOCKER / "grafana" / "vaglio.json"
    targets = [Path(mount.target) for mount in SERVICES["grafana"].mounts if mount.source == dashboard]
    assert [str(target.parent) for target in targets] == [provider["options"]["path"]]


def test_the_standby_is_where_the_dialplan_looks() -> None:
    """The PBX's globals name the addresses of the service's defaults."""
    local = (DOCKER / "asterisk" / "extensions_local.conf").read_text("utf-8")
    assert "VAGLIO_STANDBY = 127.0.0.1:4574" in local
    moved = {"VAGLIO_FASTAGI__LISTEN", "VAGLIO_STANDBY__LISTEN"}
    assert not moved & SERVICES["vaglio"].environment.keys()


def test_images_are_built_from_the_tested_versions() -> None:
    """Each pin of an image is that of the tests."""
    tested = pinned(ROOT / "requirements-dev.txt")
    runtime, extras = pinned(ROOT / "requirements.txt"), pinned(ROOT / "requirements-extras.txt")
    assert runtime.items() <= extras.items() <= tested.items()
    tools = pinned(DOCKER / "build-requirements.txt")
    assert "hatchling" in tools
    assert {name: version for name, version in tools.items() if name in tested}.items() <= tested.items()
