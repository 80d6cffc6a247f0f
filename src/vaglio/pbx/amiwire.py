"""One connection to Asterisk's manager interface: panoramisk's protocol with its gaps closed.

Taken from panoramisk: the framing, the matching of answers to actions, the messages. Its `Manager` is left out: it
sends unanswered actions again after a reconnect, takes a wrong password for a quiet line, connects though closed.
What is done differently here, each held by a test against a scripted peer:

- UTF-8 is decoded across segments; what is no UTF-8 becomes U+FFFD instead of vanishing;
- a message is at most `MAX_MESSAGE` bytes, unanswered actions at most `MAX_PENDING`;
- CR, LF or NUL in a value of an action is refused: it would be a header of its own;
- an event that cannot be read or handled is skipped, the connection lives on;
- when the connection goes, every unanswered action fails at once and is forgotten.
"""

import asyncio
import codecs
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from vaglio.errors import VaglioError

MAX_MESSAGE: Final = 64 * 1024
MAX_PENDING: Final = 256

_BREAKS: Final = frozenset("\r\n\0")
_SILENT: Final = logging.Logger("panoramisk", logging.CRITICAL + 1)  # noqa: LOG001 - outside the tree: it logs secrets


class AmiError(VaglioError):
    """The manager interface cannot be used now, or was asked for something that cannot be sent."""


class Wire(AMIProtocol):  # type: ignore[misc] # panoramisk ships no types
    """A connection from its first byte to its last; `take` gets every event's headers."""

    def __init__(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        self._take = take
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with the reason once the connection is gone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The peer is there."""
        super().connection_made(transport)
        self.encoding = "utf-8"
        self.factory = self
        self.log = _SILENT

    def data_received(self, data: bytes) -> None:
        """Whole characters go on to panoramisk's framing, which keeps the unfinished message."""
        super().data_received(self._decoder.decode(data).encode())
        if sum(len(part) for part in self.queue) > MAX_MESSAGE:
            self.end("a message longer than 64 KiB")

    def handle_message(self, message: Message) -> None:
        """A message that confuses panoramisk must not cost the connection."""
        try:
            super().handle_message(message)
        except (AttributeError, KeyError, TypeError, ValueError):
            return

    def dispatch(self, event: Message) -> None:
        """Called by panoramisk for every event that answers no action."""
        self._take(event)

    def connection_lost(self, exc: object) -> None:
        """The connection is gone, or Asterisk announced that it shuts down."""
        self.end(str(exc) if isinstance(exc, OSError) else "Asterisk closed the connection")

    def close(self) -> None:
        """End at once; nothing unanswered is kept for a later connection."""
        self.end("closed")

    def end(self, reason: str) -> None:
        """End the connection without waiting for the peer; a second call changes nothing."""
        if not self.lost.done():
            self.lost.set_result(reason)
        for action in {id(action): action for action in self.responses.values()}.values():
            if not action.future.done():
                action.future.set_exception(AmiError(f"no answer: {reason}"))
                action.future.exception()
        self.responses.clear()
        self.closed = True
        self.transport.abort()

    async def ask(self, headers: Mapping[str, str], seconds: float) -> Message:
        """Send one action and wait for its answer.

        Raises:
            AmiError: it cannot be sent, the connection went, or no answer came in time.
        """
        if self.lost.done():
            raise AmiError(f"not connected: {self.lost.result()}")
        for name, value in headers.items():
            if not _BREAKS.isdisjoint(name) or not _BREAKS.isdisjoint(value):
                raise AmiError(
                    f"action {headers.get('Action', '')[:40]!r}: a line break or NUL in a header; not sent"
                )
        if len(self.responses) >= MAX_PENDING:
            raise AmiError(f"{MAX_PENDING} actions wait for an answer; not sent")
        action = Action(dict(headers), as_list=False)
        future = self.send(action, as_list=False)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError as error:
            raise AmiError(f"no answer to {headers['Action']} within {seconds:g} s") from error
        finally:
            self.responses.pop(action.id, None)
