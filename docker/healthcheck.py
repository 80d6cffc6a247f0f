"""The image's health check: exits 0 when `/readyz` answers 200, else 1 with the faults it tells.

Usage: healthcheck.py [ADDRESS:PORT]; without one, `VAGLIO_HEALTH__LISTEN`, or else the default of `health.listen`.
It runs every few seconds, so it loads nothing but what one request needs.
"""

import http.client
import os
import sys

_SECONDS = 2.0


def main(arguments: list[str]) -> int:
    """Ask once."""
    address = arguments[0] if arguments else os.environ.get("VAGLIO_HEALTH__LISTEN") or "127.0.0.1:9573"
    try:
        asking = http.client.HTTPConnection(address, timeout=_SECONDS)
        asking.request("GET", "/readyz")
        answer = asking.getresponse()
        sys.stdout.write(answer.read(4096).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"{address}: {error}\n")
        return 1
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
