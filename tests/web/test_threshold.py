"""What every request passes first, and what every answer carries."""

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.web.conftest import ORIGIN, Client, MakeClient
from vaglio.errors import ConfigError
from vaglio.site import Site
from vaglio.web.access import Role
from vaglio.web.app import create_app
from vaglio.web.exposure import exposure
from vaglio.web.rooms import Rooms

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def configured(site: Site, web: str) -> Site:
    file = site.settings.file
    file.write_text(f"{file.read_text()}\n[web]\n{web}\n")
    return Site.at(file)


async def test_every_answer_forbids_framing_sniffing_and_caching(anybody: Client) -> None:
    """Errors and pages alike."""
    for path in ("/livez", "/nothing-here"):
        headers = (await anybody.get(path)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]"])
async def test_a_strange_host_name_is_refused(anybody: Client, host: str) -> None:
    """A page elsewhere that makes its name point here gets nothing (DNS rebinding)."""
    answer = await anybody.get("/livez", headers={"host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:9"])
async def test_its_own_names_are_known(anybody: Client, host: str) -> None:
    """With any port, for it may be forwarded."""
    assert (await anybody.get("/livez", headers={"host": host})).text == "ok\n"


async def test_a_body_too_large_is_refused_unread(anybody: Client) -> None:
    """By its announced length, or as soon as it is longer than it may be."""
    answer = await anybody.post("/livez", content=b"x" * 1_000_001)
    assert answer.status_code == 413


async def test_a_route_nobody_has_is_a_problem(anybody: Client) -> None:
    """RFC 9457, like every error."""
    answer = await anybody.get("/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["status"] == 404


async def test_metrics_want_a_key_that_may_see_them(anybody: Client, client: MakeClient) -> None:
    """Without one 401, with one of another role 403; never a number in a label."""
    assert (await anybody.get("/metrics")).status_code == 401
    assert (await anybody.get("/metrics", headers={"authorization": "Bearer vgl_x.y"})).status_code == 401
    refused = await (await client(Role.DATA_ENTRY)).get("/metrics")
    assert refused.status_code == 403
    assert "data-entry" in refused.json()["detail"]
    ops = await client(Role.OPS)
    await ops.get("/v1/+393331234567")
    told = (await ops.get("/metrics")).text
    assert 'route="/metrics"' in told
    assert "3331234567" not in told


async def test_ready_when_index_and_log_can_be_read(anybody: Client) -> None:
    """And no key is asked for."""
    assert (await anybody.get("/readyz")).text == "ok\n"


@pytest.mark.parametrize(
    ("web", "says"),
    [
        ('listen = "0.0.0.0:8080"', "in clear"),
        ('listen = "192.0.2.7:8080"', "web.trusted_proxies"),
        ('tls_certificate = "a.pem"', "one needs the other"),
        ('tls_certificate = "a.pem"\ntls_key = "b.pem"', "a.pem is not there"),
    ],
)
def test_it_does_not_serve_a_network_in_clear(site: Site, web: str, says: str) -> None:
    """The line says what is missing."""
    with pytest.raises(ConfigError, match=says):
        exposure(configured(site, web).settings)


async def test_behind_a_proxy_only_the_proxy_connects(rooms: Rooms) -> None:
    """And what it says of its client is believed."""
    site = configured(
        rooms.site, 'listen = "192.0.2.7:8080"\ntrusted_proxies = ["192.0.2.9"]\nhosts = ["v.example"]'
    )
    app: ASGIApp = create_app(rooms, exposure(site.settings))
    for peer, status in (("192.0.2.9", 200), ("192.0.2.8", 403)):
        transport = httpx.ASGITransport(app=app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as one:
            answer = await one.get("/livez", headers={"host": "v.example"})
        assert answer.status_code == status
