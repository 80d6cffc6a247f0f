"""What `/readyz` asks of the files: looked at from a thread, once a second, so that no answer waits for a disk."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from vaglio.audit.tree import LAST_CHECKPOINT
from vaglio.errors import VaglioError
from vaglio.index import overview
from vaglio.index.definitions import definitions
from vaglio.site import Site

LEAST_FREE: Final = 16 << 20
"""Bytes the log's disk must have left; below, the next decisions may not find room."""

_INSPECTION_SECONDS: Final = 1.0
_REGISTERS_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one look found.

    Attributes:
        faults: one line each; none when verdicts can be given and recorded.
        checkpoint_at: when the last checkpoint was signed, by whichever process, in epoch seconds; None before
            the first.
    """

    faults: tuple[str, ...]
    checkpoint_at: float | None


async def keep_inspecting(
    site: Site, opened: tuple[tuple[int, int], ...], told: Callable[[Inspection], None]
) -> None:
    """Inspect once a second until cancelled."""
    while True:
        told(await asyncio.to_thread(inspect, site, opened))
        await asyncio.sleep(_INSPECTION_SECONDS)


async def keep_dating_registers(site: Site, told: Callable[[Mapping[str, float]], None]) -> None:
    """Tell the registers' dates every five minutes until cancelled."""
    while True:
        try:
            told(await asyncio.to_thread(register_dates, site))
        except VaglioError as error:
            structlog.get_logger("vaglio.service.readiness").error("registers not dated", error=str(error))
        await asyncio.sleep(_REGISTERS_SECONDS)


def identities(site: Site) -> tuple[tuple[int, int], ...]:
    """Which files the databases are now; a file put in place of an open one has another identity.

    Raises:
        OSError: when one is missing.
    """
    return tuple((found.st_dev, found.st_ino) for found in (file.stat() for file in _databases(site)))


def inspect(site: Site, opened: tuple[tuple[int, int], ...]) -> Inspection:
    """Look at databases, keys and disk; `opened` is what `identities` said when the databases were opened."""
    faults = []
    try:
        site.keys()
    except VaglioError as error:
        faults.append(str(error))
    for file, identity in zip(_databases(site), opened, strict=True):
        faults += _faults_of(file, identity)
    try:
        disk = os.statvfs(site.log_file.parent)
        free = disk.f_bavail * disk.f_frsize
    except OSError as error:
        faults.append(f"{site.log_file.parent}: cannot be examined ({error.strerror}); see to its disk")
    else:
        if free < LEAST_FREE:
            faults.append(f"{site.log_file}: {free >> 20} MiB left on its disk; make room")
    return Inspection(tuple(faults), _modified(site.settings.path(site.settings.audit.keys) / LAST_CHECKPOINT))


def register_dates(site: Site) -> dict[str, float]:
    """Register → date of its list or of its oldest verdict, in epoch seconds; none that was never taken in.

    Takes a second or more where a query register holds millions of verdicts.

    Raises:
        VaglioError: when the index cannot be read.
    """
    dates: dict[str, float] = {}
    for info in overview.registers(site.index_file, definitions(site.settings.registers)):
        if info.as_of is not None:
            dates[info.name] = min(info.as_of.timestamp(), dates.get(info.name, time.time()))
    return dates


def _databases(site: Site) -> tuple[Path, Path]:
    return site.index_file, site.log_file


def _faults_of(file: Path, identity: tuple[int, int]) -> list[str]:
    try:
        found = file.stat()
    except OSError as error:
        return [f"{file}: {error.strerror}; put it back and restart the service"]
    if (found.st_dev, found.st_ino) != identity:
        return [f"{file}: another file stands in its place since the start; restart the service"]
    if not os.access(file, os.W_OK):
        return [f"{file}: cannot be written; give the service's user write access"]
    return []


def _modified(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except OSError:
        return None
