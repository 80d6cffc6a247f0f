"""The pack for a monitoring body, checked with tools that are not ours."""

import csv
import hashlib
import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.audit import independent
from tests.reports.conftest import FOREIGN, OCTOBER, Town, made
from vaglio.audit import Reader
from vaglio.errors import InputError, NotFoundError
from vaglio.reports.pack import CHECKSUMS, Pack, Sample, monitoring_pack
from vaglio.rules import LANGUAGES


@pytest.fixture(scope="module")
def pack(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return monitoring_pack(town.site, tmp_path_factory.mktemp("pack") / "october", OCTOBER, by="auditor")


def records(pack: Pack) -> list[dict[str, str]]:
    with (pack.directory / "log" / "records.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_file_is_under_a_checksum_that_holds(pack: Pack) -> None:
    """`sha256sum -c` passes over all of them; only the list itself is not in it."""
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", CHECKSUMS], cwd=pack.directory, check=True)
    listed = {line[66:] for line in (pack.directory / CHECKSUMS).read_text().splitlines()}
    there = {one.relative_to(pack.directory).as_posix() for one in pack.directory.rglob("*") if one.is_file()}
    assert listed == there - {CHECKSUMS}
    assert {"README.md", "log/README.md", "log/rulebooks/it.toml", "reports/principal-acme.html"} <= listed


def test_the_bundle_in_it_is_verified_without_vaglio(town: Town, pack: Pack) -> None:
    """Keys, checkpoint, tiles and records, by the second verifier."""
    trusted = town.site.keys().verifier.vkey
    assert independent.check_bundle(pack.directory / "log", trusted) == pack.records > 0


def test_figures_of_the_reports_are_those_of_the_records(pack: Pack) -> None:
    """Counted as the README says: decisions by controller, verdict and reason."""
    rows = records(pack)
    for controller in pack.controllers:
        counted: dict[str, int] = {}
        for row in rows:
            if row["kind"] == "decision" and row["controller"] == controller:
                key = f"{row['verdict']}:{row['reason']}"
                counted[key] = counted.get(key, 0) + 1
        told: dict[str, int] = {}
        report = pack.directory / "reports" / f"principal-{controller}.csv"
        with report.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["section"] == "decisions":
                    key = ":".join(row["item"].split(":")[:2])
                    told[key] = told.get(key, 0) + int(row["value"])
        assert told == counted
    assert pack.decisions == sum(row["kind"] == "decision" for row in rows)


def test_the_archive_holds_the_same(pack: Pack) -> None:
    """File by file, under the directory's name."""
    with zipfile.ZipFile(pack.archive) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            top, _, inside = name.partition("/")
            assert top == pack.directory.name
            assert archive.read(name) == (pack.directory / inside).read_bytes()
        assert len(archive.namelist()) == sum(one.is_file() for one in pack.directory.rglob("*"))


def test_the_pack_is_an_entry_that_names_its_checksums(town: Town, pack: Pack) -> None:
    """Who took it, of what time, and the digest under which all of it lies; no number."""
    with Reader(town.site.log_file) as log:
        body = log.show(pack.entry).body
    assert (body["kind"], body["access"], body["report"], body["by"]) == (
        "access",
        "report",
        "monitoring-body",
        "auditor",
    )
    digest = hashlib.sha256((pack.directory / CHECKSUMS).read_bytes()).hexdigest()
    assert body["files"] == [{"file": CHECKSUMS, "sha256": digest}]
    assert digest == pack.checksums_sha256
    assert "number" not in body


def test_a_sample_is_drawn_by_the_rule_the_readme_tells(town: Town, tmp_path: Path) -> None:
    """The decisions with the smallest SHA-256 over seed, colon and id; what tells of them comes along."""
    draws = [
        monitoring_pack(town.site, tmp_path / name, OCTOBER, by="x", controller="acme", sample=Sample(20, seed))
        for name, seed in (("one", "2026/17"), ("two", "2026/17"), ("other", "2026/18"))
    ]
    entries = {one.id: one for one in town.records()}
    decisions = [
        one
        for one in entries.values()
        if one.body.get("verdict") and one.body["controller"] == "acme" and OCTOBER.since <= one.at < OCTOBER.until
    ]
    order = sorted(decisions, key=lambda one: hashlib.sha256(f"2026/17:{one.id}".encode()).digest())
    chosen = {one.id for one in order[:20]}
    rows = [records(one) for one in draws]
    assert {row["id"] for row in rows[0] if row["kind"] == "decision"} == chosen
    followed = {one.id for one in entries.values() if one.body.get("ref") in chosen}
    assert {row["id"] for row in rows[0]} == chosen | followed
    assert [row["index"] for row in rows[0]] == sorted((row["index"] for row in rows[0]), key=int)
    assert rows[0] == rows[1] != rows[2]
    assert (draws[0].sampled, draws[0].decisions) == (20, len(decisions))
    assert "2026/17" in (draws[0].directory / "README.md").read_text(encoding="utf-8")
    assert independent.check_bundle(draws[0].directory / "log", town.site.keys().verifier.vkey) == len(rows[0])


def test_a_sample_larger_than_what_there_is_takes_all(town: Town, tmp_path: Path) -> None:
    """And says how many that were."""
    sample = Sample(10_000, "s")
    drawn = monitoring_pack(town.site, tmp_path / "all", OCTOBER, by="x", controller="zenith", sample=sample)
    assert drawn.sampled == drawn.decisions


def test_a_principal_s_pack_holds_nothing_of_others(town: Town, tmp_path: Path) -> None:
    """Neither in the records nor in a report; the rulebooks and the tree are everybody's."""
    own = monitoring_pack(town.site, tmp_path / "own", OCTOBER, by="x", controller="acme")
    assert own.controllers == ("acme",)
    assert {row["controller"] for row in records(own)} <= {"acme", ""}
    for file in own.directory.rglob("*"):
        if file.is_file() and "rulebooks" not in file.parts and "tile" not in file.parts:
            content = file.read_bytes()
            assert not [word for word in FOREIGN if word.encode() in content], file


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_readme_is_filled_in_every_language(town: Town, tmp_path: Path, language: str) -> None:
    """No place is left open."""
    made_one = monitoring_pack(
        town.site, tmp_path / language, OCTOBER, by="x", controller="idle", language=language
    )
    text = (made_one.directory / "README.md").read_text(encoding="utf-8")
    assert "{" not in text
    assert "sha256sum -c SHA256SUMS" in text
    assert "idle" in text


def test_a_pack_is_there_whole_or_not_at_all(town: Town, tmp_path: Path) -> None:
    """A directory in use is refused and left as it is; a failure leaves nothing behind, no entry either."""
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="--out"):
        monitoring_pack(town.site, full, OCTOBER, by="x")
    with pytest.raises(NotFoundError, match="controller list"):
        monitoring_pack(town.site, tmp_path / "nobody", OCTOBER, by="x", controller="nobody")
    fresh = made(tmp_path / "fresh")
    before = len(fresh.records())
    with pytest.raises(NotFoundError, match="no checkpoint"):
        monitoring_pack(fresh.site, tmp_path / "early", OCTOBER, by="x")
    assert len(fresh.records()) == before
    assert {one.name for one in tmp_path.iterdir()} == {"full", "fresh"}
    assert (full / "mine.txt").read_text() == "kept"


def test_no_number_stands_in_a_pack(town: Town, pack: Pack) -> None:
    """Of any called number at most the last three digits are there."""
    keys = town.site.keys()
    with Reader(town.site.log_file) as log:
        numbers = {
            keys.unseal(sealed, one.id)
            for one in log.tail(1_000_000)
            if (sealed := log.sealed(one.id)) is not None
        }
    assert numbers
    for file in pack.directory.rglob("*.*"):
        if file.suffix in {".csv", ".html", ".jsonl", ".md"}:
            text = file.read_text(encoding="utf-8")
            assert not [number for number in numbers if number[1:] in text]
    lines = (pack.directory / "log" / "records.jsonl").read_text(encoding="utf-8").splitlines()
    assert all("number" not in json.loads(line)["entry"].get("details", {}) for line in lines)
