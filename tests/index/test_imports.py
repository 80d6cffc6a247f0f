from datetime import UTC, datetime
from pathlib import Path

import pytest

from vaglio.errors import InputError
from vaglio.index.imports import import_oppositions
from vaglio.index.reader import Reader
from vaglio.index.rows import MAX_LINE, Progress
from vaglio.index.store import Store
from vaglio.model import Campaign
from vaglio.numbers import parse_e164

HEADER = "number,controller,purpose,opposed_at,channel,evidence_uri\n"
ROW = "+393471234567,acme,marketing,2026-03-01T10:00:00+01:00,phone,mail:1\n"


def file_of(tmp_path: Path, content: str | bytes) -> Path:
    """A CSV file with this content."""
    file = tmp_path / "oppositions.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def rejects_of(file: Path) -> list[str]:
    """The rejects without their header."""
    return file.with_name(f"{file.name}.rejects.csv").read_text(encoding="utf-8").splitlines()[1:]


async def test_a_file_of_oppositions_becomes_facts(
    store: Store, reader: Reader, campaign: Campaign, tmp_path: Path
) -> None:
    """Each good row answers for its number; the summary adds up and names the file's SHA-256."""
    file = file_of(tmp_path, HEADER + ROW + ROW.replace("4567", "4568"))
    done = await import_oppositions(store, file, entry=5)
    (found,) = reader.facts(parse_e164("+393471234568"), campaign, ()).oppositions
    assert (done.read, done.new, done.rejected, len(done.sha256)) == (2, 2, 0, 64)
    assert found.opposed_at == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert (found.channel, found.evidence_uri, found.entry) == ("phone", "mail:1", 5)
    assert done.rejects_file is None
    assert await store.applied(5)


async def test_bom_crlf_blank_lines_spaces_and_quotes_are_read(store: Store, tmp_path: Path) -> None:
    """A file as spreadsheets save it loads as it is meant."""
    content = '﻿Number , controller,purpose,opposed_at\r\n\r\n"00393471234567",acme , * , 2026-03-01T10:00:00Z \r\n'
    done = await import_oppositions(store, file_of(tmp_path, content + "\r\n  \r\n"), entry=5)
    assert (done.read, done.new) == (1, 1)


async def test_bare_digits_are_rejected_unless_a_region_is_given(store: Store, tmp_path: Path) -> None:
    """A national number is never guessed."""
    file = file_of(tmp_path, HEADER + ROW.replace("+39", ""))
    assert (await import_oppositions(store, file, entry=5)).rejected == 1
    assert rejects_of(file) == ['2,number,"bare digits: write it as +… or 00…, or give the region they are of"']
    assert (await import_oppositions(store, file, entry=6, region="IT")).new == 1
    assert not file.with_name(f"{file.name}.rejects.csv").exists()


@pytest.mark.parametrize(
    ("row", "reject"),
    [
        (ROW.replace("+393471234567", "+3934712345678901"), "number"),
        (ROW.replace("+393471234567", "abc"), "number"),
        (ROW.replace("acme", ""), "controller"),
        (ROW.replace("acme", "a b"), "controller"),
        (ROW.replace("marketing", "Marketing"), "purpose"),
        (ROW.replace("+01:00", ""), "opposed_at"),
        (ROW.replace("2026-03-01T10:00:00+01:00", "yesterday"), "opposed_at"),
        (ROW.replace("2026", "0001"), "opposed_at"),
        (ROW.replace("mail:1", "x" * 501), "evidence_uri"),
        (ROW.replace("mail:1", "a\x1bb"), "evidence_uri"),
        (ROW.replace(",phone", ""), "line"),
        (ROW.replace("phone", "a,b,c"), "line"),
        (ROW.replace("phone", '"phone'), "line"),
        (ROW.replace("phone", "\0"), "line"),
        (ROW.replace("phone", "x" * MAX_LINE), "line"),
    ],
)
async def test_a_bad_row_is_rejected_with_its_field_and_the_rest_loads(
    store: Store, tmp_path: Path, row: str, reject: str
) -> None:
    """A bad row never loads half; the reject names line and field, and no part of the number."""
    file = file_of(tmp_path, HEADER + row + ROW.replace("4567", "9999"))
    done = await import_oppositions(store, file, entry=5)
    (line,) = rejects_of(file)
    assert (done.read, done.new, done.rejected) == (2, 1, 1)
    assert line.startswith(f"2,{reject},")
    assert "34712" not in line


async def test_bytes_that_are_not_utf8_are_a_reject(store: Store, tmp_path: Path) -> None:
    """One row in another encoding does not stop the import."""
    file = file_of(tmp_path, HEADER.encode() + ROW.replace("phone", "caffè").encode("latin-1") + ROW.encode())
    done = await import_oppositions(store, file, entry=5)
    assert (done.new, rejects_of(file)) == (1, ["2,line,not UTF-8"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("number,controller,purpose\n", "column 'opposed_at' is missing"),
        ("number;controller;purpose;opposed_at\n", "separated by commas"),
        (HEADER.replace("channel", "chanel"), "column 'chanel' is unknown"),
        ("+393471234567,acme,*,2026-03-01T10:00:00Z\n", "column 'number' is missing"),
        (HEADER.replace("channel", "number"), "column 'number' stands there twice"),
        ("﻿number".encode("utf-16"), "UTF-8"),
        ("x" * MAX_LINE * 2, "longer than"),
    ],
)
async def test_a_wrong_header_is_refused(store: Store, tmp_path: Path, content: str, message: str) -> None:
    """A file whose columns are not understood loads nothing and says which column is wrong."""
    file = file_of(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        await import_oppositions(store, file, entry=5)
    assert "\n" not in str(caught.value)
    assert "3934" not in str(caught.value)
    assert not await store.begun(5)


async def test_a_missing_file_is_one_line(store: Store, tmp_path: Path) -> None:
    """No file there: the error names it."""
    with pytest.raises(InputError, match=r"none\.csv"):
        await import_oppositions(store, tmp_path / "none.csv", entry=5)


async def test_a_controller_not_known_here_is_told(store: Store, tmp_path: Path) -> None:
    """An opposition to a principal that is not (yet) here loads, and the summary names the principal."""
    file = file_of(tmp_path, HEADER + ROW.replace("acme", "acmee") + ROW.replace("acme", "*"))
    done = await import_oppositions(store, file, entry=5)
    assert (done.new, done.unknown_controllers) == (2, ("acmee",))


async def test_progress_is_told_up_to_the_end(store: Store, tmp_path: Path) -> None:
    """The last report says that all bytes are done."""
    seen: list[Progress] = []
    rows = "".join(ROW.replace("1234567", f"{number:07d}") for number in range(3000))
    file = file_of(tmp_path, HEADER + rows)
    await import_oppositions(store, file, entry=5, on_progress=seen.append)
    assert len(seen) > 2
    assert (seen[-1].done, seen[-1].rows) == (file.stat().st_size, 3000)
