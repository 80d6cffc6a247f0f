"""What docker/compose.yaml asks for, read as far as `lab.pod` can run it.

A key that is not known here is an error: what the lab runs is what the file says, and no less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(__file__).resolve().parent.parent / "docker" / "compose.yaml"
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+):-([^}]*)\})")
_RUN = {"image", "entrypoint", "command", "environment", "volumes", "tmpfs", "depends_on", "healthcheck"}
_HELD = {"network_mode", "pid", "read_only", "cap_drop", "security_opt"}
_THE_ENGINES = {"build", "pull_policy", "init", "restart", "stop_grace_period", "ports", "profiles"}
"""How images come about, what becomes of ended containers, and who is let in from outside."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Something of the outside in a container: a named volume, or else a path."""

    source: str | Path
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Service:
    """One service; what it leaves to its image is None."""

    name: str
    image: str
    dockerfile: Path | None
    """From which its image is built, where it is this service's to build."""
    entrypoint: tuple[str, ...] | None
    command: tuple[str, ...] | None
    environment: Mapping[str, str]
    mounts: tuple[Mount, ...]
    tmpfs: tuple[str, ...]
    after: Mapping[str, str]
    """The services it waits for, and for what of each: `service_healthy` and the like."""
    health: tuple[str, ...] | None
    """The words of its own health check; empty where it has none."""
    shares: frozenset[str]
    """What it shares with the service `host`: `network_mode`, `pid`."""
    profiles: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)
    """All that the file says about it."""


def read(file: Path = FILE, variables: Mapping[str, str] | None = None) -> dict[str, Service]:
    """The services by name, with `${NAME:-default}` taken from `variables`.

    Raises:
        LabError: for a service that the lab could not run as the file says.
    """
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    named = set(document["volumes"])
    return {
        name: _service(name, _filled(asked, variables or {}), file.parent, named)
        for name, asked in document["services"].items()
    }


def _service(name: str, asked: Mapping[str, Any], directory: Path, named: set[str]) -> Service:
    unknown = asked.keys() - _RUN - _HELD - _THE_ENGINES
    if unknown:
        raise LabError(f"compose.yaml: {name}: the lab does not know {min(unknown)!r}; teach lab/compose.py")
    health = asked.get("healthcheck")
    build = asked.get("build")
    return Service(
        name=name,
        image=asked["image"],
        dockerfile=directory / build["context"] / build["dockerfile"] if build else None,
        entrypoint=_words(name, asked.get("entrypoint")),
        command=_words(name, asked.get("command")),
        environment=asked.get("environment", {}),
        mounts=tuple(_mount(name, one, directory, named) for one in asked.get("volumes", ())),
        tmpfs=tuple(asked.get("tmpfs", ())),
        after={other: how["condition"] for other, how in asked.get("depends_on", {}).items()},
        health=None if health is None else () if health.get("disable") else _words(name, health["test"]),
        shares=frozenset(key for key in ("network_mode", "pid") if asked.get(key) == "service:host"),
        profiles=tuple(asked.get("profiles", ())),
        ports=tuple(asked.get("ports", ())),
        document=asked,
    )


def _words(name: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise LabError(f"compose.yaml: {name}: {value!r}: expected a list; a text needs a shell")
    return tuple(value)


def _mount(name: str, text: str, directory: Path, named: set[str]) -> Mount:
    source, target, *options = text.split(":")
    if options not in ([], ["ro"]):
        raise LabError(f"compose.yaml: {name}: {text!r}: the lab knows only `ro`")
    if source in named:
        return Mount(source, target, bool(options))
    if not source.startswith("."):
        raise LabError(f"compose.yaml: {name}: {source!r} is no volume of the file and no relative path")
    return Mount((directory / source).resolve(), target, bool(options))


def _filled(value: Any, variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - a document of any shape
    match value:
        case str():
            return _REFERENCE.sub(lambda m: m[1] or variables.get(m[2], m[3]), value)
        case list():
            return [_filled(one, variables) for one in value]
        case dict():
            return {key: _filled(one, variables) for key, one in value.items()}
        case _:
            return value
