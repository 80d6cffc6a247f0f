"""Asterisk's side of a FastAGI conversation, as ``res/res_agi.c`` speaks it.

For tests, the simulated demo and load. `call` is one call's `AGI()` step: it connects, writes the header block,
obeys the server's commands and returns when the server closes. It is faithful where it matters to a server: the
order of the headers, one write a line if asked, unescaping of quoted words, ``failure``, replies 200, 510 and 520,
the cut-off line that is still executed at the end of the stream, and the ``HANGUP`` after every normal end.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, cast

_SERIAL: Final = itertools.count(1)
_USAGE: Final = (
    "520-Invalid command syntax.  Proper usage follows:\n"
    " Usage: EXEC <application> <options>\n"
    "\tExecutes <application> with given <options>.\n"
    "520 End of proper usage.\n"
)


class Status(StrEnum):
    """How an `AGI()` step ended."""

    ANSWERED = "answered"
    """The server set variables and closed."""
    FAILURE = "failure"
    """The server said ``failure``, or could not be reached: AGISTATUS is FAILURE."""
    CLOSED = "closed"
    """The server closed without a word: AGISTATUS is SUCCESS, and nothing is known."""
    TIMEOUT = "timeout"
    """The dialplan's watchdog fired."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the dialplan knows after its `AGI()` step."""

    variables: Mapping[str, str]
    status: Status
    seconds: float
    """From the start of the connect to the end of the step."""
    commands: tuple[str, ...] = field(default=())
    """The lines the server sent, in order."""


def header_block(route: str, *args: str, headers: Mapping[str, str] | None = None, port: int = 4573) -> bytes:
    """Return the block Asterisk 22 sends for ``AGI(agi://127.0.0.1:<port>/<route>,<args>)``.

    `headers` replaces or adds headers by full name (``agi_callerid``); values are not escaped, as in Asterisk.
    """
    serial = next(_SERIAL)
    values = {
        "agi_network": "yes",
        "agi_network_script": route,
        "agi_request": f"agi://127.0.0.1:{port}/{route}",
        "agi_channel": f"PJSIP/agent-{serial:08x}",
        "agi_language": "en",
        "agi_type": "PJSIP",
        "agi_uniqueid": f"{int(time.time())}.{serial}",
        "agi_version": "22.10.1",
        "agi_callerid": "390612345",
        "agi_calleridname": "Agent One",
        "agi_callingpres": "0",
        "agi_callingani2": "0",
        "agi_callington": "0",
        "agi_callingtns": "0",
        "agi_dnid": "unknown",
        "agi_rdnis": "unknown",
        "agi_context": "vaglio",
        "agi_extension": "s",
        "agi_priority": "12",
        "agi_enhanced": "0.0",
        "agi_accountcode": "",
        "agi_threadid": str(os.getpid()),
        **(headers or {}),
    }
    lines = [f"{key}: {value}\n" for key, value in values.items()]
    lines += [f"agi_arg_{n}: {value}\n" for n, value in enumerate(args, 1)]
    return "".join([*lines, "\n"]).encode("utf-8", "surrogateescape")


async def call(
    host: str,
    port: int,
    route: str,
    *args: str,
    headers: Mapping[str, str] | None = None,
    watchdog_seconds: float = 0.5,
    line_by_line: bool = False,
) -> Outcome:
    """Run one `AGI(agi://host:port/route,args…)` step under the dialplan's watchdog.

    `line_by_line` gives the header block in one write a line, as a busy Asterisk may be seen on the wire.
    A reset connection counts as the end of the stream, as in Asterisk.
    """
    started = time.perf_counter()
    asking = _Asking(header_block(route, *args, headers=headers, port=port), line_by_line=line_by_line)
    loop = asyncio.get_running_loop()
    timed_out = False
    try:
        async with asyncio.timeout(watchdog_seconds):
            await loop.create_connection(lambda: asking, host, port)
            await asking.ended
    except TimeoutError:
        timed_out = True
    except OSError:
        return Outcome({}, Status.FAILURE, time.perf_counter() - started)
    finally:
        asking.hang_up()
    seconds = time.perf_counter() - started
    status = Status.TIMEOUT if timed_out else asking.status()
    return Outcome(asking.variables, status, seconds, tuple(asking.commands))


class _Asking(asyncio.Protocol):
    """The loop of ``run_agi``: a line in, its effect, a line out."""

    def __init__(self, block: bytes, *, line_by_line: bool) -> None:
        self.variables: dict[str, str] = {}
        self.commands: list[str] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._segments = block.splitlines(keepends=True) if line_by_line else [block]
        self._buffer = b""
        self._failure = False
        self._transport: asyncio.Transport | None = None

    def status(self) -> Status:
        """Tell how the step ended, once it has."""
        if self._failure:
            return Status.FAILURE
        return Status.ANSWERED if self.variables else Status.CLOSED

    def hang_up(self) -> None:
        """Close, with the ``HANGUP`` that Asterisk sends after every normal end."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"HANGUP\n")
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the header block."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class does not say so
        for segment in self._segments:
            self._transport.write(segment)

    def data_received(self, data: bytes) -> None:
        """Obey whole lines."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._obey(line)

    def eof_received(self) -> bool:
        """Execute a cut-off line too, and end; the transport stays open for the ``HANGUP``."""
        if self._buffer:
            self._obey(self._buffer)
            self._buffer = b""
        self._end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """End, however the connection did."""
        del exc
        self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def _obey(self, line: bytes) -> None:
        if self._failure or self._transport is None:
            return
        text = line.decode("utf-8", "surrogateescape")
        self.commands.append(text)
        if text[:7].lower() == "failure":
            self._failure = True
            self._end()
            return
        self._transport.write(self._execute(_words(text)).encode())

    def _execute(self, words: list[str]) -> str:
        match [words[0].upper() if words else "", *words[1:]]:
            case ["EXEC"]:
                return _USAGE
            case ["EXEC", application, *options] if application.lower() == "mset":
                for pair in "".join(options[:1]).split(","):
                    name, _, value = pair.partition("=")
                    self.variables[name.strip()] = value
                return "200 result=0\n"
            case ["EXEC", *_]:
                return "200 result=-2\n"
            case ["SET", variable, name, value] if variable.upper() == "VARIABLE":
                self.variables[name] = value
                return "200 result=1\n"
            case _:
                return "510 Invalid or unknown command\n"


def _words(line: str) -> list[str]:
    """Split a command as ``parse_args`` does: blanks separate, quotes group, a backslash keeps the next."""
    words: list[str] = []
    word = ""
    quoted = escaped = inside = False
    for character in line:
        if escaped:
            word, escaped, inside = word + character, False, True
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted, inside = not quoted, True
        elif character in " \t" and not quoted:
            if inside:
                words.append(word)
            word, inside = "", False
        else:
            word, inside = word + character, True
    if inside:
        words.append(word)
    return words
