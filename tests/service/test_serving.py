"""`vaglio serve` as a process: start, readiness, reload, stop, and what it does when something is in its way."""

import asyncio
import json
import resource
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from lab.agi_client import Outcome, Status, call, header_block
from lab.pbx import eventually
from lab.vaglio import Vaglio
from vaglio import __version__
from vaglio.turn import Turn

SAMPLE = Path(str(resources.files("lab"))) / "sample"
OURS = "+390612345678"
NUMBER = "+393331230101"
WATCHDOG_SECONDS = 5.0


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with the sample campaigns and oppositions, to be copied."""
    vaglio = Vaglio(tmp_path_factory.mktemp("template") / "site")
    vaglio.run("campaign", "import", str(SAMPLE / "campaigns.toml"))
    vaglio.run("opposition", "import", str(SAMPLE / "oppositions.csv"))
    return vaglio.home


@pytest.fixture
def vaglio(template: Path, tmp_path: Path) -> Iterator[Vaglio]:
    """This test's own installation, not yet serving; ended without a word if the test leaves it running."""
    made = Vaglio(Path(shutil.copytree(template, tmp_path / "site")))
    yield made
    made.kill()


@pytest.fixture(scope="module")
def serving(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaglio]:
    """One running service for the tests that leave it as it was."""
    home = tmp_path_factory.mktemp("serving") / "site"
    with Vaglio(Path(shutil.copytree(template, home))) as vaglio:
        yield vaglio


def ask(vaglio: Vaglio, route: str, *arguments: str, uniqueid: str | None = None) -> Outcome:
    """One `AGI()` step of a call."""
    headers = {} if uniqueid is None else {"agi_uniqueid": uniqueid}
    return asyncio.run(
        call("127.0.0.1", vaglio.port, route, *arguments, headers=headers, watchdog_seconds=WATCHDOG_SECONDS)
    )


def screen(vaglio: Vaglio, number: str = NUMBER, campaign: str = "renewals", *more: str) -> str:
    """The verdict's word, or how the step ended without one."""
    outcome = ask(vaglio, "screen", number, campaign, OURS, *more)
    return outcome.variables.get("VAGLIO", "").partition(":")[0] or outcome.status.value


def recorded(vaglio: Vaglio) -> list[str]:
    """The kinds of all entries that a request can cause, in order."""
    kinds = [entry["kind"] for entry in vaglio.entries()]
    return [kind for kind in kinds if kind in {"decision", "failopen", "change-announced", "change-confirmed"}]


def events(vaglio: Vaglio) -> list[dict[str, Any]]:
    """The service's own log, line by line."""
    return [json.loads(line) for line in vaglio.log.splitlines()]


def one_line(vaglio: Vaglio) -> str:
    """What the service says when it refuses to start."""
    done = vaglio.attempt("serve")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("vaglio: ")
    return line


