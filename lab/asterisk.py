"""One private Asterisk: its own directories and ports, started and stopped by process id.

`python -m lab.asterisk fetch [SUITE]` sets up what the bench needs; `python -m lab.asterisk version [SUITE]` shows
it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lab import installation
from lab.errors import LabError
from lab.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

CONF = Path(__file__).resolve().parent.parent / "asterisk-conf"
_BOOT_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports one bench uses, all on 127.0.0.1."""

    sip: int
    trunk: int
    ami: int
    service: int

    @classmethod
    def free(cls) -> Self:
        """Ports nobody listens on now."""
        return cls(sip=free_port(), trunk=free_port(), ami=free_port(), service=free_port())


class Asterisk:
    """An Asterisk with `asterisk-conf/example/`, its ports moved and its directories private.

    `extra` maps file names to texts laid over the example; `extensions_local.conf` is included by its
    dialplan. `globals_` are set as dialplan globals. `suite` is the Debian suite it comes from, as
    `installation.find` takes it. Usable as a context manager; entering waits until the dialplan is loaded and
    raises `LabError` with the end of the log when it never is.
    """

    def __init__(
        self,
        *,
        ports: Ports | None = None,
        extra: Mapping[str, str] | None = None,
        globals_: Mapping[str, str] | None = None,
        suite: str = "",
    ) -> None:
        self.ports = ports or Ports.free()
        self._extra = dict(extra or {})
        self._globals = dict(globals_ or {})
        self._installation = installation.find(suite)
        self._process: subprocess.Popen[bytes] | None = None
        temporary = Path(tempfile.gettempdir())
        root = self._installation.root
        if root is not None:
            temporary = root / "tmp"
        self.home = Path(tempfile.mkdtemp(prefix="vaglio-", dir=temporary))
        # Also for a bench that failed before it came to start this one.
        weakref.finalize(self, shutil.rmtree, self.home, ignore_errors=True)
        self._inner = self.home if root is None else Path("/") / self.home.relative_to(root)

    @property
    def policy_dir(self) -> Path:
        """The directory of the failure policies, as a process outside the rootfs sees it."""
        return self.home / "failure-policy"

    @property
    def log(self) -> str:
        """Everything this Asterisk has logged so far."""
        path = self.home / "log" / "messages"
        return path.read_text(errors="replace") if path.exists() else self._console()

    @property
    def cdr(self) -> str:
        """The call detail records written so far, as CSV; Asterisk writes them a moment after a call's end."""
        path = self.home / "log" / "cdr-csv" / "Master.csv"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def pid(self) -> int:
        """The process id of the running Asterisk."""
        if self._process is None:
            raise LabError("this Asterisk is not running: start it first")
        return self._process.pid

    def overlay(self, name: str, text: str) -> None:
        """Replace a file of the example before the start; its addresses are moved as the example's are."""
        self._extra[name] = self._moved(text)

    def inside(self, name: str) -> Path:
        """The path of a configuration file as this Asterisk sees it."""
        return self._inner / name

    def start(self) -> None:
        """Write the configuration, start, and wait until fully booted."""
        self._write_configuration()
        self._launch()

    def restart(self) -> None:
        """Stop and start again: dialplan globals are lost, AstDB and the configuration stay."""
        self._end_process()
        self._launch()

    def stop(self) -> None:
        """Stop this process and no other, and remove its directory."""
        self._end_process()
        shutil.rmtree(self.home, ignore_errors=True)

    def _launch(self) -> None:
        with (self.home / "console").open("wb") as console:
            self._process = subprocess.Popen(
                self._installation.command("-C", f"{self._inner}/asterisk.conf", "-f"),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "HOME": str(self._inner),
                    "LANG": "C.UTF-8",
                    "TERM": "dumb",
                },
                start_new_session=True,
            )
        deadline = time.monotonic() + _BOOT_SECONDS
        while not self._booted():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self._console()[-2000:]
                self.stop()
                raise LabError(f"Asterisk did not start; its last words: {tail}")
            time.sleep(0.05)

    def _end_process(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(timeout=5)
        self._process = None

    def cli(self, command: str) -> str:
        """What `asterisk -rx COMMAND` answers on this instance's own socket."""
        done = subprocess.run(
            self._installation.command("-C", f"{self._inner}/asterisk.conf", "-rx", command),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=30,
            cwd="/",
        )
        if done.returncode != 0:
            raise LabError(f"asterisk -rx failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _booted(self) -> bool:
        if not (self.home / "run" / "asterisk.ctl").exists():
            return False
        try:
            return "fully booted" in self.cli("core waitfullybooted")
        except LabError:
            return False

    def _console(self) -> str:
        path = self.home / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def _write_configuration(self) -> None:
        for name in ("run", "db", "spool", "log", "log/cdr-csv", "failure-policy"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        for source in (*CONF.glob("*.conf"), *(CONF / "example").glob("*.conf")):
            (self.home / source.name).write_text(self._moved(source.read_text()))
        for name, text in self._extra.items():
            (self.home / name).write_text(text)
        extensions = self.home / "extensions.conf"
        lines = "".join(f"{name} = {value}\n" for name, value in self._globals.items())
        extensions.write_text(_replace(extensions.read_text(), "[globals]\n", f"[globals]\n{lines}"))

    def _moved(self, text: str) -> str:
        """The example's text with its default addresses and directories turned into this instance's own."""
        moves = {
            "127.0.0.1:5060": f"127.0.0.1:{self.ports.sip}",
            "127.0.0.1:5080": f"127.0.0.1:{self.ports.trunk}",
            "port = 5038": f"port = {self.ports.ami}",
            "VAGLIO_ADDRESS = 127.0.0.1:4573": f"VAGLIO_ADDRESS = 127.0.0.1:{self.ports.service}",
            "= /var/lib/vaglio/failure-policy": f"= {self._inner}/failure-policy",
            "=> /etc/asterisk": f"=> {self._inner}",
            "=> /var/lib/asterisk": f"=> {self._inner}/db",
            "=> /var/run/asterisk": f"=> {self._inner}/run",
            "=> /var/spool/asterisk": f"=> {self._inner}/spool",
            "=> /var/log/asterisk": f"=> {self._inner}/log",
        }
        for old, new in moves.items():
            text = text.replace(old, new)
        return text


def _replace(text: str, old: str, new: str) -> str:
    if old not in text:
        raise LabError(f"the example no longer has the line {old.strip()!r}: the bench must follow it")
    return text.replace(old, new, 1)


def main(arguments: list[str]) -> int:
    """Run `fetch` (set up what is missing) or `version` (show what is there), of a suite or the default."""
    match arguments:
        case ["fetch", *suite] if len(suite) <= 1:
            wanted = installation.fetch
        case ["version", *suite] if len(suite) <= 1:
            wanted = installation.find
        case _:
            sys.stderr.write("usage: python -m lab.asterisk fetch|version [SUITE]\n")
            return os.EX_USAGE
    try:
        found = wanted(*suite)
        sys.stdout.write(f"{found.version()} in {found.root or found.binary}\n")
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
