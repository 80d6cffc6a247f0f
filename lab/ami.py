"""A plain manager-interface client for the bench, independent of the service's own."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from lab.errors import LabError

if TYPE_CHECKING:
    from types import TracebackType


class Manager:
    """Logged in as one account; every action waits for its answer. Use as a context manager."""

    def __init__(self, port: int, username: str, secret: str, events: str = "off") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._stream = self._socket.makefile("rb")
        self._stream.readline()
        self.act("Login", Username=username, Secret=secret, Events=events)

    def act(self, action: str, **headers: str) -> str:
        """The answer's text. Raises LabError when it is not a success."""
        lines = [f"Action: {action}", "ActionID: lab", *(f"{key}: {value}" for key, value in headers.items())]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while True:
            block = []
            while (line := self._stream.readline().decode(errors="replace").rstrip("\r\n")) != "":
                block.append(line)
            if any(line.startswith("Response: ") for line in block):
                break
            if not block:
                raise LabError(f"{action}: the manager interface closed the connection")
        text = "\n".join(block)
        if "Response: Success" not in text:
            raise LabError(f"{action}: {text}")
        return text

    def heard(self, seconds: float) -> list[str]:
        """The names of the events that arrive until none has come for so long."""
        names = []
        self._socket.settimeout(seconds)
        with suppress(TimeoutError):
            while line := self._stream.readline().decode(errors="replace"):
                if line.startswith("Event: "):
                    names.append(line.removeprefix("Event: ").strip())
        return names

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._socket.close()
