"""One `vaglio serve` or `vaglio web` process: started, asked whether it is ready, signalled, ended."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import Self

from lab.errors import LabError

_START_SECONDS = 30.0
_ACTIVATED = """
import os, sys
for to, fd in enumerate([os.dup(int(fd)) for fd in sys.argv[1].split()], 3):
    os.dup2(fd, to)
    os.set_inheritable(to, True)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
"""What systemd does with the sockets of a service: they become 3, 4, …, and the process is told so."""


class Serving:
    """The first service, the standby or the web of an installation; use as a context manager to serve."""

    def __init__(
        self, configuration: Path, port: int, health_port: int, *options: str, command: str = "serve"
    ) -> None:
        self.port = port
        self.health_port = health_port
        self._configuration = configuration
        self._command = (command, *options)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the process has logged so far, over all its starts."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        return self._configuration.with_name(f"{'-'.join(self._command)}.log")

    def start(self, sockets: Sequence[tuple[str, socket]] = ()) -> None:
        """Start, with these named sockets as systemd would pass them, and wait until it is ready."""
        self.launch(sockets)
        deadline = time.monotonic() + _START_SECONDS
        while not self.ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise LabError(f"the service did not get ready; its last words: {self.log[-2000:]}")
            time.sleep(0.02)

    def launch(self, sockets: Sequence[tuple[str, socket]] = ()) -> None:
        """Start and do not wait."""
        command = [sys.executable, "-m", "vaglio", *self._command]
        environment = {**os.environ, "VAGLIO_CONFIG": str(self._configuration)}
        passed = tuple(one.fileno() for _, one in sockets)
        if passed:
            command = [sys.executable, "-IS", "-c", _ACTIVATED, " ".join(map(str, passed)), *command]
            environment["LISTEN_FDS"] = str(len(passed))
            environment["LISTEN_FDNAMES"] = ":".join(name for name, _ in sockets)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=passed,
                start_new_session=True,
            )

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

    def await_words(self, words: str) -> None:
        """Wait until the process has logged these words. Raises LabError when it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while words not in self.log:
            if time.monotonic() > deadline:
                raise LabError(f"the process did not log {words!r}; its last words: {self.log[-2000:]}")
            time.sleep(0.02)

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
            if how is not signal.SIGKILL:  # which also ends what is stopped
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
