"""A whole installation of Vaglio in a directory of its own, run as its users run it: by the command line."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import Any, Self

import orjson

from lab.errors import LabError
from lab.ports import free_port
from lab.serving import Serving
from vaglio.audit import Reader

_COMMAND_SECONDS = 120.0


class Vaglio:
    """`vaglio init`, `vaglio serve` and every other command, on free ports; use as a context manager to serve.

    Real-time as in the shipped units, where the machine grants it. A home that holds an installation is used as it
    is; only its addresses are configured anew.
    """

    def __init__(self, home: Path, *, port: int | None = None, policy_directory: Path | None = None) -> None:
        self.home = home
        self.port = port or free_port()
        self.health_port = free_port()
        if not self.configuration.exists():
            self.run("init", str(home))
        policy = f'\n[failure_policy]\ndirectory = "{policy_directory}"\n' if policy_directory else ""
        self._first = Serving(self.configuration, self.port, self.health_port)
        self.standby = Serving(self.configuration, free_port(), free_port(), "--standby")
        self.web = Serving(self.configuration, web := free_port(), web, command="web")
        self.configuration.write_text(
            f'[fastagi]\nlisten = "127.0.0.1:{self.port}"\nreal_time = true\n'
            f'\n[health]\nlisten = "127.0.0.1:{self.health_port}"\n'
            f'\n[standby]\nlisten = "127.0.0.1:{self.standby.port}"\n'
            f'health = "127.0.0.1:{self.standby.health_port}"\n'
            f'\n[web]\nlisten = "127.0.0.1:{self.web.port}"\n{policy}'
        )

    @property
    def configuration(self) -> Path:
        """The configuration file."""
        return self.home / "vaglio.toml"

    @property
    def log(self) -> str:
        """What the service has logged so far."""
        return self._first.log

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run a command to its end; what it printed. Raises LabError when it exits otherwise than by `codes`."""
        done = self.attempt(*arguments)
        if done.returncode not in codes:
            raise LabError(f"vaglio {' '.join(arguments)} exited {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        return subprocess.run(
            [sys.executable, "-m", "vaglio", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "VAGLIO_CONFIG": str(self.configuration)},
            timeout=_COMMAND_SECONDS,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command and leave it running; whoever began it must end it."""
        return subprocess.Popen(
            [sys.executable, "-m", "vaglio", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "VAGLIO_CONFIG": str(self.configuration)},
        )

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Every entry of the log so far, or those of one kind, oldest first; read from the file itself."""
        with Reader(self.home / "audit.db") as log:
            bodies = [{"seq": record.seq, **record.body} for record in log.tail(log.size())]
        return [body for body in bodies if kind in {None, body["kind"]}]

    def json(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> Any:  # noqa: ANN401 - a document of any shape
        """Run a command with `--json` and read what it printed."""
        return orjson.loads(self.run(*arguments, "--json", codes=codes))

    def start(self, sockets: Sequence[tuple[str, socket]] = ()) -> None:
        """Start the first service, with these named sockets as systemd would pass them; wait until it is ready."""
        self._first.start(sockets)

    def launch(self, sockets: Sequence[tuple[str, socket]] = ()) -> None:
        """Start the first service and do not wait."""
        self._first.launch(sockets)

    @property
    def pid(self) -> int:
        """Process id of the first service."""
        return self._first.pid

    @property
    def resident_bytes(self) -> int:
        """Memory of the first service that is in RAM now."""
        return self._first.resident_bytes

    def ready(self) -> bool:
        """Whether the first service's `/readyz` answers 200."""
        return self._first.ready()

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a request to its health listener; status 0 when nobody answers."""
        return self._first.get(path)

    def send(self, number: signal.Signals) -> None:
        """Send the first service a signal: SIGHUP, SIGSTOP, SIGCONT."""
        self._first.send(number)

    def stop(self) -> int:
        """Stop the first service as systemd does; its exit code."""
        return self._first.stop()

    def kill(self) -> None:
        """End the first service without any warning."""
        self._first.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
