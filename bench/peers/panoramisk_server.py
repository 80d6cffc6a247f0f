"""A null FastAGI server as panoramisk's own documentation builds one. Usage: panoramisk_server.py PORT."""

import asyncio
import sys
from typing import Any

from panoramisk import fast_agi

ANSWER = (
    'EXEC MSet "VAGLIO=allow:1700000000.1:01ARZ3NDEKTSV4RRFFQ69G5FAV,VAGLIO_REASON=NO_RESTRICTION,'
    'VAGLIO_DECISION=01ARZ3NDEKTSV4RRFFQ69G5FAV"'
)


async def screen(request: Any) -> None:  # noqa: ANN401 - panoramisk ships no types
    """Answer, and read Asterisk's reply."""
    await request.send_command(ANSWER)


async def serve(port: int) -> None:
    """Listen until killed."""
    application = fast_agi.Application()
    application.add_route("screen", screen)
    server = await asyncio.start_server(application.handler, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
