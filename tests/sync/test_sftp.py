"""SFTP against servers on this machine: OpenSSH's own where it is installed, else one made of paramiko."""

import base64
import hashlib
import io
import logging
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from vaglio.sync.run import Runner, RunReport
from vaglio.sync.sources import Source

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEADER = "number,controller,purpose,opposed_at\n"
ROW = "+393471234567,acme,*,2026-03-01T10:00:00Z\n"
PASSWORD = "correct horse/battery"
USER = pwd.getpwuid(os.getuid()).pw_name


def fingerprint(key: paramiko.PKey) -> str:
    """A key's fingerprint as ssh-keygen prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")


@dataclass
class Door:
    """A server: where it listens, who may enter, what it hands out."""

    folder: Path
    host_key: paramiko.PKey
    user_key: paramiko.PKey
    port: int = 0
    opened: list[str] = field(default_factory=list)
    """Names of the files that were asked for."""
    logins: int = 0
    grows: bool = False
    """Whether somebody goes on writing a file once it is opened."""

    def put(self, name: str, content: str, *, age: timedelta = timedelta(hours=1)) -> Path:
        """A file there, last written that long ago."""
        file = self.folder / name
        file.write_text(content)
        when = (NOW - age).timestamp()
        os.utime(file, (when, when))
        return file

    def source(self, **changes: object) -> Source:
        """A source of oppositions there, with the password."""
        plain = {
            "name": "lists",
            "kind": "oppositions",
            "url": f"sftp://127.0.0.1:{self.port}{self.folder}/*.csv",
            "options": {"username": USER, "host_key": fingerprint(self.host_key)},
            "secret_files": {"password": "password"},
        }
        return Source.model_validate({**plain, **changes})


class _Login(paramiko.ServerInterface):
    def __init__(self, door: Door) -> None:
        self._door = door

    def check_auth_password(self, username: str, password: str) -> int:
        self._door.logins += 1
        right = (username, password) == (USER, PASSWORD)
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        right = username == USER and key.asbytes() == self._door.user_key.asbytes()
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko's signature
        return "password,publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko's signature
        return OPEN_SUCCEEDED


class _Handle(paramiko.SFTPHandle):
    filename: str
    readfile: BinaryIO

    def stat(self) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, server: paramiko.ServerInterface, door: Door) -> None:
        super().__init__(server)
        self._door = door

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            return [paramiko.SFTPAttributes.from_stat(one.lstat(), one.name) for one in Path(path).iterdir()]
        except OSError as error:
            return int(paramiko.SFTPServer.convert_errno(error.errno or 0))

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(Path(path).stat())
        except OSError as error:
            return int(paramiko.SFTPServer.convert_errno(error.errno or 0))

    lstat = stat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle:  # noqa: ARG002
        self._door.opened.append(Path(path).name)
        handle = _Handle(flags)
        handle.filename = path
        handle.readfile = Path(path).open("rb")  # noqa: SIM115 - closed with the handle
        if self._door.grows:
            with Path(path).open("a") as more:
                more.write(ROW.replace("4567", "4568"))
        return handle


def _serve(listener: socket.socket, door: Door, ended: threading.Event) -> None:
    transports = []
    while not ended.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        transport = paramiko.Transport(connection)
        transport.add_server_key(door.host_key)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, door)
        with suppress(paramiko.SSHException, EOFError):
            transport.start_server(server=_Login(door))
        transports.append(transport)
    for transport in transports:
        transport.close()
        transport.join(5)


@pytest.fixture
def closed(tmp_path: Path) -> Door:
    """Keys, a password's file and a folder; nobody listens yet."""
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    door = Door(folder, paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate())
    door.user_key.write_private_key_file(str(tmp_path / "id"))
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        door.port = free.getsockname()[1]
    return door


