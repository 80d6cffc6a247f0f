"""`vaglio web` as a process: started, asked, stopped, as systemd and an operator do."""

import os
import signal
import ssl
import urllib.request
from pathlib import Path

import pytest

from lab.certificate import certificate
from lab.vaglio import Vaglio


@pytest.fixture
def house(tmp_path: Path) -> Vaglio:
    return Vaglio(tmp_path / "site")


def test_it_serves_until_told_to_stop(house: Vaglio) -> None:
    """Ready when it says so, behind the calls' service in its priority, and gone in good order at SIGTERM."""
    house.web.start()
    assert house.web.get("/livez") == (200, "ok\n")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, house.web.pid) == min(own + 5, 19)
    assert house.web.stop() == 0
    assert '"event": "ready"' in house.web.log


def test_a_changed_configuration_is_taken_over_at_sighup(house: Vaglio) -> None:
    """A wrong one is told, and the old one stays."""
    house.web.start()
    try:
        right = house.configuration.read_text()
        house.configuration.write_text(f"{right}\n[nonsense]\n")
        house.web.send(signal.SIGHUP)
        house.web.await_words("the old one stays")
        house.configuration.write_text(right)
        house.web.send(signal.SIGHUP)
        house.web.await_words('"event": "configuration loaded"')
        assert house.web.ready()
    finally:
        house.web.stop()


def test_an_address_in_use_is_told_in_one_line(house: Vaglio) -> None:
    """With the key to change."""
    house.web.start()
    try:
        done = house.attempt("web")
    finally:
        house.web.stop()
    assert done.returncode == 2
    assert done.stderr.startswith("vaglio: web.listen: cannot listen")


def test_it_speaks_tls(house: Vaglio) -> None:
    """With the configured certificate, which the browser is told to insist on."""
    pem, key = certificate(house.home)
    text = house.configuration.read_text()
    told = f'[web]\ntls_certificate = "{pem.name}"\ntls_key = "{key.name}"\n'
    house.configuration.write_text(text.replace("[web]\n", told))
    house.web.launch()
    try:
        house.web.await_words('"event": "ready"')
        context = ssl.create_default_context(cafile=str(pem))
        with urllib.request.urlopen(f"https://127.0.0.1:{house.web.port}/livez", context=context) as answer:
            assert answer.headers["strict-transport-security"].startswith("max-age")
    finally:
        house.web.stop()
