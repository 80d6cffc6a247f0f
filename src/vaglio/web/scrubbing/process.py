"""One scrub in a process of its own: the order comes in as a JSON object, progress and result go out as lines.

`python -m vaglio.web.scrubbing.process`; `Jobs` runs it, so that neither calls nor requests share its interpreter.
"""

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from vaglio.errors import VaglioError
from vaglio.index.rows import Progress
from vaglio.reports.scrub import Order, scrub
from vaglio.site import Site

_EVERY_SECONDS: Final = 0.2


def main() -> None:
    """Read the order, scrub, tell."""
    asked: dict[str, Any] = orjson.loads(sys.stdin.buffer.read())
    file = Path(asked["file"])
    told_at = 0.0

    def on_progress(progress: Progress) -> None:
        nonlocal told_at
        if time.monotonic() - told_at > _EVERY_SECONDS:
            told_at = time.monotonic()
            _tell({"done": progress.done, "total": progress.total, "rows": progress.rows})

    order = Order(
        file,
        asked["campaign"],
        Path(asked["out"]),
        asked["column"],
        f"“{asked['column_field']}”",
        at=datetime.fromisoformat(asked["at"]) if asked["at"] else None,
        name=asked["name"],
        origin=asked["origin"],
    )
    try:
        summary = scrub(Site.at(Path(asked["configuration"])), order, on_progress)
    except VaglioError as error:
        _tell({"problem": _problem(error, file, asked["name"])})
    else:
        _tell({"summary": summary.document()})


def _problem(error: VaglioError, file: Path, name: str) -> str:
    """What the person is told: the list by its own name, and nothing of the server's directories."""
    if isinstance(error.__cause__, OSError):
        return f"{name}: the server cannot keep its results ({error.__cause__.strerror}); tell those who run it"
    return str(error).replace(str(file), name)


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
