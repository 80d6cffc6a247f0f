import asyncio
import random
import sqlite3
from pathlib import Path

import phonenumbers
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaglio.index import bulk
from vaglio.index.facts import FILES
from vaglio.index.fastrows import FastRows
from vaglio.index.imports import import_facts
from vaglio.index.reader import Reader
from vaglio.index.records import FactKind
from vaglio.index.rows import MAX_LINE, ImportSummary
from vaglio.index.store import Store
from vaglio.model import Campaign
from vaglio.numbers import parse_e164

NUMBERS = (
    "+393471234567", "00393471234568", " +390612345678 ", "+39 06 12345678", "+390669812345", "+442079460958",
    "+18002345678", "+12125551234", "+12685551234", "+14165551234", "+5491123456789", "+33612345678", "+3312",
    "3471234567", "+39abc", "", "+80012345678", "+441481960194", "+441800201234", "+4915112345678",
    "+999123456789", "+3934712345678901",
)  # fmt: skip
TIMES = (
    "2026-03-01T10:00:00+01:00", "2026-03-01T09:00:00Z", "2026-03-01 10:00:00+01:00", "20260301T100000Z",
    "2026-02-30T10:00:00Z", "2026-03-01T10:00:00", "2026-03-01", "2026-03-01T10:00:60Z", "2026-03-01T24:00:00Z",
    "2026-03-01T10:00:00.5+01:00", "1899-12-31T23:59:59Z", "1900-01-01T00:00:00Z", "2200-01-01T00:00:00Z",
    "2199-12-31T23:59:59Z", "2026-03-01T10:00:00+14:30", "", "x",
)  # fmt: skip
WORDS = (
    "marketing", "*", "Marketing", "", "energy", "contract", "callback", "any", "human", "yes", "no", "unknown",
    "natural",
)  # fmt: skip
TEXTS = (
    "", "web", " web ", "caffè", "a\tb", "\tweb", "x" * 500, "x" * 501, '"web"', 'a"b', '"a,b"', '"', "a\rb",
    "web\r", "\u00a0web", "IT", "it", "US-FL", "Europe/Rome", "f" * 64, "F" * 64, "acme", "a b", "\x7f",
    "\x1cweb",
)  # fmt: skip
ANYTHING = st.sampled_from((*WORDS, *TEXTS, *TIMES))

_TYPICAL = {
    "number": st.sampled_from(NUMBERS),
    "controller": st.sampled_from(("acme", "other", "*", "", "a b", "acmé")),
    "method": st.sampled_from(("web", *TEXTS)),
}


def cell(column: str) -> st.SearchStrategy[str]:
    """Mostly what the column wants, sometimes anything."""
    if column in _TYPICAL:
        return _TYPICAL[column]
    if column.endswith("_at"):
        return st.sampled_from(TIMES)
    return ANYTHING if column not in {"purpose", "kind", "channel"} else st.sampled_from(WORDS)


def rows_of(kind: FactKind) -> st.SearchStrategy[list[str]]:
    """Lines of a file of that kind, some of them no rows at all."""
    columns = FILES[kind].columns
    names = (*columns.required, *columns.optional)
    row = st.tuples(*map(cell, names)).map(",".join)
    quoted = st.tuples(*map(cell, names)).map(lambda cells: ",".join(f'"{text}"' for text in cells))
    junk = st.sampled_from(("", "   ", ",", "a,b", '"', "\x00", "," * 40, "x" * (MAX_LINE + 5)))
    return st.lists(st.one_of(row, row, row, quoted, junk), max_size=25)


def facts_of(index: Path) -> list[tuple[object, ...]]:
    """All facts and their corrections."""
    connection = sqlite3.connect(index)
    try:
        tables = [kind.value for kind in FactKind]
        return [
            row
            for table in (*tables, "former")
            for row in connection.execute(f"SELECT '{table}', * FROM {table} ORDER BY 1, 2, 3, 4, 5, 6")  # noqa: S608
        ]
    finally:
        connection.close()


