"""The installation judged: keys, databases, disk, registers, and whether the service gives verdicts."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vaglio.errors import VaglioError
from vaglio.index.overview import RegisterInfo
from vaglio.pbx.doctor.finding import Finding, Level
from vaglio.pbx.doctor.verdicts import ping, ready

LEAST_FREE: Final = 1 << 30
"""Bytes of free disk below which the doctor warns: the service stops being ready far below."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One process that answers the dialplan."""

    name: str
    listen: tuple[str, int]
    health: tuple[str, int]
    required: bool
    """Whether its absence is a fault."""


def files(databases: Iterable[Path], load_keys: Callable[[], object]) -> Iterator[Finding]:
    """Databases, keys and disk."""
    try:
        load_keys()
    except VaglioError as error:
        yield Finding("keys", Level.FAULT, str(error))
    directories = set()
    for file in databases:
        if not file.is_file():
            yield Finding("files", Level.FAULT, f"{file}: not there", "put it back from a backup")
            continue
        directories.add(file.absolute().parent)
        if file.stat().st_mode & 0o007:
            yield Finding(
                "files", Level.FAULT, f"{file}: anybody on this host can use it", f"run `chmod o= {file}`"
            )
    for directory in sorted(directories):
        disk = os.statvfs(directory)
        free = disk.f_bavail * disk.f_frsize
        if free < LEAST_FREE:
            yield Finding(
                "disk",
                Level.FAULT,
                f"{directory}: {free >> 20} MiB left; without room for its entry no call goes out",
                "make room, or move the log to a larger disk",
            )


def registers(known: Iterable[RegisterInfo], asking: Mapping[str, list[str]]) -> Iterator[Finding]:
    """Registers that stop campaigns, or soon will; one that no campaign asks says nothing."""
    for one in known:
        campaigns = asking.get(one.name, [])
        if not campaigns:
            continue
        stops = ", ".join(campaigns[:8]) + (" and others" if len(campaigns) > len(campaigns[:8]) else "")
        of = f"{one.name}{f' of {one.controller}' if one.controller else ''}"
        again = f"run `vaglio sync run`, or take it in by `vaglio register import {one.name}`"
        if one.as_of is None:
            yield Finding("registers", Level.FAULT, f"register {of} was never taken in; may stop: {stops}", again)
        elif one.days_left is not None and one.days_left <= 0:
            what = f"register {of} is stale since {-one.days_left:.1f} days; may stop: {stops}"
            yield Finding("registers", Level.FAULT, what, again)
        elif one.warning:
            what = f"register {of} is stale in {one.days_left:.1f} days; will then stop: {stops}"
            yield Finding("registers", Level.NOTE, what, again)


async def verdicts(listener: Listener, secret: str | None) -> list[Finding]:
    """Whether a process answers the dialplan's questions, and says it is ready."""
    level = Level.FAULT if listener.required else Level.NOTE
    where = f"{listener.listen[0]}:{listener.listen[1]}"
    if await ping(listener.listen, secret) is None:
        return [
            Finding(
                "service",
                level,
                f"{listener.name} gives no answer at {where}: calls fall to the "
                f"{'standby or the ' if listener.required else ''}failure policies",
                "start it: `systemctl start vaglio vaglio-standby`, and read its log",
            )
        ]
    told = await ready(listener.health)
    if told:
        what = f"{listener.name} is not ready: {told}"
        return [Finding("service", Level.FAULT, what, "docs/operating.md, Health, says what to do")]
    return []