@pytest.fixture
def door(closed: Door) -> Iterator[Door]:
    """A server that knows both the password and the key."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", closed.port)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=_serve, args=(listener, closed, ended))
        thread.start()
        yield closed
        ended.set()
        thread.join()


def _sshd() -> str | None:
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    usable = os.getuid() != 0 or Path("/run/sshd").is_dir()
    return program if usable else None


@pytest.fixture
def openssh(closed: Door, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Door]:
    """OpenSSH's server, for the key alone; the one made of paramiko where it is not installed."""
    program = _sshd()
    if program is None:
        yield request.getfixturevalue("door")
        return
    closed.host_key.write_private_key_file(str(tmp_path / "host"))
    (tmp_path / "authorized").write_text(f"{closed.user_key.get_name()} {closed.user_key.get_base64()}\n")
    configuration = tmp_path / "sshd_config"
    configuration.write_text(
        f"ListenAddress 127.0.0.1\nPort {closed.port}\nHostKey {tmp_path}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {tmp_path}/authorized\nStrictModes no\nPasswordAuthentication no\n"
        "Subsystem sftp internal-sftp\nForceCommand internal-sftp\n"
    )
    with (tmp_path / "sshd.log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", str(configuration)], stderr=log)
    try:
        deadline = time.monotonic() + 10
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", closed.port), 1):
                break
            assert time.monotonic() < deadline, (tmp_path / "sshd.log").read_text()
            time.sleep(0.02)
        yield closed
    finally:
        process.terminate()
        process.wait(10)


async def run(runner: Runner, one: Source) -> RunReport:
    """One run of one source."""
    (report,) = await runner.run({one.name: one})
    return report


async def test_a_file_is_fetched_once(runner: Runner, door: Door) -> None:
    """The first run imports it; the second sees that it is the same and does not open it."""
    door.put("a.csv", HEADER + ROW)
    first = await run(runner, door.source())
    assert (first.error, [(one.file, one.summary.new) for one in first.loaded]) == (None, [("a.csv", 1)])
    again = await run(runner, door.source())
    assert (again.loaded, again.known, again.error) == ((), 1, None)
    assert door.opened == ["a.csv"]


async def test_a_changed_file_is_fetched_again(runner: Runner, door: Door) -> None:
    """Another size or time makes it another file; what it says anew is imported."""
    door.put("a.csv", HEADER + ROW)
    await run(runner, door.source())
    door.put("a.csv", HEADER + ROW + ROW.replace("4567", "4568"), age=timedelta(minutes=30))
    report = await run(runner, door.source())
    assert [(one.summary.new, one.summary.unchanged) for one in report.loaded] == [(1, 1)]


async def test_a_register_comes_whole(runner: Runner, door: Door) -> None:
    """A list of two megabytes arrives as it is there."""
    numbers = "".join(f"0207{number:07d}\n" for number in range(200_000))
    door.put("tps-2026-11-20.txt", numbers)
    url = f"sftp://127.0.0.1:{door.port}{door.folder}/tps-2026-11-20.txt"
    report = await run(runner, door.source(kind="tps", url=url))
    assert (report.error, [one.summary.new for one in report.loaded]) == (None, [200_000])


async def test_a_key_opens_openssh(runner: Runner, openssh: Door) -> None:
    """The key's text comes from its file; no password is needed."""
    openssh.put("a.csv", HEADER + ROW)
    one = openssh.source(secret_files={"private_key": "id"})
    report = await run(runner, one)
    assert (report.error, [loaded.summary.new for loaded in report.loaded]) == (None, [1])
    assert (await run(runner, one)).known == 1


