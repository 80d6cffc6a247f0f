import asyncio

from vaglio.metrics import Metrics
from vaglio.service.health import Health


async def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


async def test_ready_only_while_no_fault_is_known() -> None:
    """A load balancer sees 200 or 503, a person sees why."""
    faults: list[str] = []
    health = Health(lambda: faults, Metrics().registry)
    port = await health.start("127.0.0.1", 0)
    try:
        assert await get(port, "/readyz") == (200, "ready\n")
        faults.append("audit.db: cannot be written")
        assert await get(port, "/readyz") == (503, "audit.db: cannot be written\n")
        assert (await get(port, "/livez"))[0] == 200
    finally:
        await health.stop()


async def test_metrics_are_in_prometheus_form() -> None:
    """Counters appear under their public names."""
    metrics = Metrics()
    metrics.decisions.labels("allow", "CONSENT", "c1").inc()
    health = Health(list, metrics.registry)
    port = await health.start("127.0.0.1", 0)
    try:
        status, text = await get(port, "/metrics")
    finally:
        await health.stop()
    assert status == 200
    assert 'vaglio_decisions_total{campaign="c1",reason="CONSENT",verdict="allow"} 1.0' in text


async def test_other_paths_and_methods_are_refused() -> None:
    """The listener does three things and says which."""
    health = Health(list, Metrics().registry)
    port = await health.start("127.0.0.1", 0)
    try:
        assert (await get(port, "/"))[0] == 404
        assert (await get(port, "/livez", "POST"))[0] == 405
    finally:
        await health.stop()


async def test_a_peer_that_sends_too_much_or_nothing_gets_no_answer() -> None:
    """An endless request is cut at its bound."""
    health = Health(list, Metrics().registry)
    port = await health.start("127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"G" * 100_000)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
    finally:
        await health.stop()
