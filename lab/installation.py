"""Where a real Asterisk comes from: the distribution's package, else a cached rootfs made by debootstrap.

Debian's testing suite packages Asterisk 22, bullseye 16, bookworm and trixie none, Ubuntu 18 to 20.
A suite always means a rootfs of that suite. Where none is named, `ASTERISK_SUITE` names it; unset, the
distribution's own package comes first, then a rootfs of `forky`.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import AsteriskUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEFAULT_SUITE = "forky"
OLDEST_SUITE = "bullseye"
"""Has the oldest Asterisk the dialplan is for: 16, with the Macro that FreePBX up to 16 needs."""
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_POLICY = Path("/usr/sbin/policy-rc.d")
_APT_LISTS = Path("/var/lib/apt/lists")


@dataclass(frozen=True, slots=True)
class Installation:
    """One runnable Asterisk: `root` is the rootfs it is chrooted into, or None when it is the machine's own."""

    root: Path | None
    binary: str

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs this Asterisk's binary with these arguments."""
        prefix = [] if self.root is None else ["chroot", str(self.root)]
        return [*prefix, self.binary, *arguments]

    def version(self) -> str:
        """The version line, such as `Asterisk 22.10.1`."""
        done = subprocess.run(self.command("-V"), capture_output=True, text=True, check=True, timeout=30)
        return done.stdout.strip()


def cache_dir() -> Path:
    """Where the rootfs directories are kept (`$XDG_CACHE_HOME/vaglio`)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vaglio"


def find(suite: str = "") -> Installation:
    """The Asterisk already on this machine; raises AsteriskUnavailable when there is none yet."""
    suite = suite or os.environ.get("ASTERISK_SUITE", "")
    if not suite and (binary := _which("asterisk")):
        return Installation(root=None, binary=binary)
    rootfs = cache_dir() / f"asterisk-{suite or DEFAULT_SUITE}"
    if not rootfs.is_dir():
        raise AsteriskUnavailable(f"no Asterisk in {rootfs}: run `{_fetching(suite)}` as root")
    if os.geteuid() != 0:
        raise AsteriskUnavailable(f"the Asterisk in {rootfs} is run by chroot: run as root")
    return Installation(root=rootfs, binary="/usr/sbin/asterisk")


def fetch(suite: str = "") -> Installation:
    """Set up Asterisk and SIPp, installing what is missing; raises AsteriskUnavailable in one line.

    May be called by several processes at once and again at any time: one makes, the others wait for it.
    """
    suite = suite or os.environ.get("ASTERISK_SUITE", "")
    with _only_maker():
        if _which("sipp") is None:
            _apt_install("sip-tester")
        if not suite and _which("asterisk") is None and _apt_candidate("asterisk"):
            with _no_services_started():
                _apt_install("asterisk")
        if suite or _which("asterisk") is None:
            _rootfs(f"asterisk-{suite or DEFAULT_SUITE}", suite or DEFAULT_SUITE, "--include=asterisk")
    return find(suite)


def debian(suite: str) -> Path:
    """The smallest Debian of this suite, made where it is missing; raises AsteriskUnavailable in one line."""
    with _only_maker():
        return _rootfs(f"debian-{suite}", suite)


def sipp() -> str:
    """The path of SIPp; raises AsteriskUnavailable when it is not installed."""
    if (path := _which("sipp")) is None:
        raise AsteriskUnavailable("no SIPp on this machine: run `python -m lab.asterisk fetch` as root")
    return path


def _fetching(suite: str) -> str:
    return f"python -m lab.asterisk fetch {suite}".rstrip()


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")


@contextmanager
def _only_maker() -> Iterator[None]:
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "asterisk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(step: str, command: Sequence[str]) -> str:
    """Run one step of the set-up; its last line of output is what the error shows."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise AsteriskUnavailable(f"{step} failed: {error}") from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise AsteriskUnavailable(f"{step} failed: {lines[-1]}")
    return done.stdout


def _need_root(what: str) -> None:
    if os.geteuid() != 0:
        raise AsteriskUnavailable(f"{what} needs root: run `python -m lab.asterisk fetch` as root once")
    if shutil.which("apt-get") is None:
        raise AsteriskUnavailable(f"{what} needs apt: install Asterisk and SIPp by hand")


def _apt_install(package: str) -> None:
    _need_root(f"installing {package}")
    command = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    try:
        _run(f"installing {package}", command)
    except AsteriskUnavailable:
        # The lists of a fresh machine are empty or old.
        _run("reading the package lists", ["apt-get", "update"])
        _run(f"installing {package}", command)


def _apt_candidate(package: str) -> bool:
    if shutil.which("apt-cache") is None:
        return False
    if os.geteuid() == 0 and not any(_APT_LISTS.glob("*_Packages*")):
        _run("reading the package lists", ["apt-get", "update"])
    policy = _run("asking apt", ["apt-cache", "policy", package])
    return "Candidate:" in policy and "Candidate: (none)" not in policy


@contextmanager
def _no_services_started() -> Iterator[None]:
    """Keep the package from starting a system-wide Asterisk that nobody asked for."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _rootfs(name: str, suite: str, *options: str) -> Path:
    """The cached rootfs of this name, made by debootstrap where it is missing; by one maker at a time."""
    rootfs = cache_dir() / name
    if rootfs.is_dir():
        return rootfs
    _need_root(f"making {rootfs.name}")
    if shutil.which("debootstrap") is None:
        _apt_install("debootstrap")
    if not (_SCRIPTS / suite).exists():
        # An older debootstrap does not know the newest suites; they are all made as sid is.
        (_SCRIPTS / suite).symlink_to("sid")
    for leftover in rootfs.parent.glob(f"{rootfs.name}.part-*"):
        shutil.rmtree(leftover)
    partial = rootfs.with_name(f"{rootfs.name}.part-{os.getpid()}")
    command = ["debootstrap", "--variant=minbase", *options, suite, str(partial), *_debian_mirror()]
    try:
        _run(f"debootstrap of Debian {suite}", command)
        shutil.rmtree(partial / "var/cache/apt/archives", ignore_errors=True)
        partial.rename(rootfs)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return rootfs


def _debian_mirror() -> list[str]:
    """The machine's own Debian mirror; none on another distribution: debootstrap then takes its default."""
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian":
        return []
    targets = _run(
        "reading apt's mirrors", ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(SITE)"]
    )
    for line in targets.splitlines():
        suite, component, site = line.split(" ", 2)
        if suite in {release.get("VERSION_CODENAME"), "stable", "testing", "sid"} and component == "main":
            return [site]
    raise AsteriskUnavailable("apt knows no Debian mirror: add one to its sources")
