"""List registers into the index: a new snapshot grows beside the active one and takes over in one transaction.

Whoever asks meanwhile is answered by the active snapshot, whole; an import that was interrupted leaves only what
the next one clears away. Refused, unless forced with a reason: a list older than the active one, one of suspicious
size, an empty one, and one with too many unreadable rows: an opposed number left out would look clear.
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from vaglio.errors import InputError
from vaglio.index.building import Active, Draft, active_snapshot, build, clear_leftovers, only_import
from vaglio.index.definitions import RegisterDefinition, RegisterKind
from vaglio.index.imports import OnProgress
from vaglio.index.lists import NumberList, read_list
from vaglio.index.rows import Progress, Rejects, open_input, sha256_of
from vaglio.index.store import Store

_FEW: Final = 1000
"""Below this many numbers a list's size says nothing."""
_FIRST_AREA: Final = 1_200
_BEYOND_AREAS: Final = 2_000
"""Area codes of +1, the calling code in front."""
_SUBSCRIBER: Final = 10**7
_AREA: Final = re.compile(r"[2-9][0-9]{2}")
_DATE: Final = re.compile(r"(?<![0-9])(20[0-9]{2})([-_.]?)([01][0-9])\2([0-3][0-9])(?![0-9])")


@dataclass(frozen=True, slots=True)
class RegisterSummary:
    """What the import of a register's file did."""

    register: str
    file: str
    sha256: str
    read: int
    """Rows."""
    new: int
    """Numbers taken from the file, each once."""
    unchanged: int
    """Rows that told nothing new: duplicates, or all of a file that was loaded already."""
    rejected: int
    seconds: float
    entries: int
    """Numbers that the register answers `opposed` for afterwards."""
    snapshot: str | None
    as_of: datetime
    coverage: tuple[str, ...] | None
    rejects_file: str | None = None
    forced: str | None = None


async def import_list(
    store: Store,
    register: RegisterDefinition,
    file: Path,
    *,
    entry: int,
    as_of: datetime | None = None,
    areas: Sequence[str] = (),
    change: bool = False,
    base: datetime | None = None,
    force: str | None = None,
    on_progress: OnProgress | None = None,
    now: datetime | None = None,
) -> RegisterSummary:
    """Load a list register's file.

    `as_of` is the list's own date, by default the last date in the file's name, and never the present day. `areas`
    are the area codes it was fetched for, by default those it holds. A list of changes applies to the active
    snapshot of the date `base`, by default the first of two dates in its name. `force` is the reason to take a
    list that would be refused. The same file again changes nothing.

    Raises InputError for a file that cannot be read or is refused.
    """
    _check_arguments(register, areas)
    started = time.monotonic()
    open_input(file).close()
    dated = _dated(register, file, as_of, now or datetime.now(UTC))
    sha256 = await asyncio.to_thread(sha256_of, file)
    async with only_import(store):
        active = await active_snapshot(store, register.name)
        if active is not None and force is None and (active.sha256, active.as_of) == (sha256, dated):
            async with store.change(entry):
                pass
            return RegisterSummary(
                register.name, file.name, sha256, 0, 0, 0, 0, round(time.monotonic() - started, 3),
                active.entries, str(active.id), dated, active.coverage,
            )  # fmt: skip
        if change:
            active = _base(register, file, active, base, dated)
        elif force is None:
            _refuse_older(file, active, dated)
        with Rejects(file) as rejects:
            found = await asyncio.to_thread(
                read_list, register, file, rejects, change=change, on_bytes=_bytes_told(on_progress)
            )
        if force is None:
            _refuse_suspicious(register, file, found, active, change=change)
        draft = Draft(
            register=register.name,
            as_of=dated,
            coverage=_coverage(register, found, areas, active if change else None),
            file_name=file.name,
            file_sha256=sha256,
            base=active.id if change and active else None,
            forced=force,
        )
        await clear_leftovers(store, entry=entry)
        snapshot, entries = await build(
            store, draft, found.added, found.deleted, entry=entry, on_progress=on_progress
        )
    taken = len(found.added) + len(found.deleted)
    return RegisterSummary(
        register=register.name,
        file=file.name,
        sha256=sha256,
        read=found.read,
        new=taken,
        unchanged=found.read - found.rejected - taken,
        rejected=found.rejected,
        seconds=round(time.monotonic() - started, 3),
        entries=entries,
        snapshot=str(snapshot),
        as_of=dated,
        coverage=draft.coverage,
        rejects_file=str(rejects.path) if rejects.count else None,
        forced=force,
    )


