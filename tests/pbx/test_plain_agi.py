"""`vaglio-agi` as Asterisk runs it: a process, two pipes, and a service that may be anything."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from lab import installation
from lab.agi_client import header_block
from lab.asterisk import Asterisk
from lab.errors import AsteriskUnavailable
from lab.pbx import eventually
from lab.vaglio import Vaglio

SCRIPT = [sys.executable, "-m", "vaglio.pbx.plain_agi"]
HEADERS = header_block("ignored", headers={"agi_uniqueid": "1700000000.5", "agi_calleridname": "Zoë"})
ANSWER = b'EXEC MSet "VAGLIO=allow:1700000000.5:01ARZ3NDEKTSV4RRFFQ69G5FAV,VAGLIO_REASON=CONSENT"\n'
SECONDS = 0.6
"""The script's own 400 ms, and what a loaded machine takes to start and to reap a process."""
DIALPLAN = """
[plain]
exten => s,1,AGI({script},agi://127.0.0.1:{port}/screen,+393331230101,renewals,+390612345678)
 same => n,Set(DB(plain/status)=${{AGISTATUS}})
 same => n,Set(BOUND=$["${{CUT(VAGLIO,:,2)}}" = "${{UNIQUEID}}"])
 same => n,Set(DB(plain/verdict)=${{CUT(VAGLIO,:,1)}}:${{BOUND}})
 same => n,Hangup()
"""
BRIDGE = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/{port} 4<&0
printf '%s\\n' "$*" >&3
cat <&4 >&3 &
cat <&3
kill $!
"""
"""The rootfs has no Python: this carries both pipes, byte for byte, to where the script runs."""


@pytest.fixture(autouse=True, scope="module")
def as_installed() -> Iterator[None]:
    """The script runs as it does on a PBX: measured coverage would cost more than its 400 ms."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("COVERAGE")]:
            environment.delenv(name)
        yield


@contextmanager
def peer(says: bytes | None, *, reads: bool = True) -> Iterator[tuple[int, list[bytes]]]:
    """A service that answers every connection by these bytes (None: silence), and what it heard after them."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with closing(listener.accept()[0]) as connection:
                block = b""
                while reads and b"\n\n" not in block:
                    block += connection.recv(4096)
                heard.append(block)
                if says is not None:
                    connection.sendall(says)
                    connection.settimeout(1)
                    with suppress(ConnectionError):
                        heard.append(connection.recv(4096))
                else:
                    time.sleep(SECONDS)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join(2)


def run(*arguments: str, given: bytes = HEADERS + b"200 result=0\n") -> tuple[bytes, float]:
    """What the script said, and how long it took; nothing may reach stderr."""
    began = time.monotonic()
    done = subprocess.run([*SCRIPT, *arguments], input=given, capture_output=True, timeout=5, check=True)
    assert done.stderr == b""
    return done.stdout, time.monotonic() - began


def test_an_answer_is_relayed_and_its_confirmation_carried_back() -> None:
    """The service sees Asterisk's own headers and the arguments; Asterisk gets one command."""
    with peer(ANSWER) as (port, heard):
        said, seconds = run(f"agi://127.0.0.1:{port}/screen", "+393331230101", "renewals", "+390612345678")
    assert said == ANSWER
    assert heard[1] == b"200 result=0\nHANGUP\n"
    lines = heard[0].decode().splitlines()
    assert {"agi_network_script: screen", "agi_uniqueid: 1700000000.5", "agi_calleridname: Zoë"} <= set(lines)
    assert [line for line in lines if line.startswith("agi_arg")] == [
        "agi_arg_1: +393331230101",
        "agi_arg_2: renewals",
        "agi_arg_3: +390612345678",
    ]
    assert seconds < SECONDS


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(None, id="silence"),
        pytest.param(b"", id="close"),
        pytest.param(b"failure\n", id="failure"),
        pytest.param(ANSWER[:-20], id="cut"),
        pytest.param(b'EXEC MSet "VAGLIO=allow:1,SHELL(rm)=1"\n', id="other variable"),
        pytest.param(b'EXEC System "VAGLIO=allow"\n', id="other command"),
        pytest.param(ANSWER + b'EXEC System "x"\n', id="more than an answer"),
        pytest.param(b"\xff\x00" * 10_000, id="garbage"),
    ],
)
def test_anything_else_is_a_failure_in_time(says: bytes | None) -> None:
    """Only a whole answer of our own form is relayed; a silent service costs no more than the budget."""
    with peer(says) as (port, _):
        said, seconds = run(f"agi://127.0.0.1:{port}/screen", "1", "renewals")
    assert said == b"failure\n"
    assert seconds < SECONDS