def test_it_is_ready_when_it_says_so(vaglio: Vaglio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`/readyz`, the event `ready` and systemd are told once verdicts can be given; a verdict then comes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert vaglio.get("/readyz") == (0, "")
        vaglio.start()
        assert systemd.recv(100) == b"READY=1"
        assert vaglio.get("/readyz") == (200, "ready\n")
        assert vaglio.get("/livez")[0] == 200
        assert [event["port"] for event in events(vaglio) if event["event"] == "ready"] == [vaglio.port]
        assert screen(vaglio) == "allow"
        assert vaglio.stop() == 0
        told = set()
        while b"STOPPING=1" not in told:
            told.add(systemd.recv(100))
        assert told <= {b"WATCHDOG=1", b"STOPPING=1"}


def test_the_log_tells_start_and_stop_with_version_and_configuration(vaglio: Vaglio) -> None:
    """Every stretch in which verdicts were given has its two ends in the log."""
    with vaglio:
        screen(vaglio)
    told = [entry for entry in vaglio.entries() if entry["kind"] in {"start", "decision", "delivery", "stop"}]
    assert [entry["kind"] for entry in told] == ["start", "decision", "delivery", "stop"]
    assert told[0]["version"] == __version__
    assert len(told[0]["configuration"]) == 64


def test_each_route_answers_as_the_dialplan_expects(serving: Vaglio) -> None:
    """Verdict, reason and decision id in one answer bound to the call; a pong with the version."""
    allowed = ask(serving, "screen", NUMBER, "renewals", OURS, uniqueid="1700000000.1").variables
    blocked = ask(serving, "screen", "+393331234567", "renewals", OURS, uniqueid="1700000000.2").variables
    pong = ask(serving, "ping").variables
    assert allowed["VAGLIO"] == f"allow:1700000000.1:{allowed['VAGLIO_DECISION']}"
    assert blocked["VAGLIO"] == f"block:1700000000.2:{blocked['VAGLIO_DECISION']}"
    assert blocked["VAGLIO_REASON"] == "OPPOSITION"
    assert pong == {"VAGLIO_PONG": __version__}
    decisions = {entry["id"]: entry["verdict"] for entry in serving.entries("decision")}
    assert decisions[allowed["VAGLIO_DECISION"]] == "allow"
    assert decisions[blocked["VAGLIO_DECISION"]] == "block"


def test_a_call_let_out_is_taken_over_once(serving: Vaglio) -> None:
    """The same call handed over twice is one entry, and both times its id."""
    given = ("failed", NUMBER, "outage-notice", OURS, "1700000000.7", "1700000000")
    first, again = ask(serving, *given).variables, ask(serving, *given).variables
    assert first == again
    (entry,) = serving.entries("failopen")
    assert (entry["id"], entry["at"]) == (first["VAGLIO_TAKEN"], "2023-11-14T22:13:20.000000Z")


@pytest.mark.parametrize(
    "arguments",
    [
        ("screen", NUMBER),
        ("screen", NUMBER, "renewals", OURS, "more"),
        ("oppose", NUMBER),
        ("oppose", NUMBER, "no-such-campaign"),
        ("oppose", "112", "renewals"),
        ("oppose", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "renewals"),
        ("failed", NUMBER, "renewals"),
        ("nosuch", NUMBER, "renewals"),
    ],
)
def test_a_request_that_cannot_be_answered_is_a_failure(serving: Vaglio, arguments: tuple[str, ...]) -> None:
    """Never a verdict, nothing recorded, and the number is not in the service's log."""
    before = recorded(serving)
    assert ask(serving, *arguments).status is Status.FAILURE
    assert recorded(serving) == before
    assert "3331230101" not in serving.log


def test_reload_takes_over_what_may_change(vaglio: Vaglio) -> None:
    """After SIGHUP the new secret is asked for, and the log says that the configuration is another."""
    secret = vaglio.home / "secret"
    secret.write_text("s3cret\n")
    with vaglio:
        assert screen(vaglio) == "allow"
        text = vaglio.configuration.read_text()
        vaglio.configuration.write_text(text.replace("[fastagi]\n", '[fastagi]\nsecret_file = "secret"\n'))
        vaglio.send(signal.SIGHUP)
        eventually(lambda: "configuration loaded" in vaglio.log)
        assert screen(vaglio) == "failure"
        assert screen(vaglio, NUMBER, "renewals", "wrong") == "failure"
        assert screen(vaglio, NUMBER, "renewals", "s3cret") == "allow"
    before, after = vaglio.entries("start")[0], vaglio.entries("config")[0]
    assert before["configuration"] != after["configuration"]
    assert "s3cret" not in vaglio.log


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[fastagi\n", "TOML"),
        ('[fastagi]\nsecret_file = "none"\n', "none"),
        ('[fastagi]\npeers = ["10.0.0.0/8"]\n', "secret_file"),
        ('[rules]\nsite_file = "none.toml"\n', "none.toml"),
        ('[rules]\nemergency_regions = ["XX"]\n', "emergency_regions"),
        ('[[pbx]]\nname = "one"\nusername = "guard"\n', "secret_file"),
    ],
)
def test_reload_of_a_wrong_configuration_leaves_the_old_one(serving: Vaglio, text: str, told: str) -> None:
    """Verdicts go on, the service's log says why, and no entry speaks of a new configuration."""
    right, seen = serving.configuration.read_text(), len(serving.log)
    serving.configuration.write_text(text)
    try:
        serving.send(signal.SIGHUP)
        eventually(lambda: "the old one stays" in serving.log[seen:])
    finally:
        serving.configuration.write_text(right)
    assert screen(serving) == "allow"
    assert serving.ready()
    assert told in next(event["error"] for event in reversed(events(serving)) if "error" in event)
    assert serving.entries("config") == []


