"""SIPp on both sides of the PBX: `place` is the agent who dials, `Trunk` the carrier who answers.

What happened is read from SIPp's own message trace, so a result is what went over the wire.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, unquote

from lab import installation, siptrace
from lab.errors import LabError
from lab.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

_SCENARIOS = Path(__file__).resolve().parent / "scenarios"
_USER = re.compile(r"<?sips?:([^@>;]*)@")
_STARTS = 3
_IN_USER = "+-_.!~*'()&=$,;?/"  # what RFC 3261 lets stand unescaped in the user part


@dataclass(frozen=True, slots=True)
class Call:
    """One call an agent places; `name` is the display name, sent in quotes."""

    number: str
    campaign: str = ""
    caller_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Invite:
    """One INVITE that reached the trunk; `at` in epoch seconds, `decision` is X-Vaglio-Decision or None."""

    at: float
    number: str
    decision: str | None
    caller_id: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one call: the final SIP status (0: none came), milliseconds from INVITE to it.

    `trunk` is the INVITE the trunk saw for it, filled in by `with_trunk`.
    """

    call: Call
    status: int
    ms: float
    at: float
    trunk: Invite | None = None


class Trunk:
    """The carrier's side: answers each call with 200, hangs up at once, and keeps every INVITE.

    `scenario` makes it another one: `patient` answers and never hangs up, `busy` never answers.
    """

    def __init__(self, port: int, scenario: str = "trunk") -> None:
        self.port = port
        self._scenario = f"{scenario}.xml"
        self._directory = tempfile.TemporaryDirectory(prefix="vaglio-trunk-")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            _command(self._scenario, self.port, self._trace),
            cwd=self._directory.name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _await_bound(self._process, self.port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=5)
        self._directory.cleanup()

    def invites(self, number: str | None = None) -> list[Invite]:
        """Every INVITE so far in order of arrival, or those to one number; retransmissions count once."""
        seen: dict[str, Invite] = {}
        for message in siptrace.parse(_text(self._trace)):
            if message.sent or message.status or message.method != "INVITE":
                continue
            invite = Invite(
                at=message.at,
                number=_user(message.start_line),
                decision=message.headers.get("x-vaglio-decision"),
                caller_id=_user(message.headers.get("p-asserted-identity") or message.headers.get("from", "")),
            )
            seen.setdefault(message.call_id, invite)
        return [invite for invite in seen.values() if number is None or invite.number == number]

    @property
    def _trace(self) -> Path:
        return Path(self._directory.name) / "messages"


def place(
    pbx_port: int, calls: Sequence[Call], *, rate: float = 20.0, at_once: int = 500, timeout: float = 60.0
) -> list[Result]:
    """Place the calls, `rate` a second, and wait for the end of each; one result a call, in their order.

    A call still without a final answer after `timeout` seconds has status 0.

    Raises LabError when SIPp itself does not start.
    """
    with tempfile.TemporaryDirectory(prefix="vaglio-agent-") as directory:
        home = Path(directory)
        rows = [
            f"{_escaped(c.number)};{c.campaign};{c.caller_id};{_quoted(c.name)};{i}" for i, c in enumerate(calls)
        ]
        (home / "calls").write_text("\n".join(["SEQUENTIAL", *rows, ""]))
        extra = ["-inf", "calls", "-m", str(len(calls)), "-r", str(rate), "-l", str(at_once)]
        extra.append(f"127.0.0.1:{pbx_port}")
        return list(_results(calls, _conversation(home, extra, timeout + len(calls) / rate)))


def with_trunk(results: Iterable[Result], invites: Iterable[Invite]) -> list[Result]:
    """The results with the INVITE each answered call caused: same number, in order, not before the call."""
    waiting: defaultdict[str, list[Invite]] = defaultdict(list)
    for invite in invites:
        waiting[invite.number].append(invite)
    joined = []
    for result in results:
        queue = waiting[result.call.number]
        match = next((invite for invite in queue if invite.at >= result.at), None)
        if match is not None:
            queue.remove(match)
        joined.append(replace(result, trunk=match))
    return joined


def _conversation(home: Path, arguments: Sequence[str], timeout: float) -> str:
    """What SIPp sent and received; begun again while it ends without having sent anything.

    Its ports are free when they are chosen, and may be taken by another program before it binds them.
    """
    trace = home / "messages"
    words = ""
    for _ in range(_STARTS):
        command = [*_command("agent.xml", 0, trace), *arguments]
        with suppress(subprocess.TimeoutExpired):
            words = subprocess.run(
                command, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=timeout
            ).stderr.decode(errors="replace")
        if conversation := _text(trace):
            return conversation
    raise LabError(f"SIPp placed no call in {_STARTS} starts: {words.strip() or 'it said nothing'}")


def _results(calls: Sequence[Call], trace: str) -> Iterable[Result]:
    tags: dict[str, int] = {}
    started: dict[int, float] = {}
    ended: dict[int, tuple[int, float]] = {}
    for message in siptrace.parse(trace):
        if message.sent and message.method == "INVITE" and "x-lab-call" in message.headers:
            tag = tags.setdefault(message.call_id, int(message.headers["x-lab-call"]))
            started.setdefault(tag, message.at)
        elif not message.sent and message.status >= 200 and message.method == "INVITE" and message.call_id in tags:  # noqa: PLR2004
            ended.setdefault(tags[message.call_id], (message.status, message.at))
    for index, call in enumerate(calls):
        at = started.get(index, 0.0)
        status, end = ended.get(index, (0, at))
        yield Result(call=call, status=status, ms=(end - at) * 1000, at=at)


def _command(scenario: str, port: int, trace: Path) -> list[str]:
    return [
        *(installation.sipp(), "-sf", str(_SCENARIOS / scenario), "-i", "127.0.0.1", "-nostdin", "-skip_rlimit"),
        *(() if port == 0 else ("-p", str(port))),
        *("-cp", str(free_port())),
        *("-trace_msg", "-message_file", str(trace), "-default_behaviors", "bye,abortunexp"),
    ]


def _await_bound(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until this UDP port is taken, as /proc/net/udp tells."""
    wanted = f":{port:04X} "
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        if wanted in Path("/proc/net/udp").read_text():
            return
        time.sleep(0.01)
    raise LabError(f"SIPp did not open port {port}: is `sipp -v` working?")


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _user(text: str) -> str:
    match = _USER.search(text)
    return unquote(match.group(1)) if match else ""


def _escaped(number: str) -> str:
    return quote(number, safe=_IN_USER).replace(";", "%3B")


def _quoted(name: str) -> str:
    """A display name as RFC 3261 quotes it; `;` would end the input field and is refused."""
    if ";" in name:
        raise LabError("a display name with `;` cannot be given to SIPp: choose another")
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' if name else ""
