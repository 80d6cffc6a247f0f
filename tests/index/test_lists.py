import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaglio.errors import InputError
from vaglio.index import archives
from vaglio.index.definitions import RegisterDefinition, definition
from vaglio.index.lists import NumberList, read_list
from vaglio.index.rows import MAX_LINE, Rejects

GB_NUMBERS = st.lists(st.integers(1_000_000_000, 7_999_999_999), max_size=60)
"""National numbers of ten digits."""
US_NUMBERS = st.lists(st.integers(2_002_000_000, 9_899_999_999), max_size=60)


def read(register: RegisterDefinition, file: Path, *, change: bool = False) -> NumberList:
    """What the file holds for the register."""
    with Rejects(file) as rejects:
        return read_list(register, file, rejects, change=change)


def numbers(
    register: str | RegisterDefinition, folder: Path, content: bytes, *, change: bool = False
) -> NumberList:
    """What a file with this content holds."""
    file = folder / "list.txt"
    file.write_bytes(content)
    return read(definition(register) if isinstance(register, str) else register, file, change=change)


def rejects(folder: Path) -> list[str]:
    """The rejects of the file that `numbers` wrote."""
    file = folder / "list.txt.rejects.csv"
    return file.read_text(encoding="utf-8").splitlines()[1:] if file.exists() else []


def tps_with_spaces(number: int) -> bytes:
    """Dialling code of five characters left-justified, the rest of seven right-justified."""
    text = f"0{number}"
    return f"{text[:5]:<5}{text[5:]:>7}\r\n".encode()


def tps_without_spaces(number: int) -> bytes:
    """Up to twelve digits, left-justified."""
    return f"{f'0{number}':<12}\r\n".encode()


