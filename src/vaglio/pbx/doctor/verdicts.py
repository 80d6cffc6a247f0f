"""Would a verdict come: the service asked over FastAGI as the dialplan asks it, without a question that counts."""

import asyncio
import re
from typing import Final

_ANSWER: Final = re.compile(rb'EXEC MSet "?VAGLIO_PONG=([0-9A-Za-z.+\-]{1,40})"?\n')
_SECONDS: Final = 2.0
_LINE_BYTES: Final = 1024


async def ping(address: tuple[str, int], secret: str | None) -> str | None:
    """The version of the service that listens there; None when nobody gives an answer in time."""
    host, port = address
    route = f"agi_network: yes\nagi_network_script: ping\nagi_request: agi://{host}:{port}/ping\n"
    argument = f"agi_arg_1: {secret}\n" if secret else ""
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, limit=_LINE_BYTES)
            try:
                writer.write(f"{route}agi_uniqueid: doctor\n{argument}\n".encode("ascii"))
                found = _ANSWER.fullmatch(await reader.readline())
                writer.write(b"200 result=0\n")
                await writer.drain()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return None
    return found[1].decode("ascii") if found else None


async def ready(address: tuple[str, int]) -> str | None:
    """What `/readyz` says: empty when verdicts can be given, the faults when not, None when nobody answers."""
    host, port = address
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
                answer = await reader.read(64 * 1024)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    head, _, body = answer.decode("utf-8", "replace").partition("\r\n\r\n")
    if head.startswith(("HTTP/1.1 200", "HTTP/1.0 200")):
        return ""
    return "; ".join(body.split("\n")).strip("; ") or "not ready"
