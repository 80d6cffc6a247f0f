import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from vaglio.audit import Reader as LogReader
from vaglio.errors import NotFoundError
from vaglio.index.snapshots import RegisterSummary
from vaglio.sync.run import Loaded, Runner, RunReport
from vaglio.sync.sources import Source
from vaglio.sync.status import status

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEADER = "number,controller,purpose,opposed_at\n"
ROW = "+393471234567,acme,*,2026-03-01T10:00:00Z\n"


def put(folder: Path, name: str, content: str, *, age: timedelta = timedelta(hours=1)) -> Path:
    """A file in the inbox, last written that long ago."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(content, encoding="utf-8")
    when = (NOW - age).timestamp()
    os.utime(file, (when, when))
    return file


def source(**changes: object) -> Source:
    """A source of oppositions in the inbox."""
    plain = {"name": "lists", "kind": "oppositions", "url": "inbox/*.csv"}
    return Source.model_validate({**plain, **changes})


async def run(runner: Runner, one: Source) -> RunReport:
    """One run of one source."""
    (report,) = await runner.run({one.name: one})
    return report


async def test_a_file_is_loaded_once(runner: Runner, tmp_path: Path) -> None:
    """The first run imports it and the second knows it, also under another name or with another time."""
    file = put(tmp_path / "inbox", "a.csv", HEADER + ROW)
    first = await run(runner, source())
    assert [(one.file, one.summary.new) for one in first.loaded] == [("a.csv", 1)]
    assert (await run(runner, source())).known == 1
    os.utime(file, (1, 1))
    file.rename(file.with_name("b.csv"))
    again = await run(runner, source())
    assert (again.loaded, again.known, again.error) == ((), 1, None)


async def test_each_import_is_announced_and_confirmed(runner: Runner, tmp_path: Path) -> None:
    """The log tells which source brought which file, before the facts change."""
    put(tmp_path / "inbox", "a.csv", HEADER + ROW)
    report = await run(runner, source())
    assert await runner.store.applied(report.loaded[0].entry)
    with LogReader(tmp_path / "site" / "audit.db") as log:
        assert log.unconfirmed() == []


async def test_nothing_is_left_in_the_spool(runner: Runner, tmp_path: Path) -> None:
    """Files on their way hold numbers: they are private, and gone afterwards."""
    put(tmp_path / "inbox", "a.csv", HEADER + ROW)
    await run(runner, source())
    folder = tmp_path / "spool" / "lists"
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o077 == 0


async def test_unfinished_files_wait_for_the_next_run(runner: Runner, tmp_path: Path) -> None:
    """A name that says so, a dot file, a file written a moment ago: none of them is touched."""
    put(tmp_path / "inbox", "a.csv", HEADER + ROW, age=timedelta(seconds=5))
    put(tmp_path / "inbox", "b.csv.part", HEADER + ROW)
    put(tmp_path / "inbox", ".c.csv", HEADER + ROW)
    report = await run(runner, source(url="inbox"))
    assert (report.loaded, report.unfinished) == ((), 1)


async def test_a_file_that_grows_while_it_is_read_is_left(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is another file after reading than before was half-written."""
    file = put(tmp_path / "inbox", "a.csv", HEADER + ROW)
    local = type(fsspec.filesystem("file"))
    opened = local.open

    def open_and_grow(self: object, path: str, *args: object, **options: object) -> object:
        stream = opened(self, path, *args, **options)
        with file.open("a") as more:
            more.write(ROW.replace("4567", "4568"))
        return stream

    monkeypatch.setattr(local, "open", open_and_grow)
    report = await run(runner, source())
    assert (report.loaded, report.unfinished, report.error) == ((), 1, None)


async def test_a_register_is_brought_by_its_files(runner: Runner, tmp_path: Path) -> None:
    """A list with its date in its name becomes the active snapshot."""
    put(tmp_path / "inbox", "tps-2026-11-20.txt", "02079460958\n")
    report = await run(runner, source(kind="tps", url="inbox/tps-*.txt"))
    summary = report.loaded[0].summary
    assert isinstance(summary, RegisterSummary)
    assert (summary.entries, summary.as_of) == (1, datetime(2026, 11, 20, tzinfo=UTC))


