"""`vaglio-agi`: the verdict for a dialplan that can run a local script and cannot ask over the network.

    AGI(vaglio-agi,agi://127.0.0.1:4573/screen,NUMBER,CAMPAIGN,CALLERID[,SECRET])

The same question as `AGI(agi://…)`, relayed to the service and its answer relayed back; further addresses may
stand behind the first one and are asked when those before gave no verdict. It holds no key, opens no database and
ends within 400 ms of its start whatever happens; without a whole, well-formed answer it says `failure`.

Every millisecond before the question counts, so nothing is imported that is not needed. pyst2's `AGI` speaks to
Asterisk; it writes each header to stderr, which holds personal data, and takes SIGHUP: both are undone here.
"""

import os
import re
import signal
import sys
import time
from contextlib import suppress
from socket import create_connection, socket
from typing import Any, Final, NoReturn

from asterisk.agi import AGI, AGIException

BUDGET_SECONDS: Final = 0.4
"""From the start of the process to its end."""
_SPARE_SECONDS: Final = 0.04
"""Left of it for the last words."""
_MOST_ADDRESSES: Final = 4
_LINES, _LINE_CHARACTERS = 200, 8192
_ADDRESS: Final = re.compile(
    r"agi://(?P<host>[0-9.]+|\[[0-9a-fA-F:.]+\])(?::(?P<port>[0-9]{1,5}))?/(?P<route>[a-z]+)"
)
_ANSWER: Final = re.compile(
    rb'EXEC MSet "(?P<pairs>VAGLIO[A-Z_]*=[A-Za-z0-9_.:-]*(?:,VAGLIO[A-Z_]*=[A-Za-z0-9_.:-]*)*)"\n'
)
_FAILURE: Final = b"failure\n"


class _Mouth:
    """What Asterisk hears: pyst2's commands, or the one word `failure`."""

    def __init__(self) -> None:
        self._spoken = False

    def write(self, text: str) -> None:
        """Say it at once; what is said may count, even if the end comes before its confirmation."""
        self._spoken = True
        os.write(1, text.encode("ascii", "replace"))

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> NoReturn:
        """End, with `failure` unless an answer is out."""
        try:
            if not self._spoken:
                os.write(1, _FAILURE)
        finally:
            os._exit(0)


class _Sink:
    """What pyst2 would tell stderr."""

    def write(self, _text: str) -> None:
        """Tell nobody."""


class _Lines:
    """Asterisk's side of the pipe: bounded lines, and no byte that is not text stops a call."""

    def __init__(self) -> None:
        self._stream = os.fdopen(0, encoding="utf-8", errors="replace", newline="\n", closefd=False)
        self._left = _LINES

    def readline(self) -> str:
        """The next line; empty at the end and beyond the bounds, which pyst2 takes for the end of the block."""
        self._left -= 1
        return self._stream.readline(_LINE_CHARACTERS) if self._left >= 0 else ""


def main() -> NoReturn:
    """Entry point of `vaglio-agi`; always exits 0, for Asterisk reads the answer and not the status."""
    mouth = _Mouth()
    signal.signal(signal.SIGALRM, lambda _number, _frame: mouth.close())
    signal.setitimer(signal.ITIMER_REAL, max(0.001, _left() - _SPARE_SECONDS))
    try:
        agi = AGI(stdin=_Lines(), stdout=mouth, stderr=_Sink())
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the caller hung up: nobody waits for an answer
        _relay(agi, sys.argv[1:])
    finally:
        mouth.close()


def _relay(agi: Any, arguments: list[str]) -> None:  # noqa: ANN401 - pyst2 ships no types
    """Ask the addresses in turn until one gives an answer."""
    places: list[re.Match[str]] = []
    while arguments and len(places) < _MOST_ADDRESSES and (place := _ADDRESS.fullmatch(arguments[0])):
        places.append(place)
        arguments = arguments[1:]
    for nth, place in enumerate(places):
        share = max(0.01, (_left() - _SPARE_SECONDS) / (len(places) - nth))
        try:
            if _ask(agi, place, arguments, share):
                return
        except (OSError, ValueError, AGIException):
            continue


def _ask(agi: Any, place: re.Match[str], arguments: list[str], seconds: float) -> bool:  # noqa: ANN401 - see _relay
    """One address: question, answer to Asterisk, its confirmation to the service; whether there was an answer."""
    until = time.monotonic() + seconds
    host, port, route = place["host"].strip("[]"), int(place["port"] or 4573), place["route"]
    with create_connection((host, port), timeout=seconds) as service:
        service.sendall(_question(agi.env, route, arguments))
        answer = _ANSWER.fullmatch(_line(service, until))
        if answer is None:
            return False
        # From here on the answer may count: no other address is asked, and no failure said.
        with suppress(AGIException, OSError, ValueError):
            done = agi.appexec("MSet", answer["pairs"].decode("ascii"))
            service.sendall(f"200 result={done}\nHANGUP\n".encode())
        return True


def _question(headers: dict[str, str], route: str, arguments: list[str]) -> bytes:
    """The header block as Asterisk would have sent it to the service."""
    lines = [
        f"{key}: {value}\n"
        for key, value in headers.items()
        if key.startswith("agi_") and not key.startswith(("agi_arg_", "agi_network", "agi_request"))
    ]
    lines += [f"agi_arg_{place}: {_one_line(argument)}\n" for place, argument in enumerate(arguments, 1)]
    head = f"agi_network: yes\nagi_network_script: {route}\nagi_request: {route}\n"
    return "".join([head, *lines, "\n"]).encode("utf-8", "replace")


def _one_line(argument: str) -> str:
    return argument.replace("\n", " ").replace("\r", " ")


def _line(service: socket, until: float) -> bytes:
    """What the service says up to its first line end; whatever it is by the time that is over."""
    told = b""
    while not told.endswith(b"\n") and len(told) < _LINE_CHARACTERS:
        service.settimeout(max(0.001, until - time.monotonic()))
        if not (more := service.recv(_LINE_CHARACTERS)):
            break
        told += more
    return told


def _left() -> float:
    """Seconds of the budget still there, counted from the start of the process as the kernel has it."""
    with open("/proc/self/stat", "rb") as told:  # noqa: PTH123 - pathlib takes milliseconds to import
        started = int(told.read().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return BUDGET_SECONDS - (time.clock_gettime(time.CLOCK_BOOTTIME) - started)


if __name__ == "__main__":
    main()
