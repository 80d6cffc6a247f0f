"""A FastAGI peer that says what a test tells it to: the faults a real service should never show."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_ULID = "01JZ0000000000000000000000"


@dataclass(slots=True)
class Conversation:
    """One connection from Asterisk, its header block read."""

    connection: socket.socket
    headers: dict[str, str]
    lines: list[str] = field(default_factory=list)

    @property
    def route(self) -> str:
        """The path of the `agi://` address, such as `screen`."""
        return self.headers.get("agi_network_script", "")

    @property
    def arguments(self) -> list[str]:
        """The arguments after the address, in order."""
        found: list[str] = []
        while (name := f"agi_arg_{len(found) + 1}") in self.headers:
            found.append(self.headers[name])
        return found

    @property
    def uniqueid(self) -> str:
        """The asking channel's unique id."""
        return self.headers.get("agi_uniqueid", "")

    def send(self, line: bytes) -> None:
        """Send these bytes as they are."""
        self.connection.sendall(line)

    def set(self, **variables: str) -> None:
        """Set channel variables in one command and wait for Asterisk's reply."""
        self.send(b"EXEC MSet " + ",".join(f"{k}={v}" for k, v in variables.items()).encode() + b"\n")
        self.lines.append(self.connection.recv(4096).decode())

    def verdict(self, word: str, *, uniqueid: str | None = None, decision: str = _ULID) -> None:
        """Give a verdict in the form of the contract."""
        call = self.uniqueid if uniqueid is None else uniqueid
        self.set(VAGLIO=f"{word}:{call}:{decision}", VAGLIO_REASON="TEST", VAGLIO_DECISION=decision)


class Peer:
    """Listens on a port of loopback (0: any free one) and runs `script` for each connection; keeps them all."""

    def __init__(self, script: Callable[[Conversation], None], port: int = 0) -> None:
        self.script = script
        self.conversations: list[Conversation] = []
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.peer = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`, as the dialplan takes it."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def asked(self, route: str = "screen") -> list[Conversation]:
        """The conversations of one route, in order."""
        return [conversation for conversation in self.conversations if conversation.route == route]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    peer: Peer


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        headers: dict[str, str] = {}
        # A call that ends in the midst closes the connection: nothing to tell about it here.
        with suppress(OSError):
            while line := self.rfile.readline().decode(errors="replace").strip():
                name, _, value = line.partition(":")
                headers.setdefault(name, value.strip())
            conversation = Conversation(self.connection, headers)
            self.server.peer.conversations.append(conversation)
            self.server.peer.script(conversation)


def allow(conversation: Conversation) -> None:
    """Allow the call, as the contract says."""
    conversation.verdict("allow")


def block(conversation: Conversation) -> None:
    """Block the call, as the contract says."""
    conversation.verdict("block")


def failure(conversation: Conversation) -> None:
    """Say that no verdict is possible."""
    conversation.send(b"failure\n")


@contextmanager
def full_backlog() -> Iterator[str]:
    """The address of a listener that accepts nobody and whose queue is full: a connect there hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        for client in waiting:
            client.close()