async def test_a_bad_file_is_an_error_that_is_remembered(runner: Runner, tmp_path: Path) -> None:
    """The run says what is wrong, the status keeps it, and the next look comes sooner than a day."""
    put(tmp_path / "inbox", "a.csv", "numbr\n")
    report = await run(runner, source())
    assert report.error is not None
    assert "column 'number' is missing" in report.error
    (state,) = await status(runner.store, {"lists": source()}, lambda: NOW)
    assert (state.failures, state.last_error, state.due_at) == (1, report.error, NOW + timedelta(minutes=1))
    put(tmp_path / "inbox", "a.csv", HEADER + ROW)
    await run(runner, source())
    (state,) = await status(runner.store, {"lists": source()}, lambda: NOW)
    assert (state.failures, state.last_error, state.succeeded_at) == (0, None, NOW)
    assert state.due_at == NOW + timedelta(days=1)


async def test_one_failing_source_does_not_stop_the_others(runner: Runner, tmp_path: Path) -> None:
    """Each source has its own report."""
    put(tmp_path / "inbox", "a.csv", HEADER + ROW)
    reports = await runner.run({"a": source(name="a", url="nowhere/*.csv", tries=1), "b": source(name="b")})
    assert [(one.source, one.error is None, len(one.loaded)) for one in reports] == [
        ("a", False, 0),
        ("b", True, 1),
    ]


async def test_an_unknown_source_is_named(runner: Runner) -> None:
    """Asking for a source that is not configured lists those that are."""
    with pytest.raises(NotFoundError, match="known are lists"):
        await runner.run({"lists": source()}, "list")


async def test_a_file_beyond_the_limit_is_refused(runner: Runner, tmp_path: Path) -> None:
    """A runaway download ends at max_bytes."""
    put(tmp_path / "inbox", "a.csv", HEADER + ROW)
    report = await run(runner, source(max_bytes=10))
    assert report.error is not None
    assert "larger than max_bytes" in report.error


async def test_a_protocol_without_its_package_says_what_to_install(runner: Runner) -> None:
    """SFTP and S3 need packages of their own."""
    report = await run(runner, source(url="webhdfs2://host/a.csv", tries=1))
    assert report.error is not None
    assert "source lists" in report.error


class _Site(BaseHTTPRequestHandler):
    content = (HEADER + ROW).encode()
    etag = '"1"'
    failures = 0
    gets = 0

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        type(self).gets += 1
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        if type(self).failures > 0:
            type(self).failures -= 1
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.send_header("ETag", self.etag)
        self.end_headers()
        if body:
            self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def web() -> Iterator[tuple[str, type[_Site]]]:
    """A web server with one file; its URL and what it answers."""
    answers = type("Answers", (_Site,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/lists/a.csv", answers
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_web_file_is_fetched_again_only_when_its_etag_changes(
    runner: Runner, web: tuple[str, type[_Site]]
) -> None:
    """The second look asks for nothing but the ETag."""
    url, answers = web
    one = source(url=url)
    assert [loaded.summary.new for loaded in (await run(runner, one)).loaded] == [1]
    gets = answers.gets
    assert (await run(runner, one)).known == 1
    assert answers.gets == gets
    answers.etag, answers.content = '"2"', answers.content + ROW.replace("4567", "4568").encode()
    assert [loaded.summary.new for loaded in (await run(runner, one)).loaded] == [1]


async def test_a_source_that_fails_for_a_moment_is_tried_again(
    runner: Runner, web: tuple[str, type[_Site]]
) -> None:
    """Retries with growing pauses; a source that is down stays an error."""
    url, answers = web
    answers.failures = 1
    report = await run(runner, source(url=url))
    assert [type(one) for one in report.loaded] == [Loaded]
    answers.failures = 100
    answers.etag = '"3"'
    report = await run(runner, source(url=url))
    assert report.error is not None


async def test_no_secret_is_told(runner: Runner, tmp_path: Path) -> None:
    """An error of a protocol may quote its options; the secrets among them never come out."""
    (tmp_path / "token").write_text("hunter2\n")
    one = source(url="memory://nowhere/hunter2.csv", secret_files={"token": "token"}, tries=1)
    report = await run(runner, one)
    assert report.error is not None
    assert "hunter2" not in report.error.replace(one.url, "")
