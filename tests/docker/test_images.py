"""The images of docker/, built by buildah, and the services of compose.yaml run from them: real calls included."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from lab import compose, installation
from lab.errors import AsteriskUnavailable, BuildahUnavailable
from lab.images import Image, Images
from lab.pod import Pod

pytestmark = [pytest.mark.pbx, pytest.mark.slow, pytest.mark.timeout(1500)]

CALLS = 8
"""The lines of docker/sipp/calls.csv: each of them once."""
SERVICES = compose.read(variables={"CALLS": str(CALLS)})


@pytest.fixture(scope="module")
def images() -> Iterator[dict[str, Image]]:
    """Every image that compose.yaml builds, from bases made on this machine."""
    try:
        with Images() as store:
            store.take("debian", installation.debian("bookworm"))
            asterisk = installation.fetch(installation.DEFAULT_SUITE).root
            assert asterisk
            store.take("asterisk", asterisk)
            built = {}
            for service in SERVICES.values():
                if service.dockerfile:
                    base = "asterisk" if service.name == "pbx" else "debian"
                    store.build(service.image, service.dockerfile, base)
                    built[service.image] = store.unpack(service.image)
            yield built
    except (AsteriskUnavailable, BuildahUnavailable) as error:
        if os.environ.get("CI"):
            pytest.fail(f"the images cannot be built: {error}")
        pytest.skip(f"THE IMAGES ARE NOT BUILT: {error}")


@pytest.fixture(scope="module")
def pod(images: dict[str, Image]) -> Iterator[Pod]:
    """All services up, the load ended: what `docker compose up` shows."""
    with Pod(SERVICES, images) as running:
        running.up("load")
        assert running.ended("load") == 0, running.log("load")[-2000:]
        yield running


def asked(pod: Pod, *command: str, service: str = "vaglio") -> str:
    done = pod.run(service, "vaglio", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def decisions(pod: Pod, service: str = "vaglio") -> list[dict[str, Any]]:
    entries = json.loads(asked(pod, "audit", "tail", "--count", "100", "--json", service=service))
    return [entry for entry in entries if entry["kind"] == "decision"]


def test_calls_get_their_verdicts(pod: Pod) -> None:
    """Agents, PBX, service, carrier: allowed calls go out, the others meet the reason the sample has for them."""
    found = {entry["number"]["last3"]: (entry["verdict"], entry["reason"]) for entry in decisions(pod)}
    assert found["501"][0] == found["502"][0] == "allow"
    assert found["567"] == ("block", "OPPOSITION")
    assert found["503"] == ("block", "CALLER_ID_NOT_ALLOWED")
    assert found["504"] == ("block", "CAMPAIGN_UNKNOWN")
    assert "112" not in found, "an emergency call asks nobody"
    assert len(decisions(pod)) == CALLS - 1


def test_the_log_of_the_containers_verifies(pod: Pod) -> None:
    """What was written on a volume by user 10001 is the log that was signed."""
    asked(pod, "audit", "verify")


@pytest.mark.parametrize("name", ["vaglio", "standby", "pbx", "carrier"])
def test_a_service_is_not_root_and_healthy(pod: Pod, name: str) -> None:
    """Its process has a user of its own and no capability; its own health check passes."""
    status = pod.status(name)
    assert "0" not in {*status["Uid"].split(), *status["Gid"].split()}
    assert {int(status[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    checked = pod.check(name)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_nothing_but_the_volume_can_be_written(pod: Pod) -> None:
    """A read-only root is enough, and what could install or build anything is not in the image."""
    for place in ("/opt/vaglio", "/etc", "/usr/local", "/var/log"):
        assert "Read-only" in pod.run("vaglio", "touch", f"{place}/x").stderr
    assert pod.run("vaglio", "python3", "-m", "pip").returncode == 1
    assert not any(pod.run("vaglio", "which", program).stdout for program in ("pip", "cc", "gcc", "make"))


def test_the_pbx_can_read_the_failure_policies_and_nothing_else(pod: Pod) -> None:
    """The volume is shared with the PBX; keys, numbers and log are not."""
    assert pod.run("pbx", "cat", "/var/lib/vaglio/failure-policy/outage-notice").stdout == "allow"
    for file in ("audit.db", "index.db", "keys/search.key"):
        done = pod.run("pbx", "cat", f"/var/lib/vaglio/{file}")
        assert "Permission denied" in done.stderr


def test_the_standby_answers_while_the_service_is_stopped(pod: Pod) -> None:
    """SIGTERM ends the service in good order; the same calls get the same verdicts, and the log goes on."""
    before = decisions(pod)
    assert pod.stop("vaglio") == 0
    pod.start("load")
    assert pod.ended("load") == 0
    after = decisions(pod, "standby")[len(before) :]
    kinds = Counter((entry["verdict"], entry["reason"]) for entry in after)
    assert kinds == Counter((entry["verdict"], entry["reason"]) for entry in before)
    pod.start("vaglio")
    pod.wait("vaglio", "service_healthy")
    asked(pod, "audit", "verify")


def test_a_service_that_cannot_answer_is_not_healthy(images: dict[str, Image]) -> None:
    """Without an installation it ends with one line that tells so; its health check says no, and where."""
    with Pod(SERVICES, images) as empty:
        empty.start("vaglio")
        assert empty.ended("vaglio") == 2
        assert empty.log("vaglio").startswith("vaglio: /var/lib/vaglio/vaglio.toml: cannot be read")
        assert empty.log("vaglio").count("\n") == 1
        done = empty.run("host", "python3", "-IS", "/opt/vaglio/healthcheck.py", "127.0.0.1:9573")
        assert done.returncode == 1
        assert done.stdout.startswith("127.0.0.1:9573: ")


def test_an_image_keeps_nothing_of_the_machine_that_built_it(images: dict[str, Image]) -> None:
    """What was lent to pip for the build is not in the image."""
    for image in images.values():
        lent = image.root / "etc/pip.conf"
        assert not lent.exists() or lent.stat().st_size == 0
        found = subprocess.run(
            ["find", image.root / "run", "-type", "f", "-size", "+0"], capture_output=True, text=True, check=True
        )
        assert found.stdout == ""