def test_sigterm_lets_an_open_conversation_finish(vaglio: Vaglio) -> None:
    """The call gets its verdict and its record, new ones are refused, the exit code is 0."""
    block = header_block("screen", NUMBER, "renewals", OURS)
    vaglio.start()
    with socket.create_connection(("127.0.0.1", vaglio.port), 5) as conversation:
        conversation.sendall(block[:40])
        assert ask(vaglio, "ping").status is Status.ANSWERED
        vaglio.send(signal.SIGTERM)
        eventually(lambda: screen(vaglio) == "failure")
        conversation.sendall(block[40:])
        assert conversation.recv(1000).startswith(b'EXEC MSet "VAGLIO=allow:')
        conversation.sendall(b"200 result=0\nHANGUP\n")
        assert vaglio.stop() == 0
    kinds = [entry["kind"] for entry in vaglio.entries()]
    told = [kind for kind in kinds if kind in {"decision", "delivery", "stop"}]
    assert told[-3:] == ["decision", "delivery", "stop"]


def test_sigterm_does_not_wait_for_a_silent_peer(vaglio: Vaglio) -> None:
    """A conversation that never goes on is cut off in time."""
    vaglio.start()
    with socket.create_connection(("127.0.0.1", vaglio.port), 5):
        began = time.monotonic()
        assert vaglio.stop() == 0
        assert time.monotonic() - began < 10


