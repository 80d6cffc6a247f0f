"""`vaglio report …` as a shell sees it."""

import csv
import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

from vaglio.audit import Reader, Sealer
from vaglio.site import Site

Shell = Any
TIME = ("--from", "2026-11-01", "--to", "2100-01-01")


@pytest.fixture
def sealed(house: Shell, home: Path) -> Shell:
    """The sample installation with a signed checkpoint."""
    site = Site.at(home / "vaglio.toml")
    with Sealer(site.log_file, site.keys()) as sealer:
        sealer.step(now=True)
    return house


def accesses(home: Path) -> list[dict[str, Any]]:
    with Reader(home / "audit.db") as log:
        return [one.body for one in log.tail(10_000) if one.kind == "access"]


def test_a_principal_s_report_is_written_and_its_entry_names_each_file(
    sealed: Shell, home: Path, tmp_path: Path
) -> None:
    """HTML, CSV and PDF under the principal's id; the log holds what the files digest to."""
    done = sealed(
        "report", "principal", "--controller", "aurora", *TIME, "--out", tmp_path / "out", "--language", "it"
    )
    assert done.code == 0, done.err
    (entry,) = accesses(home)
    assert (entry["access"], entry["report"], entry["controller"], entry["language"]) == (
        "report",
        "principal",
        "aurora",
        "it",
    )
    assert (entry["from"], entry["to"]) == ("2026-11-01T00:00:00.000000Z", "2100-01-01T00:00:00.000000Z")
    assert entry["by"]
    there = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (tmp_path / "out").iterdir()}
    assert {one["file"]: one["sha256"] for one in entry["files"]} == there
    assert there.keys() == {"principal-aurora.html", "principal-aurora.csv", "principal-aurora.pdf"}
    assert "Relazione al committente" in (tmp_path / "out" / "principal-aurora.html").read_text(encoding="utf-8")
    assert [line for line in done.out.splitlines() if line.startswith("entry")] == [f"entry  {entry['id']}"]


def test_programs_get_every_figure_as_one_document(sealed: Shell, tmp_path: Path) -> None:
    """The report, the files and the entry."""
    found = sealed(
        "report", "principal", "--controller", "aurora", *TIME, "--out", tmp_path / "out", "--json"
    ).json
    assert found["report"]["controller"] == {"id": "aurora", "name": "Aurora Telecom"}
    assert found["report"]["oppositions"]["calls_after"] == 0
    assert len(found["files"]) == 3
    assert len(found["entry"]) == 26


def test_contracts_are_told_apart_and_bad_rows_rejected(sealed: Shell, home: Path, tmp_path: Path) -> None:
    """A file of its own holds those without a basis; the entry names where they came from."""
    contracts = tmp_path / "contracts.csv"
    contracts.write_text(
        "contract_id,number,controller,signed_at\n"
        "K1,+393331234567,aurora,2026-11-20T10:00:00Z\n"
        "K2,+393331234568,somebody,2026-11-20T10:00:00Z\n"
        "K3,333,aurora,2026-11-20T10:00:00Z\n"
    )
    done = sealed(
        *("report", "principal", "--controller", "aurora", *TIME),
        *("--out", tmp_path / "out", "--contracts", contracts, "--json"),
    )
    assert done.json["rejected"] == 1
    with (tmp_path / "out" / "principal-aurora-contracts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["contract_id"], row["number"], row["reason"]) for row in rows] == [("K1", "…567", "NO_CALL")]
    assert accesses(home)[0]["contracts"]["sha256"] == hashlib.sha256(contracts.read_bytes()).hexdigest()
    assert (tmp_path / "contracts.csv.rejects.csv").is_file()


def test_the_evidence_for_an_assessment_is_written_likewise(sealed: Shell, home: Path, tmp_path: Path) -> None:
    """It is of the whole installation, so its entry names no controller."""
    done = sealed("report", "dpia", *TIME, "--out", tmp_path / "out", "--language", "fr")
    assert done.code == 0, done.err
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"dpia.html", "dpia.csv", "dpia.pdf"}
    (entry,) = accesses(home)
    assert (entry["report"], entry["controller"]) == ("dpia", None)


def test_the_pack_is_made_beside_its_archive(sealed: Shell, home: Path, tmp_path: Path) -> None:
    """The command says where both are, and under which digest."""
    found = sealed("report", "monitoring-body", *TIME, "--out", tmp_path / "pack", "--json").json
    assert Path(found["directory"]).is_dir()
    assert Path(found["archive"]).is_file()
    assert found["controllers"] == ["aurora"]
    digest = hashlib.sha256((tmp_path / "pack" / "SHA256SUMS").read_bytes()).hexdigest()
    assert found["checksums_sha256"] == digest
    assert accesses(home)[0]["id"] == found["entry"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("principal", "--controller", "nobody", *TIME), "controller"),
        (("principal", "--controller", "aurora", "--from", "2026-11-02", "--to", "2026-11-01"), "--to"),
        (("principal", "--controller", "aurora", "--from", "yesterday", "--to", "2026-11-01"), "--from"),
        (("dpia", "--from", "2026-11-01T10:00:00", "--to", "2026-12-01"), "zone"),
        (("monitoring-body", *TIME, "--sample", "5"), "--seed"),
        (("monitoring-body", *TIME, "--seed", "x"), "--sample"),
        (("monitoring-body", *TIME, "--controller", "nobody"), "controller"),
    ],
)
def test_wrong_use_is_one_line_and_leaves_nothing(
    sealed: Shell, home: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """No file, no directory, no entry."""
    done = sealed("report", *arguments, "--out", tmp_path / "out")
    assert done.code in {1, 2}
    assert said in done.line
    assert not (tmp_path / "out").exists()
    assert not accesses(home)


def test_without_the_pdf_s_libraries_the_rest_is_written(
    sealed: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 and one line: what is there, what is missing, what to install."""
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    done = sealed("report", "dpia", *TIME, "--out", tmp_path / "out")
    assert done.code == 2
    assert "HTML and CSV are written" in done.line
    assert "apt-get install" in done.line
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"dpia.html", "dpia.csv"}


def test_a_directory_that_cannot_be_written_is_told_before_the_log_is(
    sealed: Shell, home: Path, tmp_path: Path
) -> None:
    """A file in the way of --out: one line, and no entry of a report that nobody got."""
    (tmp_path / "out").write_text("a file")
    done = sealed("report", "dpia", *TIME, "--out", tmp_path / "out")
    assert done.code == 2
    assert "--out" in done.line
    assert not accesses(home)