def load(folder: Path, kind: FactKind, content: bytes, bulk_from: int) -> tuple[object, ...]:
    """Counts, rejects and facts of an import."""
    folder.mkdir()
    file = folder / "facts.csv"
    file.write_bytes(content)

    async def run() -> ImportSummary:
        async with await Store.create(folder / "index.db") as store:
            return await import_facts(store, kind, file, entry=5, bulk_from=bulk_from)

    done = asyncio.run(run())
    rejects = folder / "facts.csv.rejects.csv"
    return (
        (done.read, done.new, done.corrected, done.unchanged, done.rejected),
        sorted(rejects.read_text().splitlines()) if rejects.exists() else [],
        facts_of(folder / "index.db"),
    )


@pytest.mark.parametrize("kind", FactKind)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_the_fast_reading_is_the_strict_one(
    kind: FactKind, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any lines at all give the same facts, counts, corrections and rejects both ways."""
    columns = FILES[kind].columns
    lines = data.draw(rows_of(kind))
    end = data.draw(st.sampled_from(("\n", "\r\n")))
    content = end.join((",".join((*columns.required, *columns.optional)), *lines)).encode()
    content += data.draw(st.sampled_from((b"", end.encode())))
    folder = tmp_path_factory.mktemp("bulk")
    assert load(folder / "fast", kind, content, 0) == load(folder / "strict", kind, content, len(content) + 1)


def test_numbers_are_judged_alike_in_every_country() -> None:
    """The compiled numbering plans accept no number that is refused one at a time, and name the same one."""
    chance = random.Random(5)  # noqa: S311 - test data
    by_code: dict[int, list[str]] = {}
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        code = phonenumbers.country_code_for_region(region)
        texts = by_code.setdefault(code, [])
        for kind in phonenumbers.PhoneNumberType.values():
            example = phonenumbers.example_number_for_type(region, kind)
            if example is not None:
                digits = phonenumbers.national_significant_number(example)
                texts += [f"+{code}{digits}", f"00{code}{digits[:-3]}{chance.randrange(1000):03d}"]
                other = chance.randrange(10)
                texts += [f"+{code}{other}{digits}", f"+{code}{digits[0]}{other}{digits[2:]}"]
    judged = valid = 0
    for texts in by_code.values():
        cells = pl.DataFrame({"number": texts}).with_columns(controller=pl.lit("acme"))
        rows, sure = FastRows(FactKind.CONTACT, ("number", "controller")).read(cells)
        accepted = [text for text, one in zip(texts, sure.to_list(), strict=True) if one]
        assert rows["number"].to_list() == [parse_e164(text).key for text in accepted]
        judged += len(accepted)
        valid += sum(parse_e164(text).e164 is not None for text in texts)
    assert judged > valid * 0.6


async def test_a_file_of_many_ranges_is_whole_and_in_order(
    store: Store, reader: Reader, campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parted into ranges on disk: every row is there, and of a fact's values the last in the file stands."""
    monkeypatch.setattr(bulk, "_RANGE_BYTES", 20_000)
    monkeypatch.setattr(bulk, "_BLOCK", 30_000)
    file = tmp_path / "contacts.csv"
    numbers = [f"+39347{number * 7919 % 10**7:07d}" for number in range(4000)]
    rows = [f"{number},acme,{listed}" for listed in ("yes", "no") for number in numbers]
    file.write_text("\n".join(("number,controller,directory_listed", *rows)) + "\n")
    done = await import_facts(store, FactKind.CONTACT, file, entry=5, bulk_from=0)
    assert (done.read, done.new, done.corrected) == (8000, 4000, 4000)
    contact = reader.facts(parse_e164(numbers[17]), campaign, ()).contact
    assert contact is not None
    assert contact.directory_listed is False


async def test_a_line_of_many_megabytes_is_one_reject(store: Store, tmp_path: Path) -> None:
    """Both readings skip it and go on."""
    file = tmp_path / "contacts.csv"
    content = b"number,controller\n+393471234567,acme\n" + b"7" * 40_000_000 + b"\n+393471234568,acme\n"
    file.write_bytes(content)
    for entry, bulk_from in ((5, 0), (6, len(content) + 1)):
        done = await import_facts(store, FactKind.CONTACT, file, entry=entry, bulk_from=bulk_from)
        assert (done.read, done.rejected) == (3, 1)
        rejects = (tmp_path / "contacts.csv.rejects.csv").read_text().splitlines()
        assert rejects[1:] == [f"3,line,longer than {MAX_LINE} bytes"]