def test_an_unwritable_log_gives_failure_until_it_can_be_written_again(vaglio: Vaglio) -> None:
    """No verdict without its record, `/readyz` says why, and with room on the disk all goes on by itself."""
    with vaglio:
        assert screen(vaglio) == "allow"
        resource.prlimit(vaglio.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        assert screen(vaglio) == "failure"
        assert ask(vaglio, "oppose", NUMBER, "renewals").status is Status.FAILURE
        status, text = vaglio.get("/readyz")
        assert (status, "audit.db" in text) == (503, True)
        assert vaglio.get("/livez")[0] == 200
        resource.prlimit(vaglio.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        eventually(vaglio.ready)
        assert screen(vaglio) == "allow"
    assert len(vaglio.entries("decision")) == 2
    (alarm,) = vaglio.entries("alarm")
    assert alarm["since"] < alarm["at"]


def test_a_log_held_by_somebody_else_is_a_failure_within_the_deadline(vaglio: Vaglio) -> None:
    """The event loop does not wait for the lock: `failure` after 250 ms, and it goes on by itself."""
    with vaglio, closing(sqlite3.connect(vaglio.home / "audit.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcome = ask(vaglio, "screen", NUMBER, "renewals", OURS)
        assert outcome.status is Status.FAILURE
        assert outcome.seconds < 1
        assert vaglio.get("/livez")[0] == 200
        other.execute("ROLLBACK")
        eventually(lambda: screen(vaglio) == "allow")


def test_without_a_key_it_does_not_start(vaglio: Vaglio) -> None:
    """One line names the file."""
    (vaglio.home / "keys" / "search.key").unlink()
    assert "search.key" in one_line(vaglio)


def test_with_the_keys_of_another_log_it_does_not_start(vaglio: Vaglio, tmp_path: Path) -> None:
    """A record sealed with a foreign key could never be opened."""
    other = Vaglio(tmp_path / "other")
    shutil.rmtree(vaglio.home / "keys")
    shutil.copytree(other.home / "keys", vaglio.home / "keys")
    assert "keys are not those of" in one_line(vaglio)


@pytest.mark.parametrize(("port", "key"), [("port", "fastagi.listen"), ("health_port", "health.listen")])
def test_a_port_in_use_is_named_with_its_key(vaglio: Vaglio, port: str, key: str) -> None:
    """One line; the process that has the port is left alone, and the log tells of no crash."""
    with socket.create_server(("127.0.0.1", getattr(vaglio, port))):
        line = one_line(vaglio)
    assert key in line
    assert str(getattr(vaglio, port)) in line
    kinds = [entry["kind"] for entry in vaglio.entries() if entry["kind"] != "heartbeat"]
    assert kinds[-2:] == ["start", "stop"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[fastagi]\ncolour = 1\n", "fastagi.colour"),
        ('[fastagi]\npeers = ["0.0.0.0/0"]\n', "fastagi.secret_file"),
        ('[index]\nfile = "none.db"\n', "none.db"),
        ('[audit]\nfile = "none.db"\n', "none.db"),
        ('[failure_policy]\ndirectory = "vaglio.toml"\n', "failure_policy.directory"),
    ],
)
def test_what_makes_a_start_impossible_is_one_line(vaglio: Vaglio, text: str, told: str) -> None:
    """No traceback, and the line names the key or the file."""
    vaglio.configuration.write_text(text)
    assert told in one_line(vaglio)


def test_policies_follow_an_import_while_the_service_runs_and_while_not(vaglio: Vaglio, tmp_path: Path) -> None:
    """The dialplan's file says what the campaign says, also for a campaign file made by hand or lost."""
    policy = vaglio.home / "failure-policy" / "renewals"
    changed = tmp_path / "changed.toml"
    text = (SAMPLE / "campaigns.toml").read_text()
    changed.write_text(text.replace('on_failure = "block"', 'on_failure = "allow"'))
    vaglio.run("campaign", "import", str(changed))
    assert policy.read_text() == "allow"
    policy.unlink()
    with vaglio:
        assert policy.read_text() == "allow"
        vaglio.run("campaign", "import", str(SAMPLE / "campaigns.toml"))
        eventually(lambda: policy.read_text() == "block")


def test_a_change_left_by_a_killed_import_is_settled_at_the_next_start(vaglio: Vaglio, tmp_path: Path) -> None:
    """What a crash leaves between announcement and confirmation is finished before the first verdict."""
    file = tmp_path / "one.csv"
    file.write_text("number,controller,purpose,opposed_at\n+393330000001,aurora,*,2026-05-01T10:00:00Z\n")
    before = len(vaglio.entries())
    with closing(Turn(vaglio.home / "index.db")) as turn, turn:  # the import waits for its turn, and is killed
        importing = vaglio.begin("opposition", "import", str(file))
        eventually(lambda: len(vaglio.entries()) > before)
        importing.kill()
        importing.wait(timeout=10)
    assert vaglio.entries()[-1]["kind"] == "change-announced"
    with vaglio:
        announced, settled = [entry for entry in vaglio.entries() if entry["kind"].startswith("change-")][-2:]
        assert settled["ref"] == announced["id"]
        assert (settled["kind"], settled["reconciled"]) == ("change-abandoned", True)


def test_a_killed_service_starts_again_without_help(vaglio: Vaglio) -> None:
    """SIGKILL leaves nothing that has to be cleaned up; two starts and one stop stand in the log."""
    vaglio.start()
    assert screen(vaglio) == "allow"
    vaglio.kill()
    with vaglio:
        assert screen(vaglio) == "allow"
    kinds = [entry["kind"] for entry in vaglio.entries() if entry["kind"] in {"start", "decision", "stop"}]
    assert kinds == ["start", "decision", "start", "decision", "stop"]
