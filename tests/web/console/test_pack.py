"""The pack for a monitoring body, made at the console: what it holds, what is refused, and that nothing stays."""

import errno
import hashlib
import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from tests.audit import independent
from tests.web.console.people import Person, person
from tests.web.decided import decide
from vaglio.audit import Reader
from vaglio.audit.sealing import Sealer
from vaglio.reports.pack import CHECKSUMS, MOST_SAMPLED
from vaglio.web.access import Role
from vaglio.web.console import pack
from vaglio.web.rooms import Rooms


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files of a test go; nothing may stay there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())


@pytest.fixture
async def sealed(rooms: Rooms) -> Rooms:
    """With three decisions under a checkpoint."""
    await decide(rooms.site, "+393331234500", "+393331234501", "+393331234502")
    with Sealer(rooms.site.log_file, rooms.keys) as sealer:
        sealer.step(now=True)
    return rooms


def days(of: str, **more: str) -> dict[str, str]:
    """A form's fields: from yesterday to tomorrow."""
    today = datetime.now(UTC).date()
    since, until = today - timedelta(days=1), today + timedelta(days=1)
    return {"of": of, "since": since.isoformat(), "until": until.isoformat(), "language": "en", **more}


def accesses(rooms: Rooms) -> list[dict[str, object]]:
    with Reader(rooms.site.log_file) as log:
        return [one.body for one in log.tail(1000) if one.body["kind"] == "access"]


def auditor(app: ASGIApp, rooms: Rooms) -> Person:
    return person(app, rooms, Role.AUDITOR)


async def test_a_pack_is_sent_and_entered_once(app: ASGIApp, sealed: Rooms, tmp_path: Path) -> None:
    """By whom and by which door; it passes the second verifier, and nothing of it stays."""
    answer = await auditor(app, sealed).post("/reports/pack", days("*", language="it"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="monitoring-body.zip"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path / "taken")
    folder = tmp_path / "taken" / "monitoring-body"
    assert independent.check_bundle(folder / "log", sealed.keys.verifier.vkey) >= 3
    (told,) = accesses(sealed)
    digest = hashlib.sha256((folder / CHECKSUMS).read_bytes()).hexdigest()
    assert told["files"] == [{"file": CHECKSUMS, "sha256": digest}]
    assert (told["access"], told["report"], told["controller"]) == ("report", "monitoring-body", None)
    assert (str(told["by"]).partition("-")[0], told["via"], told["language"]) == ("auditor", "console", "it")


async def test_a_sample_is_drawn_by_the_seed(app: ASGIApp, sealed: Rooms) -> None:
    """So many decisions; size and seed stand in the entry."""
    fields = days("aurora", sample="2", seed="body 2026/17")
    answer = await auditor(app, sealed).post("/reports/pack", fields)
    assert answer.headers["content-disposition"] == 'attachment; filename="monitoring-body-aurora.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        lines = archive.read("monitoring-body-aurora/log/records.jsonl").splitlines()
    assert len(lines) == 2
    (told,) = accesses(sealed)
    assert (told["controller"], told["sample"], told["seed"]) == ("aurora", 2, "body 2026/17")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"sample": "5"}, "both its size and a seed"),
        ({"seed": "x"}, "both its size and a seed"),
        ({"sample": "0", "seed": "x"}, "from 1 to"),
        ({"sample": str(MOST_SAMPLED + 1), "seed": "x"}, f"from 1 to {MOST_SAMPLED}"),
        ({"sample": "-1", "seed": "x"}, "from 1 to"),
        ({"sample": "٣", "seed": "x"}, "from 1 to"),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "first day"),
        ({"since": ""}, "first day"),
    ],
)
async def test_what_cannot_be_made_is_told_on_the_page(
    app: ASGIApp, sealed: Rooms, fields: dict[str, str], said: str
) -> None:
    """With what was typed still in the form, and without an entry."""
    answer = await auditor(app, sealed).post("/reports/pack", days("*") | fields)
    assert answer.status_code == 422
    assert "No pack." in answer.text
    assert said in answer.text
    assert f'value="{fields.get("seed", "")}"' in answer.text
    assert not accesses(sealed)


async def test_who_may_not_export_gets_no_pack(app: ASGIApp, sealed: Rooms) -> None:
    """A campaign manager makes reports; the log is not for that role to take away, so the form is not there."""
    manager = person(app, sealed, Role.CAMPAIGN_MANAGER)
    page = await manager.get("/reports")
    assert (page.status_code, "/reports/pack" in page.text) == (200, False)
    assert (await manager.post("/reports/pack", days("*"))).status_code == 403
    assert not accesses(sealed)


@pytest.mark.parametrize("of", ["*", "", "nobody"])
async def test_an_account_of_one_controller_asks_for_its_own(app: ASGIApp, sealed: Rooms, of: str) -> None:
    """Anything else is not there: not on the page, not by name."""
    own = person(app, sealed, Role.PRINCIPAL_AUDITOR, "aurora")
    page = (await own.get("/reports")).text
    assert ('value="*"' in page, 'value="aurora"' in page) == (False, True)
    assert (await own.post("/reports/pack", days(of))).status_code == 404
    assert (await own.post("/reports/pack", days("aurora"))).status_code == 200


async def test_nothing_stays_of_what_fails(
    app: ASGIApp, rooms: Rooms, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a checkpoint, without room on the disk, with a defect: told, no entry, no file."""
    one = auditor(app, rooms)
    early = await one.post("/reports/pack", days("*"))
    assert (early.status_code, "audit checkpoint" in early.text) == (422, True)
    with Sealer(rooms.site.log_file, rooms.keys) as sealer:
        sealer.step(now=True)
    with monkeypatch.context() as patched:
        patched.setattr(zipfile.ZipFile, "open", full)
        answer = await one.post("/reports/pack", days("*"))
    assert (answer.status_code, os.strerror(errno.ENOSPC) in answer.text) == (422, True)
    assert "--out" not in answer.text
    assert str(temporary) not in answer.text
    with monkeypatch.context() as patched:
        patched.setattr(pack, "monitoring_pack", defect)
        assert (await one.post("/reports/pack", days("*"))).status_code == 500
    assert not accesses(rooms)
    assert (await one.post("/reports/pack", days("*"))).status_code == 200


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def defect(_: object, folder: Path, *__: object, **___: object) -> None:
    folder.mkdir()
    (folder / "half").write_text("half")
    raise RuntimeError("a defect")


async def test_a_pack_without_pdfs_is_made_only_when_asked_for_so(
    app: ASGIApp, sealed: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where none can be made, the page says what to install, and offers the pack without them."""
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    one = auditor(app, sealed)
    answer = await one.post("/reports/pack", days("*", sample="2", seed="mine"))
    assert (answer.status_code, "apt-get install" in answer.text) == (422, True)
    assert 'name="without_pdf"' in answer.text
    assert 'value="mine"' in answer.text
    assert not accesses(sealed)
    answer = await one.post("/reports/pack", days("*", without_pdf="yes"))
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        kinds = {Path(name).suffix for name in archive.namelist() if "/reports/" in name}
    assert kinds == {".html", ".csv"}