async def test_a_key_with_a_passphrase_comes_from_the_environment(
    runner: Runner, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both the key's text and its passphrase may be variables."""
    door.put("a.csv", HEADER + ROW)
    text = io.StringIO()
    door.user_key.write_private_key(text, PASSWORD)
    monkeypatch.setenv("LISTS_KEY", text.getvalue())
    monkeypatch.setenv("LISTS_PASSPHRASE", PASSWORD)
    secret = {"private_key": "LISTS_KEY", "passphrase": "LISTS_PASSPHRASE"}
    assert len((await run(runner, door.source(secret_files={}, secret_env=secret))).loaded) == 1
    monkeypatch.setenv("LISTS_PASSPHRASE", "wrong")
    report = await run(runner, door.source(secret_files={}, secret_env=secret))
    assert report.error is not None
    assert "private_key: expected the text of an Ed25519, ECDSA or RSA key" in report.error
    assert "wrong" not in report.error


async def test_a_wrong_password_is_one_line_and_tried_again(
    runner: Runner, door: Door, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the error nor any log, in all its detail, holds the password."""
    caplog.set_level(logging.DEBUG)
    (tmp_path / "password").write_text("hunter2-of-lists")
    report = await run(runner, door.source(tries=3))
    assert report.error is not None
    assert "Authentication failed" in report.error
    assert "\n" not in report.error
    assert door.logins == 3
    assert "hunter2" not in report.error + caplog.text
    assert "paramiko" in caplog.text


async def test_the_right_password_is_in_no_log(
    runner: Runner, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """Also a run that goes well tells nobody how it entered."""
    caplog.set_level(logging.DEBUG)
    door.put("a.csv", HEADER + ROW)
    assert (await run(runner, door.source())).error is None
    assert PASSWORD not in caplog.text


async def test_a_host_that_is_down_is_one_line(
    runner: Runner, closed: Door, capfd: pytest.CaptureFixture[str]
) -> None:
    """The error names source and host; nothing else is printed."""
    report = await run(runner, closed.source(tries=2))
    assert report.error is not None
    assert f"source lists: sftp://127.0.0.1:{closed.port}" in report.error
    assert "Unable to connect" in report.error
    assert "\n" not in report.error
    assert capfd.readouterr() == ("", "")


async def test_what_is_not_ssh_is_one_line(
    runner: Runner, closed: Door, capfd: pytest.CaptureFixture[str]
) -> None:
    """Another service at that port gives an error, and no traceback of the connection's thread."""

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", closed.port)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        report = await run(runner, closed.source(tries=1))
        thread.join()
    assert report.error is not None
    assert "\n" not in report.error
    assert capfd.readouterr() == ("", "")


async def test_a_host_with_another_key_is_not_trusted(runner: Runner, door: Door) -> None:
    """Whoever stands between gets no password, and it is not tried again."""
    other = fingerprint(paramiko.ECDSAKey.generate())
    report = await run(runner, door.source(options={"username": USER, "host_key": other}))
    assert report.error is not None
    assert f"has the host key {fingerprint(door.host_key)}, expected {other}" in report.error
    assert door.logins == 0


async def test_a_host_without_a_configured_key_is_shown(runner: Runner, door: Door) -> None:
    """The error holds the very line that makes it work once the operator has confirmed the key."""
    report = await run(runner, door.source(options={"username": USER}))
    assert report.error is not None
    assert f'set options.host_key = "{fingerprint(door.host_key)}"' in report.error
    assert door.logins == 0


async def test_unfinished_files_are_left(runner: Runner, door: Door) -> None:
    """A name that says so and a file written a moment ago are not opened."""
    door.put("a.csv", HEADER + ROW, age=timedelta(seconds=5))
    door.put("b.csv.part", HEADER + ROW)
    report = await run(runner, door.source(url=f"sftp://127.0.0.1:{door.port}{door.folder}"))
    assert (report.loaded, report.unfinished, report.error) == ((), 1, None)
    assert door.opened == []


async def test_a_file_that_grows_while_it_is_read_is_left(runner: Runner, door: Door) -> None:
    """What is another file after reading than before was half-written."""
    door.put("a.csv", HEADER + ROW)
    door.grows = True
    report = await run(runner, door.source())
    assert (report.loaded, report.unfinished, report.error) == ((), 1, None)


async def test_no_connection_is_left(runner: Runner, door: Door) -> None:
    """The connection ends with the run, also with one that fails."""
    door.put("a.csv", "numbr\n")
    assert (await run(runner, door.source())).error is not None
    deadline = time.monotonic() + 5
    while _transports() and time.monotonic() < deadline:
        time.sleep(0.02)  # noqa: ASYNC251 - nothing else runs
    assert _transports() == []


def _transports() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if isinstance(one, paramiko.Transport)]
