"""`vaglio settle` as a shell sees it."""

import csv
from pathlib import Path
from typing import Any

import orjson
import pytest

from vaglio.audit import Reader

Shell = Any
HEADER = "contract_id,number,controller,signed_at,decision_id\n"
ROW = "K1,+393331234567,aurora,2026-11-20T10:00:00Z,"


def write(folder: Path, *rows: str) -> Path:
    file = folder / "contracts.csv"
    file.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return file


def test_results_go_to_a_file_and_a_summary_is_printed(house: Shell, tmp_path: Path) -> None:
    """One row a contract in its order, totals on standard output, no number in clear in either."""
    file = write(
        tmp_path, "K1,+393331234567,aurora,2026-11-20T10:00:00Z,", "K2,+393331234568,aurora,2026-11-20T10:00:00Z"
    )
    done = house("settle", file)
    assert done.code == 0
    with (tmp_path / "contracts.csv.settled.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["contract_id"], row["commission"], row["reason"]) for row in rows] == [("K1", "none", "NO_CALL")]
    assert "1 contracts, 0 with a lawful call before them, 1 rows rejected" in done.out
    assert "3331234567" not in done.out + (tmp_path / "contracts.csv.settled.csv").read_text()


def test_bad_rows_are_rejected_with_line_and_field(house: Shell, tmp_path: Path) -> None:
    """Never half a row, never the number, and the rest is settled."""
    file = write(
        tmp_path,
        ROW,
        "K1,+393331234567,aurora,2026-11-20T10:00:00Z,",
        "=cmd(),+393331234567,aurora,2026-11-20T10:00:00Z,",
        "K3,3331234567,aurora,2026-11-20T10:00:00Z,",
        "K4,+393331234567,a b,2026-11-20T10:00:00Z,",
        "K5,+393331234567,aurora,2026-11-20T10:00:00,",
        "K6,+393331234567,aurora,2026-11-20T10:00:00Z,12",
        ",+393331234567,aurora,2026-11-20T10:00:00Z,",
    )
    done = house("settle", file, "--json").json
    assert (done["contracts"], done["rejected"]) == (1, 7)
    rejects = (tmp_path / "contracts.csv.rejects.csv").read_text()
    assert [line.split(",")[:2] for line in rejects.splitlines()[1:]] == [
        ["3", "contract_id"],
        ["4", "contract_id"],
        ["5", "number"],
        ["6", "controller"],
        ["7", "signed_at"],
        ["8", "decision_id"],
        ["9", "contract_id"],
    ]
    assert "3331234567" not in rejects


def test_the_search_is_an_entry_before_its_answer_can_be_read(house: Shell, home: Path, tmp_path: Path) -> None:
    """The log tells which file was settled, by its digest, and how many contracts it held."""
    file = write(tmp_path, ROW)
    done = house("settle", file, "--out", tmp_path / "out.csv", "--window", "7", "--json").json
    assert done["file"] == str(tmp_path / "out.csv")
    with Reader(home / "audit.db") as log:
        (entry,) = [record for record in log.tail(3) if record.kind == "access"]
    body = entry.body
    assert (body["access"], body["contracts"], body["due"], body["window_days"]) == ("settlement", 1, 0, 7)
    assert len(body["sha256"]) == 64


@pytest.mark.parametrize(
    ("name", "text"), [("missing.csv", None), ("empty.csv", ""), ("columns.csv", "contract_id,number\n")]
)
def test_a_file_that_is_none_is_refused_in_one_line(
    house: Shell, home: Path, tmp_path: Path, name: str, text: str | None
) -> None:
    """Exit 2, nothing written, nothing recorded."""
    if text is not None:
        (tmp_path / name).write_text(text)
    with Reader(home / "audit.db") as log:
        before = log.size()
        done = house("settle", tmp_path / name)
        assert (done.code, log.size()) == (2, before)
    assert name in done.line
    assert not (tmp_path / f"{name}.settled.csv").exists()


def test_the_file_of_contracts_is_never_written_over(house: Shell, tmp_path: Path) -> None:
    """An --out that names the input is wrong use."""
    file = write(tmp_path, ROW)
    done = house("settle", file, "--out", file)
    assert done.code == 2
    assert file.read_text().startswith(HEADER)


def test_json_is_one_document(house: Shell, tmp_path: Path) -> None:
    """Contracts, totals by campaign and the files written."""
    file = write(tmp_path, "K1,00393331234567,aurora,2026-11-20T10:00:00+01:00,")
    done = orjson.loads(house("settle", file, "--json").out)
    assert done["campaigns"] == [
        {"controller": "aurora", "campaign": None, "contracts": 1, "due": 0, "none": {"NO_CALL": 1}}
    ]
    assert done["settled"][0]["number"] == "…567"