def dates_in(name: str) -> list[datetime]:
    """The dates in a file's name (2026-11-23 or 20261123), in their order, at 00:00 UTC: the strict reading."""
    found = []
    for year, _, month, day in _DATE.findall(name):
        try:
            found.append(datetime(int(year), int(month), int(day), tzinfo=UTC))
        except ValueError:
            continue
    return found


def _check_arguments(register: RegisterDefinition, areas: Sequence[str]) -> None:
    if register.kind is not RegisterKind.LIST:
        raise InputError(
            f"register {register.name}: is asked, not handed over; its answers are imported with "
            f"--controller and --batch after: vaglio register request {register.name}"
        )
    if areas and not register.by_area:
        raise InputError(f"register {register.name}: is not kept by area codes; leave --areas out")
    for area in areas:
        if not _AREA.fullmatch(area):
            raise InputError("--areas: expected area codes of three digits, such as 212,415")


def _dated(register: RegisterDefinition, file: Path, as_of: datetime | None, now: datetime) -> datetime:
    if as_of is None:
        dates = dates_in(file.name)
        if not dates:
            raise InputError(
                f"{file}: the list's own date is not in the file's name; give it with --as-of YYYY-MM-DD"
            )
        as_of = dates[-1]
    if as_of > now + timedelta(days=1):
        raise InputError(f"{file}: a list of {register.name} cannot be of {as_of:%Y-%m-%d}, which is to come")
    return as_of


def _base(
    register: RegisterDefinition, file: Path, active: Active | None, base: datetime | None, dated: datetime
) -> Active:
    """The snapshot that a list of changes is for."""
    earlier = [date for date in dates_in(file.name) if date.date() < dated.date()]
    named = base or (earlier[0] if earlier else None)
    if active is None:
        raise InputError(f"{file}: nothing to change: import a full list of {register.name} first")
    if named is None:
        raise InputError(
            f"{file}: a list of changes must name the date of the list it changes, in the file's name before "
            f"its own: {register.name}-{active.as_of:%Y-%m-%d}-{dated:%Y-%m-%d}.txt"
        )
    if named.date() != active.as_of.date():
        raise InputError(
            f"{file}: changes the list of {named:%Y-%m-%d}, but active is that of {active.as_of:%Y-%m-%d}; "
            "import the full list"
        )
    return active


def _refuse_older(file: Path, active: Active | None, dated: datetime) -> None:
    if active is not None and dated < active.as_of:
        raise InputError(
            f"{file}: is of {dated:%Y-%m-%d}, older than the active list of {active.as_of:%Y-%m-%d}; "
            "fetch a newer one, or take it with --force REASON"
        )


def _refuse_suspicious(
    register: RegisterDefinition, file: Path, found: NumberList, active: Active | None, *, change: bool
) -> None:
    if found.rejected > found.read * register.max_rejects:
        raise InputError(
            f"{file}: {found.rejected} of {found.read} rows are no numbers as the register's definition says; "
            "see the rejects beside it, mend [[register]], or take it with --force REASON"
        )
    size, before = len(found.added), active.entries if active else 0
    if change:
        difference = size + len(found.deleted)
    elif size == 0:
        raise InputError(f"{file}: holds no number; fetch it again, or take it with --force REASON")
    else:
        difference = abs(size - before)
    if active is not None and before >= _FEW and difference > before * register.max_size_change:
        raise InputError(
            f"{file}: differs from the active list by {difference} of {before} numbers, more than "
            f"{register.max_size_change:.0%}; fetch it again, or take it with --force REASON"
        )


def _coverage(
    register: RegisterDefinition, found: NumberList, areas: Sequence[str], base: Active | None
) -> tuple[str, ...] | None:
    """E.164 prefixes that the new snapshot answers for; None: every number."""
    if areas:
        return tuple(sorted({f"1{area}" for area in areas}))
    if base is not None:
        return base.coverage
    if register.by_area:
        bounds = np.arange(_FIRST_AREA, _BEYOND_AREAS + 1, dtype=np.uint64) * np.uint64(_SUBSCRIBER)
        held = np.diff(np.searchsorted(found.added, bounds))
        return tuple(str(_FIRST_AREA + int(place)) for place in np.flatnonzero(held))
    return register.coverage or None


def _bytes_told(on_progress: OnProgress | None) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(Progress(done, total, 0))
