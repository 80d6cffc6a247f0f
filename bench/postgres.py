"""A private PostgreSQL on a free port of loopback, run as an unprivileged user, gone when the block ends."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.parts import NotMeasured, postgres_programs
from bench.processes import running
from lab.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROWS = 100_000
_TABLE = f"""
    CREATE TABLE opposition (number text PRIMARY KEY);
    INSERT INTO opposition SELECT '+336' || lpad((2 * n)::text, 8, '0') FROM generate_series(1, {_ROWS}) AS n;
    ANALYZE opposition;
"""


@contextmanager
def postgres() -> Iterator[str]:
    """A connection string for a database with a table of 100,000 oppositions."""
    programs = postgres_programs()
    user = _unprivileged()
    directory = Path(tempfile.mkdtemp(prefix="vaglio-postgres-"))
    try:
        if user is not None:
            shutil.chown(directory, user)
        _call([programs / "initdb", "-D", directory / "data", "-U", "bench", "-A", "trust", "-E", "UTF8"], user)
        port = free_port()
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(directory)}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command: list[str | Path] = [programs / "postgres", "-D", directory / "data", "-p", str(port), *settings]
        with running(command, port, log=directory / "log", user=user):
            conninfo = f"host=127.0.0.1 port={port} user=bench dbname=postgres"
            _fill(conninfo)
            yield conninfo
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _fill(conninfo: str) -> None:
    psycopg: Any = import_module("psycopg")  # for the bench alone, perhaps installed a moment ago
    with psycopg.connect(conninfo) as connection:
        connection.execute(_TABLE)


def _unprivileged() -> str | None:
    """The user to run as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _call(command: list[str | Path], user: str | None) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        user=user,
        cwd="/",
        timeout=120,
    )
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise NotMeasured(f"{Path(command[0]).name} failed: {lines[-1]}")
