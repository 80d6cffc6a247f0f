"""`vaglio scrub` as a shell sees it."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from vaglio.audit import Reader

Shell = Any
AT = "2026-11-18T11:00:00+01:00"
"""A Wednesday, within hours."""
OPPOSED, FREE = "+393331234567", "+393331230101"
TAIL = ",vaglio_verdict,vaglio_reason,vaglio_rule,vaglio_next,vaglio_would_be"


def scrub(house: Shell, file: Path, *options: str, campaign: str = "renewals") -> Any:
    return house("scrub", file, "--campaign", campaign, "--out", file.parent / "out", "--at", AT, *options)


def lists(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "out" / "allowed.csv").read_bytes(), (folder / "out" / "blocked.csv").read_bytes()


def test_a_list_is_parted_and_its_records_stay_as_they_were(house: Shell, tmp_path: Path) -> None:
    """Quotes, blanks, accents, empty cells and line ends are handed on byte for byte, the advice behind them."""
    file = tmp_path / "leads.csv"
    first = f'"Rossi; ""M"" \n di Bari";{FREE};;  x \xe9'.encode("cp1252")
    second = f"=cmd();{OPPOSED};-;".encode()
    file.write_bytes(b"name;phone;b;c\r\n" + first + b"\r\n\r\n" + second)
    done = scrub(house, file)
    assert (done.code, done.err) == (0, "")
    allowed, blocked = lists(tmp_path)
    tail = TAIL.replace(",", ";").encode()
    assert allowed == b"name;phone;b;c" + tail + b"\r\n" + first + b";allow;NO_RESTRICTION;;;\r\n"
    assert blocked.startswith(b"name;phone;b;c" + tail + b"\r\n" + second + b";block;OPPOSITION;")
    assert "1 allowed, 1 blocked" in done.out
    assert "the gate decides again" in done.out
    assert "OPPOSITION\t1\t50.0%" in done.out


def test_rows_without_a_number_are_blocked(house: Shell, tmp_path: Path) -> None:
    """Empty, too short, letters, a row too short: each stands among the blocked as NUMBER_INVALID."""
    file = tmp_path / "leads.csv"
    file.write_text(f"id,phone\n1,\n2,+39\n3,call me\n4\n5,{FREE}\n", encoding="utf-8")
    done = scrub(house, file, "--json").json
    assert done["reasons"] == {"allow": {"NO_RESTRICTION": 1}, "block": {"NUMBER_INVALID": 4}}
    assert (done["leads"], done["column"]) == (5, "phone")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (f"{FREE}\n{OPPOSED}\n", ()),
        (f"\ufeffid\tNumero di telefono\n1\t{FREE}\n2\t{OPPOSED}\n", ()),
        (f"id|kontakt\n1|{FREE}\n2|{OPPOSED}\n", ()),
        ("id,phone,phone2\n1,,333 123 0101\n2,,333 1234567\n", ("--number-column", "PHONE2")),
        ("id,phone,tel\n1,,333 123 0101\n2,,333 1234567\n", ("--number-column", "3")),
        ("id,phone\n1,333-123-0101\n2,333.1234567\n", ("--region", "it")),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_column_is_found_or_named(
    house: Shell, tmp_path: Path, text: str, options: tuple[str, ...], encoding: str
) -> None:
    """By name, by what stands in it, or as told; with and without a header, in every usual delimiter."""
    file = tmp_path / "leads.csv"
    file.write_bytes(text.encode(encoding))
    done = scrub(house, file, "--json", *options).json
    assert (done["allowed"], done["blocked"]) == (1, 1)


def test_a_workbook_comes_out_as_csv(house: Shell, tmp_path: Path) -> None:
    """Numbers kept as numbers are read, and no cell becomes a formula on its way into CSV."""
    file = tmp_path / "leads.xlsx"
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for place, row in enumerate((("phone", "note"), (FREE, "a,b"), (393331234567, "x"))):
            sheet.write_row(place, 0, row)
        sheet.write_string(1, 2, "=cmd()")
    done = scrub(house, file, "--json", "--region", "IT").json
    assert (done["allowed"], done["blocked"]) == (1, 1)
    allowed, blocked = lists(tmp_path)
    assert allowed.splitlines()[1].startswith(f'{FREE},"a,b",\'=cmd(),allow'.encode())
    assert blocked.splitlines()[1].startswith(b"393331234567,x,,block,OPPOSITION")


def test_the_log_tells_of_the_list_and_of_no_number(house: Shell, home: Path, tmp_path: Path) -> None:
    """One entry with the list's digest, the campaign and the counts."""
    file = tmp_path / "leads.csv"
    file.write_text(f"phone\n{FREE}\n{OPPOSED}\n", encoding="utf-8")
    done = scrub(house, file, "--json").json
    with Reader(home / "audit.db") as log:
        (entry,) = [record for record in log.tail(2) if record.kind == "access"]
    body = entry.body
    assert (body["access"], body["campaign"], body["leads"], body["id"]) == ("scrub", "renewals", 2, done["entry"])
    assert body["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest() == done["sha256"]
    assert body["reasons"]["block"] == {"OPPOSITION": 1}
    assert FREE[3:] not in entry.raw.decode()


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        (None, (), "no file there"),
        ("", (), "empty"),
        ("id,name\n1,x\n", (), "no column holds phone numbers"),
        ("phone,mobile\n1,2\n", (), "several columns"),
        ("id,phone\n1,2\n", ("--number-column", "fax"), "no column 'fax'"),
        ("id,phone\n1,2\n", ("--region", "ZZ"), "--region"),
        ("id,phone\n" + ('"1,x\n' + "2,3331230101\n" * 6000) * 10, (), "never closed"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    house: Shell, home: Path, tmp_path: Path, text: str | None, options: tuple[str, ...], told: str
) -> None:
    """Exit 2, no list written, nothing recorded."""
    file = tmp_path / "leads.csv"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with Reader(home / "audit.db") as log:
        before = log.size()
        done = scrub(house, file, *options)
        assert (done.code, log.size()) == (2, before)
    assert told in done.line
    assert not list(tmp_path.glob("out/*"))


def test_an_unknown_campaign_is_no_answer(house: Shell, tmp_path: Path) -> None:
    """Exit 1 with the command that lists campaigns."""
    file = tmp_path / "leads.csv"
    file.write_text(f"phone\n{FREE}\n", encoding="utf-8")
    done = scrub(house, file, campaign="none")
    assert done.code == 1
    assert "vaglio campaign list" in done.line


def test_the_list_itself_is_never_written_over(house: Shell, tmp_path: Path) -> None:
    """A list that stands where a result would go is refused."""
    (tmp_path / "out").mkdir()
    file = tmp_path / "out" / "allowed.csv"
    file.write_text(f"phone\n{FREE}\n", encoding="utf-8")
    done = house("scrub", file, "--campaign", "renewals", "--out", tmp_path / "out")
    assert done.code == 2
    assert file.read_text() == f"phone\n{FREE}\n"


def test_a_quote_that_never_closes_swallows_no_list(house: Shell, tmp_path: Path) -> None:
    """Beyond the bound of a record the lines are read one by one."""
    file = tmp_path / "leads.csv"
    file.write_text('id,phone\n"1,x\n' + f"2,{FREE}\n" * 6000, encoding="utf-8")
    assert scrub(house, file, "--json").json["allowed"] > 5000


def test_a_stray_quote_hides_no_lead_in_another_record(house: Shell, tmp_path: Path) -> None:
    """A quote in the middle of a cell opens nothing: the lines behind it are judged for themselves."""
    file = tmp_path / "leads.csv"
    file.write_text(f'note,phone\n5" pipe,{FREE}\nx,{OPPOSED}\n6" pipe,{FREE}\n', encoding="utf-8")
    done = scrub(house, file, "--json").json
    assert (done["allowed"], done["blocked"]) == (2, 1)
    assert OPPOSED not in lists(tmp_path)[0].decode()