@pytest.mark.parametrize("line", [tps_with_spaces, tps_without_spaces])
@given(wanted=GB_NUMBERS)
def test_both_tps_layouts_hold_the_numbers_that_were_written(
    line: Callable[[int], bytes], wanted: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every number written comes back once and in order, in E.164, and no other."""
    found = numbers("tps", tmp_path_factory.mktemp("tps"), b"".join(map(line, wanted)))
    assert found.added.tolist() == sorted({44 * 10**10 + number for number in wanted})
    assert found.rejected == 0


@given(wanted=US_NUMBERS, unended=st.booleans())
def test_the_us_flat_layout_holds_the_numbers_that_were_written(
    wanted: list[int], *, unended: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """AAA,NNNNNNN a line, with or without an end of the last one."""
    content = "\r\n".join(f"{number // 10**7},{number % 10**7:07d}" for number in wanted) + "\r\n" * (not unended)
    found = numbers("us-dnc", tmp_path_factory.mktemp("us"), content.encode())
    assert found.added.tolist() == sorted({10**10 + number for number in wanted})


@given(wanted=US_NUMBERS)
def test_the_us_xml_layout_holds_the_numbers_that_were_written(
    wanted: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Elements of numbers within elements of area codes; XML is told from flat text by itself."""
    areas = "".join(
        f'<ac val="{number // 10**7}"><ph val="{number % 10**7:07d}"/><ph>{number}</ph></ac>' for number in wanted
    )
    found = numbers(
        "us-dnc", tmp_path_factory.mktemp("xml"), f'<?xml version="1.0"?><list>{areas}</list>'.encode()
    )
    assert found.added.tolist() == sorted({10**10 + number for number in wanted})


@given(changes=st.lists(st.tuples(st.integers(2_002_000_000, 2_002_000_020), st.booleans()), max_size=60))
def test_of_the_changes_of_a_number_the_last_counts(
    changes: list[tuple[int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A change list adds and deletes in the order in which it is written."""
    content = "".join(
        f"{number // 10**7},{number % 10**7:07d},2026-11-20,{'A' if added else 'D'}\n" for number, added in changes
    )
    found = numbers("us-dnc", tmp_path_factory.mktemp("change"), content.encode(), change=True)
    last = dict(changes)
    assert found.added.tolist() == sorted(10**10 + number for number, added in last.items() if added)
    assert found.deleted.tolist() == sorted(10**10 + number for number, added in last.items() if not added)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"+442079460958", 442079460958),
        (b"00442079460958", 442079460958),
        (b"+44 20 7946 0958", 442079460958),
        (b"(020) 7946-0958", 442079460958),
        (b"02079460958", 442079460958),
        (b"2079460958", 442079460958),
        (b'"02079460958"', 442079460958),
        (b"+390612345678", 390612345678),
    ],
)
def test_a_national_list_reads_every_way_of_writing_a_number(text: bytes, number: int, tmp_path: Path) -> None:
    """National, international, with separators or without: the same number."""
    assert numbers("tps", tmp_path, text + b"\nx\n").added.tolist() == [number]
    assert numbers("tps", tmp_path, (text + b"\n") * 3).added.tolist() == [number]


@pytest.mark.parametrize(
    "text",
    [
        b"abc",
        b"0",
        b"020794609581",
        b"+4420+7946",
        b"++442079460958",
        b"+",
        b"000442079460958",
        b"0x2079460958",
        b"9" * 40,
        b"+12345678901234567",
        b"1 2 3",
        b"\xff\xfe",
        b"2079460958\x00",
    ],
)
def test_what_is_no_number_is_a_reject_with_its_line(text: bytes, tmp_path: Path) -> None:
    """Junk is counted and named by its line, whichever lines surround it; blank lines are nothing."""
    found = numbers("tps", tmp_path, b"02079460958\n\n" + text + b"\n   \n02079460959\n")
    assert found.added.tolist() == [442079460958, 442079460959]
    assert (found.read, found.rejected) == (3, 1)
    assert rejects(tmp_path)[0].startswith("3,number,")


def test_an_international_list_reads_numbers_with_and_without_plus(tmp_path: Path) -> None:
    """`33…` against `+33…` against `0033…`: one number."""
    register = RegisterDefinition(name="own", number_form="international")  # type: ignore[arg-type]
    content = b"\xef\xbb\xbf33123456789\n+33123456789\n0033123456789\n"
    assert numbers(register, tmp_path, content).added.tolist() == [33123456789]


def test_an_e164_list_never_guesses_bare_digits(tmp_path: Path) -> None:
    """An own list without a region needs `+` or `00`."""
    found = numbers(RegisterDefinition(name="own"), tmp_path, b"33123456789\n+33123456789\n")
    assert (found.added.tolist(), found.rejected) == ([33123456789], 1)


def test_an_italian_leading_zero_is_kept(tmp_path: Path) -> None:
    """In Italy the zero is part of the number."""
    register = RegisterDefinition(name="own", number_form="national", region="IT")  # type: ignore[arg-type]
    assert numbers(register, tmp_path, b"0612345678\n3471234567\n").added.tolist() == [390612345678, 393471234567]


def test_any_csv_is_read_by_its_mapping(tmp_path: Path) -> None:
    """Column by name, separator, encoding and form come from the definition."""
    register = RegisterDefinition.model_validate(
        {
            "name": "robinson",
            "layout": "csv",
            "separator": ";",
            "encoding": "latin-1",
            "header": True,
            "column": "Teléfono",
            "number_form": "national",
            "region": "ES",
        }
    )
    content = 'Nombre;Teléfono\r\nGarcía;"612 345 678"\r\n;912345678\r\nx\r\n;"9\r\n'.encode("latin-1")
    found = numbers(register, tmp_path, content)
    assert found.added.tolist() == [34612345678, 34912345678]
    assert [line.split(",")[0] for line in rejects(tmp_path)] == ["4", "5"]


def test_a_utf16_list_is_read_by_its_encoding(tmp_path: Path) -> None:
    """Encodings in which digits are not ASCII are recoded on the way."""
    register = RegisterDefinition(name="own", encoding="utf-16")
    assert numbers(register, tmp_path, "+33123456789\r\n".encode("utf-16")).added.tolist() == [33123456789]


def test_a_csv_without_the_mapped_column_is_refused(tmp_path: Path) -> None:
    """The error names the column that was looked for."""
    register = RegisterDefinition.model_validate({"name": "own", "layout": "csv", "header": True, "column": "tel"})
    with pytest.raises(InputError, match="column 'tel' is missing"):
        numbers(register, tmp_path, b"phone\n+33123456789\n")


def test_a_header_of_a_plain_list_is_skipped(tmp_path: Path) -> None:
    """With `header` the first line is no row."""
    found = numbers(RegisterDefinition(name="own", header=True), tmp_path, b"number\n+33123456789\n")
    assert (found.added.tolist(), found.read, found.rejected) == ([33123456789], 1, 0)


def test_a_line_of_many_megabytes_is_one_reject(tmp_path: Path) -> None:
    """A line without an end is skipped in pieces; what follows it is read."""
    found = numbers("tps", tmp_path, b"02079460958\n" + b"7" * 20_000_000 + b"\n02079460959\n")
    assert found.added.tolist() == [442079460958, 442079460959]
    assert rejects(tmp_path) == [f"2,line,longer than {MAX_LINE} bytes"]


def test_gzip_and_zip_are_read_as_they_come(tmp_path: Path) -> None:
    """Archives are told by their bytes, whatever they are called; all members of a zip count."""
    packed = tmp_path / "list.txt"
    packed.write_bytes(gzip.compress(b"02079460958\n"))
    assert read(definition("tps"), packed).added.tolist() == [442079460958]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("lists")
        archive.writestr("lists/a.txt", "02079460958\n")
        archive.writestr("lists/b.txt", "02079460959\n")
    assert read(definition("tps"), packed).added.tolist() == [442079460958, 442079460959]


def _zip(file: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)


@pytest.mark.parametrize("name", ["../list.txt", "/etc/passwd", "a/../../b", "c:\\list.txt", "..\\list.txt"])
def test_a_path_that_leads_out_of_an_archive_is_refused(name: str, tmp_path: Path) -> None:
    """Nothing is ever unpacked to disk, and such an archive is no register's."""
    file = tmp_path / "list.zip"
    _zip(file, name, b"02079460958\n")
    with pytest.raises(InputError, match="leads out"):
        read(definition("tps"), file)


def test_an_archive_within_an_archive_is_refused(tmp_path: Path) -> None:
    """Only one layer is read."""
    file = tmp_path / "list.zip"
    _zip(file, "inner.zip", b"PK")
    with pytest.raises(InputError, match="archive within"):
        read(definition("tps"), file)


@pytest.mark.parametrize("pack", ["zip", "gzip"])
def test_a_bomb_is_stopped(pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to far more than it weighs is refused before it fills memory."""
    monkeypatch.setattr(archives, "_RATIO_FROM", 1024 * 1024)
    file = tmp_path / f"list.{pack}"
    content = b"\n" * 30_000_000
    if pack == "zip":
        _zip(file, "list.txt", content)
    else:
        file.write_bytes(gzip.compress(content))
    with pytest.raises(InputError, match="times its size"):
        read(definition("tps"), file)


@pytest.mark.parametrize("pack", ["zip", "gzip"])
def test_a_truncated_archive_is_refused(pack: str, tmp_path: Path) -> None:
    """A half-written download is one clear line."""
    file = tmp_path / f"list.{pack}"
    content = b"".join(b"0%010d\n" % number for number in range(2_000_000_000, 2_000_020_000))
    if pack == "zip":
        _zip(file, "list.txt", content)
    else:
        file.write_bytes(gzip.compress(content))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(InputError, match="broken or cut off"):
        read(definition("tps"), file)


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE a [<!ENTITY b "0">]><list><ph val="2125551234"/></list>',
        b"<a>" * 1000,
        b"<list><ph",
    ],
)
def test_hostile_xml_is_refused(content: bytes, tmp_path: Path) -> None:
    """Entities, deep nesting and broken tags end the reading."""
    with pytest.raises(InputError, match="not the XML of a register"):
        numbers("us-dnc", tmp_path, content)


def test_duplicates_count_once(tmp_path: Path) -> None:
    """A list is a set, however often it says a number and in whatever order."""
    found = numbers("tps", tmp_path, b"02079460959\n02079460958\n02079460959\n")
    assert found.added.tolist() == [442079460958, 442079460959]
    assert found.added.dtype == np.uint64
