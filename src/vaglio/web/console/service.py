"""Whether the service that answers calls is ready, as its own health listener says."""

import asyncio
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import aiohttp

_SECONDS: Final = 1.5
_BYTES: Final = 8192
_READY: Final = 200


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What one service process says of itself."""

    name: str
    """`service` or `standby`."""
    answers: bool
    ready: bool
    lines: tuple[str, ...] = ()
    """Faults and warnings, in English, as the service tells them."""


async def state_of(name: str, host: str, port: int) -> ServiceState:
    """Ask one health listener; a listener on every address is asked at loopback."""
    address = ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004 - IPv4
    where = f"[{host}]" if ":" in host else host
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session,
            session.get(f"http://{where}:{port}/readyz") as answer,
        ):
            text = (await answer.content.read(_BYTES)).decode("utf-8", "replace")
            lines = tuple(line for line in text.splitlines() if line and line != "ready")
            return ServiceState(name, answers=True, ready=answer.status == _READY, lines=lines)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return ServiceState(name, answers=False, ready=False)


async def states(service: tuple[str, int], standby: tuple[str, int]) -> tuple[ServiceState, ...]:
    """The service and the standby, asked at once."""
    return tuple(await asyncio.gather(state_of("service", *service), state_of("standby", *standby)))
