"""S3 against moto's server on this machine, which verifies every request's signature."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import orjson
import pytest

from lab.ports import free_port
from vaglio.sync.run import Runner, RunReport
from vaglio.sync.sources import Source

HEADER = "number,controller,purpose,opposed_at\n"
ROW = "+393471234567,acme,*,2026-03-01T10:00:00Z\n"
BUCKET = "lists"
POLICY = orjson.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
).decode()
_BOOT_SECONDS = 30.0
_SETTING_UP = 3
"""Requests that make the user; every later one must be signed by it."""


@dataclass(frozen=True)
class Cloud:
    """A server: its address, the credentials that open it, a client that fills it."""

    address: str
    key: str
    secret: str
    client: Any

    def put(self, name: str, content: str) -> None:
        """An object in the bucket."""
        self.client.put_object(Bucket=BUCKET, Key=name, Body=content.encode())

    def source(self, **changes: object) -> Source:
        """A source of oppositions there."""
        plain = {
            "name": "lists",
            "kind": "oppositions",
            "url": f"s3://{BUCKET}/out/*.csv",
            "options": {"endpoint_url": self.address},
            "secret_env": {"key": "LISTS_KEY"},
            "secret_files": {"secret": "secret"},
            "settle_seconds": 0,
        }
        return Source.model_validate({**plain, **changes})


def _client(service: str, address: str, key: str, secret: str) -> Any:
    return botocore.session.Session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=address,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One server for this file; from now on it answers only to the credentials of its one user."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=out,
            stderr=out,
            env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(_SETTING_UP)},
        )
    try:
        deadline = time.monotonic() + _BOOT_SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        iam = _client("iam", address, "setup", "setup")
        iam.create_user(UserName="vaglio")
        iam.put_user_policy(UserName="vaglio", PolicyName="lists", PolicyDocument=POLICY)
        made = iam.create_access_key(UserName="vaglio")["AccessKey"]
        key, secret = made["AccessKeyId"], made["SecretAccessKey"]
        yield Cloud(address, key, secret, _client("s3", address, key, secret))
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def cloud(server: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An empty bucket, and its credentials in a file and a variable."""
    monkeypatch.setenv("LISTS_KEY", server.key)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "secret").write_text(f"{server.secret}\n")
    server.client.create_bucket(Bucket=BUCKET)
    yield server
    for one in server.client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        server.client.delete_object(Bucket=BUCKET, Key=one["Key"])
    server.client.delete_bucket(Bucket=BUCKET)


async def run(runner: Runner, one: Source) -> RunReport:
    """One run of one source, by a clock that goes on."""
    (report,) = await replace(runner, clock=lambda: datetime.now(UTC)).run({one.name: one})
    return report


async def test_an_object_is_fetched_once(runner: Runner, cloud: Cloud) -> None:
    """The first run imports it, and the second knows it."""
    cloud.put("out/a.csv", HEADER + ROW)
    first = await run(runner, cloud.source())
    assert (first.error, [(one.file, one.summary.new) for one in first.loaded]) == (None, [("a.csv", 1)])
    again = await run(runner, cloud.source())
    assert (again.loaded, again.known, again.error) == ((), 1, None)


async def test_a_known_object_is_not_even_read(runner: Runner, cloud: Cloud) -> None:
    """Its ETag is enough, though it was written again since: a run that may read nothing at all goes well."""
    cloud.put("out/a.csv", HEADER + ROW)
    await run(runner, cloud.source())
    await asyncio.sleep(1.1)  # S3 tells times in seconds
    cloud.put("out/a.csv", HEADER + ROW)
    report = await run(runner, cloud.source(max_bytes=1))
    assert (report.known, report.error) == (1, None)


async def test_one_object_needs_no_listing(runner: Runner, cloud: Cloud) -> None:
    """A URL without * is one object, known by the same tag."""
    cloud.put("out/a.csv", HEADER + ROW)
    one = cloud.source(url=f"s3://{BUCKET}/out/a.csv")
    assert len((await run(runner, one)).loaded) == 1
    assert (await run(runner, cloud.source())).known == 1


async def test_a_changed_object_is_fetched_again(runner: Runner, cloud: Cloud) -> None:
    """Another ETag makes it another file; what it says anew is imported."""
    cloud.put("out/a.csv", HEADER + ROW)
    await run(runner, cloud.source())
    cloud.put("out/a.csv", HEADER + ROW + ROW.replace("4567", "4568"))
    report = await run(runner, cloud.source())
    assert [(one.summary.new, one.summary.unchanged) for one in report.loaded] == [(1, 1)]


@pytest.mark.parametrize("wrong", ["key", "secret"])
async def test_wrong_credentials_are_one_line(
    runner: Runner, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """The error names source and URL and what the server said, and neither half of the credentials."""
    if wrong == "key":
        monkeypatch.setenv("LISTS_KEY", "AKIAHUNTER2HUNTER2")
    else:
        (tmp_path / "secret").write_text("hunter2-of-lists")
    report = await run(runner, cloud.source(tries=2))
    assert report.error is not None
    assert report.error.startswith(f"source lists: s3://{BUCKET}/out/*.csv: ")
    assert "\n" not in report.error
    assert "hunter2" not in report.error.lower()
    assert cloud.secret not in report.error


async def test_no_credential_is_in_any_log(runner: Runner, cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    """The secret stays out of every log, in all its detail."""
    caplog.set_level(logging.DEBUG)
    cloud.put("out/a.csv", HEADER + ROW)
    assert (await run(runner, cloud.source())).error is None
    assert "botocore" in caplog.text
    assert cloud.secret not in caplog.text


async def test_a_host_that_is_down_is_one_line(
    runner: Runner, cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    """The error names the address that does not answer; nothing else is printed."""
    address = f"http://127.0.0.1:{free_port()}"
    report = await run(runner, cloud.source(options={"endpoint_url": address}, tries=1))
    assert report.error is not None
    assert "Could not connect to the endpoint URL" in report.error
    assert "\n" not in report.error
    assert capfd.readouterr() == ("", "")


async def test_a_bucket_that_is_not_there_is_told(runner: Runner, cloud: Cloud) -> None:
    """A misspelt bucket is an error, not an empty folder."""
    report = await run(runner, cloud.source(url="s3://list/out/*.csv", tries=1))
    assert report.error is not None
    assert "source lists: s3://list/out/*.csv" in report.error


async def test_unfinished_objects_are_left(runner: Runner, cloud: Cloud) -> None:
    """An upload in parts that is not completed, a name that says so, an object of a moment ago."""
    upload = cloud.client.create_multipart_upload(Bucket=BUCKET, Key="out/a.csv")["UploadId"]
    part = {"Bucket": BUCKET, "Key": "out/a.csv", "UploadId": upload, "PartNumber": 1}
    cloud.client.upload_part(**part, Body=(HEADER + ROW).encode())
    cloud.put("out/b.csv.part", HEADER + ROW)
    cloud.put("out/c.csv", HEADER + ROW)
    report = await run(runner, cloud.source(url=f"s3://{BUCKET}/out", settle_seconds=600))
    assert (report.loaded, report.unfinished, report.error) == ((), 1, None)
    later = datetime.now(UTC) + timedelta(hours=1)
    (report,) = await replace(runner, clock=lambda: later).run({"lists": cloud.source()})
    assert [one.file for one in report.loaded] == ["c.csv"]
