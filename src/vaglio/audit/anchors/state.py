"""How each anchor stands, kept in a file each, so that a command sees what the service does."""

import os
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self

import orjson

from vaglio.errors import StoreError


@dataclass(frozen=True, slots=True)
class AnchorState:
    """How an anchor stands."""

    size: int = 0
    """Entries under the last checkpoint that reached it; 0 before the first."""
    at: datetime | None = None
    """When that was."""
    failures: int = 0
    """Tries that failed since."""
    failing_since: datetime | None = None
    error: str | None = None
    """What the last try failed of."""
    refused: bool = False
    """Whether the anchor holds something that this log does not continue: look at once."""

    def succeeded(self, size: int, at: datetime) -> Self:
        """After a delivery."""
        return replace(self, size=size, at=at, failures=0, failing_since=None, error=None, refused=False)

    def failed(self, error: str, at: datetime, *, refused: bool) -> Self:
        """After a try that failed."""
        since = self.failing_since or at
        return replace(self, failures=self.failures + 1, failing_since=since, error=error, refused=refused)


def read_state(directory: Path, name: str) -> AnchorState:
    """How the anchor stands; the beginning when nothing is kept, or what is kept cannot be read."""
    try:
        told = orjson.loads((directory / f"{name}.json").read_bytes())
        return AnchorState(
            int(told["size"]),
            _time(told["at"]),
            int(told["failures"]),
            _time(told["failing_since"]),
            None if told["error"] is None else str(told["error"]),
            bool(told["refused"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return AnchorState()


def write_state(directory: Path, name: str, state: AnchorState) -> None:
    """Keep how the anchor stands.

    Raises:
        StoreError: when it cannot be written.
    """
    target = directory / f"{name}.json"
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        partial.write_bytes(orjson.dumps(asdict(state), option=orjson.OPT_INDENT_2))
        partial.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror}); check [audit] anchors") from error


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