@pytest.mark.parametrize(
    "arguments", [(), ("1", "renewals"), ("agi://service.example/screen", "1"), ("agi://1.2/",)]
)
def test_wrong_use_is_a_failure(arguments: tuple[str, ...]) -> None:
    """No address, or a name that would have to be looked up."""
    assert run(*arguments)[0] == b"failure\n"


def test_a_refused_address_leaves_the_time_to_the_next() -> None:
    """Service, then standby: the first that answers is relayed."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        refused = gone.getsockname()[1]
    with peer(ANSWER) as (port, _):
        said, _ = run(f"agi://127.0.0.1:{refused}/screen", f"agi://127.0.0.1:{port}/screen", "1", "renewals")
    assert said == ANSWER


def test_a_silent_asterisk_does_not_keep_it() -> None:
    """No header block at all: the process is gone within its budget."""
    began = time.monotonic()
    with subprocess.Popen(SCRIPT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as script:
        assert script.stdout is not None
        assert script.stdout.read() == b"failure\n"
        script.wait(timeout=5)
    assert time.monotonic() - began < SECONDS


def test_an_answer_without_confirmation_is_not_called_a_failure() -> None:
    """It may count: nothing is said after it, and the service hears of no delivery."""
    with (
        peer(ANSWER) as (port, heard),
        subprocess.Popen(
            [*SCRIPT, f"agi://127.0.0.1:{port}/screen", "1", "renewals"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as script,
    ):
        assert script.stdin is not None
        assert script.stdout is not None
        script.stdin.write(HEADERS)
        script.stdin.flush()
        assert script.stdout.read() == ANSWER
        script.wait(timeout=5)
    assert heard[1:] == [b""]


def test_a_hang_up_ends_it_at_once() -> None:
    """SIGHUP, which Asterisk sends when the caller is gone, is not caught."""
    with (
        peer(None) as (port, heard),
        subprocess.Popen(
            [*SCRIPT, f"agi://127.0.0.1:{port}/screen", "1", "renewals"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as script,
    ):
        assert script.stdin is not None
        script.stdin.write(HEADERS)
        script.stdin.flush()
        eventually(lambda: bool(heard), 2)
        os.kill(script.pid, signal.SIGHUP)
        assert script.wait(timeout=5) in {-signal.SIGHUP, 0}


def test_it_loads_nothing_it_does_not_need() -> None:
    """It starts for every call: no numbering plans, no arrays, no models, no database."""
    program = "import sys, vaglio.pbx.plain_agi; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not {"phonenumbers", "numpy", "pydantic", "sqlite3", "asyncio", "structlog"} & set(loaded.split())


@pytest.fixture(scope="module")
def script() -> Iterator[str]:
    """A runnable `vaglio-agi` where this Asterisk can reach it."""
    try:
        installation.find()
    except AsteriskUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"real-Asterisk tests cannot run: {error}")
        pytest.skip(f"REAL-ASTERISK TESTS DO NOT RUN: {error}")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection, connection.makefile("rb", buffering=0) as told:
                    words, pipe = told.readline().decode().split(), connection.fileno()
                    subprocess.run([*SCRIPT, *words], stdin=pipe, stdout=pipe, check=False, timeout=5)

        threading.Thread(target=serve, daemon=True).start()

        root = installation.find().root
        with tempfile.TemporaryDirectory(prefix="vaglio-agi-", dir=None if root is None else root / "tmp") as name:
            file = Path(name) / "vaglio-agi"
            here = f'#!/bin/sh\nexec {" ".join(SCRIPT)} "$@"\n'
            file.write_text(here if root is None else BRIDGE.format(port=listener.getsockname()[1]))
            file.chmod(0o755)
            file.parent.chmod(0o755)
            yield str(file if root is None else Path("/") / file.relative_to(root))
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.pbx
@pytest.mark.parametrize("alive", [True, False])
def test_a_real_asterisk_gets_its_verdict_or_a_failure(script: str, tmp_path: Path, *, alive: bool) -> None:
    """`AGI(vaglio-agi,…)`: a verdict bound to the channel and recorded as delivered, or AGISTATUS=FAILURE."""
    vaglio = Vaglio(tmp_path / "site")
    dialplan = DIALPLAN.format(script=script, port=vaglio.port)
    with ExitStack() as stack:
        asterisk = stack.enter_context(Asterisk(extra={"extensions_local.conf": dialplan}))
        if alive:
            stack.enter_context(vaglio)
        asterisk.cli("channel originate Local/s@plain application Wait 1")
        eventually(lambda: "Value" in asterisk.cli("database get plain verdict"))
        status = asterisk.cli("database get plain status").strip()
        verdict = asterisk.cli("database get plain verdict").strip()
        if alive:
            eventually(lambda: len(vaglio.entries("delivery")) == 1)
    told = ("Value: SUCCESS", "Value: block:1") if alive else ("Value: FAILURE", "Value: :0")
    assert (status, verdict) == told
