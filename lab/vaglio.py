"""A whole installation of Vaglio in a directory of its own, run as its users run it: by the command line."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from lab.errors import LabError
from lab.ports import free_port
from vaglio.audit import Reader

_START_SECONDS = 30.0
_COMMAND_SECONDS = 120.0


class Vaglio:
    """`vaglio init`, `vaglio serve` and every other command, on free ports; use as a context manager to serve.

    A home that holds an installation is used as it is; only its addresses are configured anew.
    """

    def __init__(self, home: Path, *, port: int | None = None, policy_directory: Path | None = None) -> None:
        self.home = home
        self.port = port or free_port()
        self.health_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if not self.configuration.exists():
            self.run("init", str(home))
        policy = f'\n[failure_policy]\ndirectory = "{policy_directory}"\n' if policy_directory else ""
        health = f'\n[health]\nlisten = "127.0.0.1:{self.health_port}"\n'
        self.configuration.write_text(f'[fastagi]\nlisten = "127.0.0.1:{self.port}"\n{health}{policy}')

    @property
    def configuration(self) -> Path:
        """The configuration file."""
        return self.home / "vaglio.toml"

    @property
    def log(self) -> str:
        """What the service has logged so far."""
        file = self.home / "service.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

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

    def start(self) -> None:
        """Start the service and wait until it is ready."""
        with (self.home / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vaglio", "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "VAGLIO_CONFIG": str(self.configuration)},
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise LabError(f"the service did not get ready; its last words: {self.log[-2000:]}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """Process id of the running service."""
        if self._process is None:
            raise LabError("this service is not running: start it first")
        return self._process.pid

    @property
    def resident_bytes(self) -> int:
        """Memory of the running service that is in RAM now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def ready(self) -> bool:
        """Whether `/readyz` answers 200."""
        return self.get("/readyz")[0] == 200  # noqa: PLR2004 - HTTP

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a request to the health listener; status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def send(self, number: signal.Signals) -> None:
        """Send the service a signal: SIGHUP, SIGSTOP, SIGCONT."""
        os.kill(self.pid, number)

    def stop(self) -> int:
        """Stop the service as systemd does; its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the service without any warning."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(how)
        try:
            return process.wait(timeout=15)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait(timeout=5)
            raise LabError(f"the service did not end within 15 s of {how.name}") from error

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
