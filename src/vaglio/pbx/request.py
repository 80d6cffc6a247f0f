"""The header block that opens an AGI conversation: which route is asked, with what, for which channel."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

MAX_HEADER_LINES: Final = 200
MAX_ARGUMENTS: Final = 16
MAX_ARGUMENT_CHARACTERS: Final = 512
_HEADER_LINE: Final = re.compile(r"^(agi_[a-z0-9_]+): ([^\x00\r\n]*)\n", re.MULTILINE)
_ARGUMENT_PREFIX: Final = "agi_arg_"
_ARGUMENT_KEYS: Final = tuple(f"{_ARGUMENT_PREFIX}{n}" for n in range(1, MAX_ARGUMENTS + 1))


class Fault(StrEnum):
    """What a peer did that no Asterisk does."""

    BAD_HEADER = "bad_header"
    HEADER_TOO_LARGE = "header_too_large"
    BAD_REPLY = "bad_reply"


class ProtocolError(Exception):
    """The peer broke the protocol; the conversation is over and no verdict may follow.

    The text names the rule, never the bytes: they may hold personal data or a secret.
    """

    def __init__(self, fault: Fault, rule: str) -> None:
        super().__init__(rule)
        self.fault: Final = fault


@dataclass(frozen=True, slots=True)
class Request:
    """The header block: which route is asked, with what arguments, for which channel."""

    route: str
    """First part of ``agi_network_script``: ``screen`` for ``agi://127.0.0.1:4573/screen``; may be empty."""
    args: tuple[str, ...] = field(repr=False)
    """``agi_arg_1`` … in order: what stood after the commas in the dialplan."""
    headers: Mapping[str, str] = field(repr=False)
    """Every other header, the first of each name."""
    peer: str = ""
    """The address the connection came from, which the server adds."""

    @property
    def uniqueid(self) -> str:
        """Asterisk's identifier of the calling channel; empty if the peer sent none."""
        return self.headers.get("agi_uniqueid", "")

    @property
    def channel(self) -> str:
        """Name of the calling channel, such as ``PJSIP/agent-00000001``; empty if the peer sent none."""
        return self.headers.get("agi_channel", "")


def parse_header_block(block: str) -> Request:
    """Read the lines of a block, without the blank one; raises ProtocolError.

    Asterisk does not escape values, so a line break in one (a caller's name, say) starts a forged line.
    Hence: the first of equal keys wins, arguments count up from 1 without a gap, and after the first argument
    no new header may come, because Asterisk writes the arguments last. A forged argument in a header's value
    is always followed by a true header, and so refused.
    """
    lines = _HEADER_LINE.findall(block)
    if len(lines) > MAX_HEADER_LINES:
        raise ProtocolError(Fault.HEADER_TOO_LARGE, f"a header block has {MAX_HEADER_LINES} lines at most")
    if len(lines) != block.count("\n"):
        raise ProtocolError(Fault.BAD_HEADER, "a header line reads agi_key: value, without CR or NUL")
    headers: dict[str, str] = {}
    args: list[str] = []
    for key, value in lines:
        if key.startswith(_ARGUMENT_PREFIX):
            if key in _ARGUMENT_KEYS[: len(args)]:
                continue
            if key not in _ARGUMENT_KEYS[len(args) : len(args) + 1]:
                raise ProtocolError(Fault.BAD_HEADER, f"arguments are numbered from 1 to {MAX_ARGUMENTS} at most")
            if len(value) > MAX_ARGUMENT_CHARACTERS:
                raise ProtocolError(
                    Fault.BAD_HEADER, f"an argument has {MAX_ARGUMENT_CHARACTERS} characters at most"
                )
            args.append(value)
        elif key not in headers:
            if args:
                raise ProtocolError(Fault.BAD_HEADER, "no header comes after the arguments")
            headers[key] = value
    script = headers.get("agi_network_script", "")
    route = script.partition("?")[0].partition("/")[0]
    return Request(route, tuple(args), MappingProxyType(headers))
