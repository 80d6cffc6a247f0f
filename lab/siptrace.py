"""Reads what SIPp writes with `-trace_msg`: every SIP message with its time and direction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_START = re.compile(r"^-{20,} (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+)[^\n]*\n", re.MULTILINE)
_DIRECTION = re.compile(r"(\w+) message (sent|received)[^\n]*\n")


@dataclass(frozen=True, slots=True)
class SipMessage:
    """One message of a trace: `at` in epoch seconds, headers by lower-case name (the first of each)."""

    at: float
    sent: bool
    start_line: str
    headers: Mapping[str, str]

    @property
    def call_id(self) -> str:
        """The dialogue's Call-ID."""
        return self.headers.get("call-id", "")

    @property
    def method(self) -> str:
        """The request's method; of a response, that of its CSeq."""
        if self.status:
            return self.headers.get("cseq", "").rpartition(" ")[2]
        return self.start_line.split(" ", 1)[0]

    @property
    def status(self) -> int:
        """The status code of a response, 0 for a request."""
        return int(self.start_line.split(" ")[1]) if self.start_line.startswith("SIP/2.0 ") else 0


def parse(trace: str) -> Iterator[SipMessage]:
    """The messages of a trace in order; a message still being written is left out."""
    starts = list(_START.finditer(trace))
    for index, start in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(trace)
        direction = _DIRECTION.match(trace, start.end())
        if direction is None:
            continue
        head, separator, _ = trace[direction.end() : end].lstrip("\r\n").replace("\r\n", "\n").partition("\n\n")
        if not separator:
            continue
        lines = head.split("\n")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), value.strip())
        at = datetime.fromisoformat(start.group(1)).astimezone().timestamp()
        yield SipMessage(at, direction.group(2) == "sent", lines[0], headers)
