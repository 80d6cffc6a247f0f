"""How every source fares: for `vaglio sync status` and the scheduler. Light, because the service imports it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vaglio.clock import Clock
from vaglio.clock import now as present
from vaglio.index.instants import from_micros
from vaglio.index.store import Store
from vaglio.sync.sources import Source

_LONGEST_PAUSE: Final = timedelta(hours=1)
_STATES: Final = "SELECT source, tried_at, succeeded_at, failures, last_error FROM source_state"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source fares."""

    source: str
    kind: str
    url: str
    every: str
    tried_at: datetime | None
    succeeded_at: datetime | None
    failures: int
    """Since it last went well."""
    last_error: str | None
    due_at: datetime
    """When to look again; after a failure sooner than `every`, and ever later up to an hour."""


async def status(store: Store, known: Mapping[str, Source], clock: Clock = present) -> list[SourceStatus]:
    """How every source fares, by name; also what a scheduler asks: due are those whose `due_at` has come."""
    states: dict[str, Sequence[Any]] = {row[0]: tuple(row[1:]) for row in await store.rows(_STATES)}
    found = []
    for name, source in sorted(known.items()):
        tried, succeeded, failures, error = states.get(name, (None, None, 0, None))
        wait = source.interval
        if failures:
            wait = min(wait, _LONGEST_PAUSE, timedelta(minutes=1) * 2 ** min(failures - 1, 10))
        found.append(
            SourceStatus(
                source=name,
                kind=source.kind,
                url=source.url,
                every=source.every,
                tried_at=None if tried is None else from_micros(tried),
                succeeded_at=None if succeeded is None else from_micros(succeeded),
                failures=failures,
                last_error=error,
                due_at=clock() if tried is None else from_micros(tried) + wait,
            )
        )
    return found
