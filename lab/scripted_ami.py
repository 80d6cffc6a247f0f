"""A scripted manager interface: what a bench puts in Asterisk's place to see how a bad line or peer is borne."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

BANNER = b"Asterisk Call Manager/7.0.3\r\n"


class Peer:
    """A manager interface that answers logins and pings, and does else what a test makes it do."""

    def __init__(self) -> None:
        self.port = 0
        self.password = "s3cret"  # noqa: S105 - the peer's own
        self.deaf = False
        self.actions: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.answer: Callable[[dict[str, str]], bytes | None] = self.success
        """What it answers; None leaves an action unanswered."""

    def success(self, action: dict[str, str]) -> bytes:
        """The answer that grants an action."""
        return f"Response: Success\r\nActionID: {action['ActionID']}\r\nMessage: done\r\n\r\n".encode()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.writers.append(writer)
        writer.write(BANNER)
        try:
            while block := await reader.readuntil(b"\r\n\r\n"):
                self.raw.append(block)
                lines = block.decode().strip().split("\r\n")
                action = dict(line.split(": ", 1) for line in lines)
                self.actions.append(action)
                if self.deaf:
                    continue
                if action["Action"] == "Login" and action["Secret"] != self.password:
                    text = f"Response: Error\r\nActionID: {action['ActionID']}\r\nMessage: Authentication failed"
                    writer.write(f"{text}\r\n\r\n".encode())
                    break
                if answer := self.answer(action):
                    writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def count(self, action: str) -> int:
        """How often an action was asked for."""
        return sum(one["Action"] == action for one in self.actions)

    def say(self, text: str | bytes) -> None:
        """Send something to the latest connection."""
        self.writers[-1].write(text.encode() if isinstance(text, str) else text)

    def drop(self) -> None:
        """Reset the latest connection."""
        self.writers[-1].transport.abort()


@asynccontextmanager
async def scripted(tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """A listening peer, its connections reset at the end."""
    peer = Peer()
    server = await asyncio.start_server(peer.talk, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for writer in peer.writers:
            writer.transport.abort()
