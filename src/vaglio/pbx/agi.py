"""One AGI conversation seen from the server's side, without I/O.

Bytes go in through `Conversation.feed` and come out as events of `Conversation.next_event`; commands
come out as bytes for the caller to send. The protocol is what Asterisk's ``res/res_agi.c`` writes and
reads (Asterisk 16 to 22):

    state      what arrives or is sent                     next state
    CONNECTED  first byte                                  HEADER
    HEADER     ``agi_key: value`` lines, then a blank one  IDLE (event Request)
    IDLE       a command is sent                           WAITING
    WAITING    ``100 …``                                   WAITING (skipped)
    WAITING    ``200 result=…``, ``510 …``, ``511 …``,
               ``520 …``                                   IDLE (event CommandReply)
    WAITING    ``520-…``                                   USAGE
    USAGE      lines up to ``520 …``                       IDLE (event CommandReply)
    past HEADER  a bare ``HANGUP``                         unchanged (event Hangup)
    any        end of the stream                           OVER (event Eof)
    any        anything else                               OVER (ProtocolError)

Memory is bounded by `MAX_HEADER_BYTES` plus one segment, for a caller that pulls events until None
after each segment. Bytes are decoded as UTF-8 and what is not UTF-8 becomes U+FFFD: a Latin-1 name must
not cost a call its answer, and U+FFFD occurs in no number, campaign or secret.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from vaglio.pbx.request import Fault, ProtocolError, Request, parse_header_block

__all__ = [
    "CommandError",
    "CommandReply",
    "Conversation",
    "Eof",
    "Event",
    "Fault",
    "Hangup",
    "ProtocolError",
    "Request",
    "State",
]

MAX_HEADER_BYTES: Final = 16 * 1024
MAX_REPLY_BYTES: Final = 8 * 1024
"""Longest reply line, and longest ``520-`` block, without their line ends."""
MAX_ASIDES: Final = 64
"""Most ``HANGUP`` and ``100`` lines in a conversation; Asterisk sends one or two."""
MAX_COMMAND_BYTES: Final = 1024
"""Longest outgoing line with its end; Asterisk before July 2025 overran its stack at 2048."""

FAILURE: Final = b"failure\n"
"""The line after which Asterisk sets AGISTATUS to FAILURE and ends the AGI."""

_HEADER_START: Final = b"agi_"
_HANGUP: Final = b"HANGUP"
_SUCCESS: Final = re.compile(rb"200 result=([^\s\x00]*)(?: ([^\x00\r]*))?")
_OTHER_REPLY: Final = re.compile(rb"(510|511|520)(?: ([^\x00\r]*))?")
_TRYING: Final = re.compile(rb"100(?: [^\x00\r]*)?")
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIABLE_VALUE: Final = re.compile(r"[A-Za-z0-9_.:-]*")
_BARE_ARGUMENT: Final = re.compile(r"[A-Za-z0-9_.:-]+")
_PRINTABLE_ASCII: Final = re.compile(r"[ -~]*")


class State(StrEnum):
    """Where a conversation stands; the module's docstring has the transitions."""

    CONNECTED = "connected"
    HEADER = "header"
    IDLE = "idle"
    WAITING = "waiting"
    USAGE = "usage"
    OVER = "over"


class CommandError(ValueError):
    """A command was asked for that must not be sent as it is; nothing was sent."""


@dataclass(frozen=True, slots=True)
class CommandReply:
    """Asterisk's whole answer to the command in flight."""

    code: int
    """200, 510 (unknown command), 511 (not on a dead channel) or 520 (wrong usage)."""
    result: str = field(default="", repr=False)
    """What follows ``result=`` of a 200, else empty. ``EXEC``: the application's return value, -2 if unknown."""
    text: str = field(default="", repr=False)
    """The rest of the line; of a ``520-`` block, of its last line."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """The bare line ``HANGUP``: the channel hung up, or the AGI ended as it should. Never a reply."""


@dataclass(frozen=True, slots=True)
class Eof:
    """The peer closed its side; a line cut off by it is dropped."""

    during: State
    """The state it happened in. CONNECTED: not a byte came. WAITING, USAGE: the command's fate is unknown."""


Event = Request | CommandReply | Hangup | Eof


