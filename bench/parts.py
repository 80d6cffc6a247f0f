"""The parts a measurement needs and a machine may lack: found, else installed by the system's own tools."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent


class NotMeasured(Exception):  # noqa: N818 - the table's own words
    """A row that cannot be measured here; the text says why and what to do."""


def compiled(source: Path, directory: Path) -> Path:
    """The program made from one C file by the system's compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        _apt("gcc", "libc6-dev")
        compiler = shutil.which("cc") or "cc"
    program = directory / source.stem
    _run("compiling", [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source)])
    return program


def perl_with_net_server() -> str:
    """The path of a Perl that has Net::Server."""
    if not _perl_knows_net_server():
        _apt("perl", "libnet-server-perl")
    if not _perl_knows_net_server():
        raise NotMeasured("this Perl has no Net::Server: install libnet-server-perl")
    return shutil.which("perl") or "perl"


def postgres_programs() -> Path:
    """The directory of PostgreSQL's own programs (`initdb`, `postgres`)."""
    found = _postgres_directory()
    if found is None:
        _apt("postgresql")
        found = _postgres_directory()
    if found is None:
        raise NotMeasured("no PostgreSQL server here: install the package postgresql")
    return found


def psycopg() -> None:
    """Make psycopg importable, from the bench's own pinned requirements."""
    if importlib.util.find_spec("psycopg") is not None:
        return
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes"]
    _run("installing psycopg", [*pip, "-r", str(_HERE / "requirements.txt")])


def _perl_knows_net_server() -> bool:
    perl = shutil.which("perl")
    if perl is None:
        return False
    return (
        subprocess.run([perl, "-MNet::Server::PreFork", "-e1"], capture_output=True, check=False).returncode == 0
    )


def _postgres_directory() -> Path | None:
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if program := shutil.which("initdb"):
        found.append(Path(program).resolve().parent)
    return max(found, default=None, key=lambda path: path.parent.name.zfill(4))


def _apt(*packages: str) -> None:
    """Install Debian packages, and start none of the services they bring."""
    names = " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotMeasured(f"missing: install {names}, or run as root on Debian or Ubuntu")
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        _run("reading the package lists", ["apt-get", "update", "-q"])
        _run(f"installing {names}", ["apt-get", "install", "-yq", "--no-install-recommends", *packages])
    finally:
        if ours:
            policy.unlink()


def _run(step: str, command: list[str]) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasured(f"{step} failed: {error}") from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise NotMeasured(f"{step} failed: {lines[-1]}")
