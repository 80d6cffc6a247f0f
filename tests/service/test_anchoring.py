"""Anchors of a real service: what arrives, what fails, and that no call and no stop waits for them."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.vaglio import Vaglio
from vaglio.audit.checkpoint import Checkpoint


class Principal:
    """An endpoint that takes checkpoints, refuses them, or does not answer at all."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.tries = 0
        self.status = 200
        self.hanging = threading.Event()
        self.hanging.set()
        principal = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                principal.tries += 1
                principal.hanging.wait(20)
                if principal.status == 200:
                    principal.taken.append(body)
                self.send_response(principal.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.hanging.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def principal() -> Iterator[Principal]:
    """An endpoint of its own for a test."""
    made = Principal()
    yield made
    made.close()


@pytest.fixture
def vaglio(tmp_path: Path, principal: Principal) -> Iterator[Vaglio]:
    """A service that signs often and has one anchor; not yet started."""
    made = Vaglio(tmp_path / "site")
    secret = made.home / "token"
    secret.write_text("t0p-s3cret\n")
    with made.configuration.open("a") as file:
        file.write(
            "\n[audit]\ncheckpoint_minutes = 0.001\n"
            f'\n[[anchor]]\nname = "principal"\nkind = "http"\nurl = "{principal.url}"\nsecret_file = "token"\n'
        )
    yield made
    made.kill()


def until(met: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_checkpoints_arrive_while_the_service_runs_and_the_last_one_at_its_end(
    vaglio: Vaglio, principal: Principal
) -> None:
    """What the principal holds is what was signed, up to the entry that says the service stopped."""
    vaglio.start()
    until(lambda: principal.taken)
    assert vaglio.get("/readyz") == (200, "ready\n")
    assert 'vaglio_anchor_failures{anchor="principal",kind="http"} 0.0' in vaglio.get("/metrics")[1]
    assert vaglio.stop() == 0
    last = Checkpoint.parse(principal.taken[-1])
    assert last.raw == (vaglio.home / "keys/checkpoint").read_bytes()
    assert last.size == len(vaglio.entries())
    (vaglio.home / "held").write_bytes(principal.taken[0])
    vaglio.run("audit", "verify", "--since-checkpoint", str(vaglio.home / "held"))
    assert vaglio.json("audit", "anchors")[0]["size"] == last.size


def test_an_anchor_that_fails_is_seen_everywhere_and_keeps_no_call_waiting(
    vaglio: Vaglio, principal: Principal
) -> None:
    """A warning beside the 200, metrics, events, the command; and the end of it when it works again."""
    principal.status = 503
    vaglio.start()
    until(lambda: "warning: anchor principal: answered 503" in vaglio.get("/readyz")[1])
    assert vaglio.get("/readyz")[0] == 200
    assert "vaglio_anchor_failures" in vaglio.get("/metrics")[1]
    assert "anchor not reached; tried again" in vaglio.log
    assert vaglio.attempt("audit", "anchors").returncode == 1
    principal.status = 200
    until(lambda: principal.taken)
    until(lambda: vaglio.get("/readyz") == (200, "ready\n"))
    assert vaglio.stop() == 0
    assert "t0p-s3cret" not in vaglio.log


def test_an_anchor_that_does_not_answer_holds_up_neither_the_service_nor_its_end(
    vaglio: Vaglio, principal: Principal
) -> None:
    """Sealing goes on; stopping takes its own bounded time."""
    principal.hanging.clear()
    vaglio.start()
    until(lambda: principal.tries)
    before = len(vaglio.entries("heartbeat"))
    until(lambda: len(vaglio.entries("heartbeat")) > before)
    started = time.monotonic()
    assert vaglio.stop() == 0
    assert time.monotonic() - started < 8


def test_a_wrong_anchor_refuses_the_start_and_a_reload_keeps_the_old_ones(
    vaglio: Vaglio, principal: Principal
) -> None:
    """At the start somebody is looking; later the old configuration goes on."""
    vaglio.start()
    good = vaglio.configuration.read_text()
    vaglio.configuration.write_text(f'{good}\n[[anchor]]\nname = "x"\nkind = "fax"\nurl = "y"\n')
    vaglio.send(signal.SIGHUP)
    until(lambda: "configuration not loaded; the old one stays" in vaglio.log)
    assert not vaglio.entries("config")
    taken = len(principal.taken)
    until(lambda: len(principal.taken) > taken)
    assert vaglio.stop() == 0
    done = vaglio.attempt("serve")
    assert done.returncode == 2
    assert "anchor.x.kind" in done.stderr