class Conversation:
    """The state machine. After a segment is fed, pull events until None."""

    __slots__ = ("_asides", "_buffer", "_ended", "_error", "_scanned", "_state", "_usage_bytes")

    def __init__(self) -> None:
        self._state = State.CONNECTED
        self._buffer = bytearray()
        self._scanned = 0
        self._asides = 0
        self._usage_bytes = 0
        self._ended = False
        self._error: ProtocolError | None = None

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        return self._state

    @property
    def buffered(self) -> int:
        """Bytes fed and not yet turned into events."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take a received segment; an empty one is the end of the stream, as with ``socket.recv``."""
        if self._state is State.OVER:
            return
        if not data:
            self._ended = True
            return
        if self._state is State.CONNECTED:
            self._state = State.HEADER
        self._buffer += data

    def next_event(self) -> Event | None:
        """Return the next event, or None if more bytes are needed or the conversation is over.

        Raises ProtocolError when the peer breaks the protocol, and again at every further call.
        """
        if self._error is not None:
            raise self._error
        event: Event | None = None
        if self._buffer:
            event = self._next_request() if self._state is State.HEADER else self._next_line_event()
        if event is None and self._ended:
            event = Eof(self._state)
            self._end()
        return event

    def command(self, *words: str) -> bytes:
        """Return the bytes of one command, such as ``("EXEC", "MSet", "A=1")``, and await its reply.

        A word of other characters than ``A-Z a-z 0-9 _ . : -`` goes in quotes, with backslash and quote escaped.
        Raises CommandError if a command is in flight or none may be sent, for an empty command, anything but
        printable ASCII, or a line above `MAX_COMMAND_BYTES`.
        """
        if self._state is not State.IDLE:
            raise CommandError(f"no command can be sent while the conversation is {self._state}")
        if not words:
            raise CommandError("a command needs at least one word")
        line = " ".join([word if _BARE_ARGUMENT.fullmatch(word) else _quoted(word) for word in words])
        if len(line) >= MAX_COMMAND_BYTES:
            raise CommandError(f"a command line may have {MAX_COMMAND_BYTES} bytes at most")
        self._state = State.WAITING
        return line.encode("ascii") + b"\n"

    def set_variables(self, variables: Mapping[str, str]) -> bytes:
        """Return the one command that sets all these channel variables (pipelined commands stall in Asterisk).

        Raises CommandError as `command` does, and for a name that is not a variable's or a value with characters
        outside ``A-Z a-z 0-9 _ . : -``: a comma would set a second variable.
        """
        for name, value in variables.items():
            if not _VARIABLE_NAME.fullmatch(name):
                raise CommandError("a variable's name holds letters, digits and underscores only")
            if not _VARIABLE_VALUE.fullmatch(value):
                raise CommandError(f"the value of {name} holds characters that are not sent to a dialplan")
        if not variables:
            raise CommandError("an answer needs at least one variable")
        return self.command("EXEC", "MSet", ",".join([f"{name}={value}" for name, value in variables.items()]))

    def give_up(self) -> bytes:
        """End the conversation without an answer and return the line that says so to Asterisk."""
        self._end()
        return FAILURE

    def _end(self) -> None:
        self._state = State.OVER
        self._ended = False
        self._buffer.clear()

    def _broken(self, fault: Fault, rule: str) -> ProtocolError:
        self._end()
        self._error = ProtocolError(fault, rule)
        return self._error

    def _next_request(self) -> Request | None:
        buffer = self._buffer
        if not _HEADER_START.startswith(bytes(buffer[: len(_HEADER_START)])):
            raise self._broken(Fault.BAD_HEADER, "a header block starts with agi_")
        end = buffer.find(b"\n\n", self._scanned, MAX_HEADER_BYTES)
        if end < 0:
            if len(buffer) >= MAX_HEADER_BYTES:
                raise self._broken(Fault.HEADER_TOO_LARGE, f"a header block has {MAX_HEADER_BYTES} bytes at most")
            self._scanned = len(buffer) - 1
            return None
        block = buffer[: end + 1].decode("utf-8", "replace")
        del buffer[: end + 2]
        self._scanned = 0
        try:
            request = parse_header_block(block)
        except ProtocolError as error:
            raise self._broken(error.fault, str(error)) from None
        self._state = State.IDLE
        return request

    def _next_line_event(self) -> Event | None:
        while (line := self._next_line()) is not None:
            if line == _HANGUP:
                self._count_aside()
                return Hangup()
            reply = self._next_usage_line(line) if self._state is State.USAGE else self._next_reply(line)
            if reply is not None:
                self._state = State.IDLE
                return reply
        return None

    def _next_line(self) -> bytes | None:
        buffer = self._buffer
        if self._state is State.IDLE and not b"HANGUP\n".startswith(bytes(buffer[:7])):
            raise self._broken(Fault.BAD_REPLY, "a reply arrived before any command was sent")
        end = buffer.find(b"\n", self._scanned, MAX_REPLY_BYTES + 1)
        if end < 0:
            if len(buffer) > MAX_REPLY_BYTES:
                raise self._broken(Fault.BAD_REPLY, f"a reply line has {MAX_REPLY_BYTES} bytes at most")
            self._scanned = len(buffer)
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        self._scanned = 0
        return line

    def _next_reply(self, line: bytes) -> CommandReply | None:
        if match := _SUCCESS.fullmatch(line):
            return CommandReply(200, _text(match[1]), _text(match[2] or b""))
        if match := _OTHER_REPLY.fullmatch(line):
            return CommandReply(int(match[1]), text=_text(match[2] or b""))
        if line.startswith(b"520-"):
            self._state = State.USAGE
            self._usage_bytes = len(line)
            return None
        if _TRYING.fullmatch(line):
            self._count_aside()
            return None
        raise self._broken(Fault.BAD_REPLY, "a reply starts with 100, 200 result=, 510, 511 or 520")

    def _next_usage_line(self, line: bytes) -> CommandReply | None:
        self._usage_bytes += len(line) + 1
        if self._usage_bytes > MAX_REPLY_BYTES:
            raise self._broken(Fault.BAD_REPLY, f"a usage block has {MAX_REPLY_BYTES} bytes at most")
        if line == b"520" or line.startswith(b"520 "):
            return CommandReply(520, text=_text(line[4:]))
        return None

    def _count_aside(self) -> None:
        self._asides += 1
        if self._asides > MAX_ASIDES:
            raise self._broken(Fault.BAD_REPLY, f"a conversation has {MAX_ASIDES} HANGUP and 100 lines at most")


def _quoted(word: str) -> str:
    if not _PRINTABLE_ASCII.fullmatch(word):
        raise CommandError("a command holds printable ASCII only")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
