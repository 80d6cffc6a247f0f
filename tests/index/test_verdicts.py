import asyncio
import stat
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from vaglio.errors import InputError
from vaglio.index.batches import RequestSummary, request
from vaglio.index.definitions import AnswerLayout, RegisterDefinition, definition
from vaglio.index.reader import Reader
from vaglio.index.records import ConsentRecord, ContactRecord, Record, RelationshipRecord
from vaglio.index.store import Store
from vaglio.index.verdicts import VerdictSummary, import_verdicts
from vaglio.model import Campaign, Controller, RegisterState, RegisterStatus, RelationshipKind
from vaglio.numbers import parse_e164

REQUESTED = datetime(2026, 11, 1, 23, 30, tzinfo=UTC)
"""Half past midnight of the 2nd in Rome."""
RPO = definition("rpo")
A, B, C = "+393471234567", "+390612345678", "+393471234569"


@pytest.fixture
async def known(store: Store) -> Store:
    """Three Italian numbers and a British one that acme knows, and one that only another controller knows."""
    given = datetime(2026, 1, 1, tzinfo=UTC)
    records: list[Record] = [
        ContactRecord(int(A), "acme"),
        ConsentRecord(int(A), "acme", "marketing", given, "web"),
        ConsentRecord(int(B), "acme", "marketing", given, "web"),
        RelationshipRecord(int(C), "acme", RelationshipKind.CONTRACT, given),
        ContactRecord(442079460958, "acme"),
        ContactRecord(393480000000, "other"),
    ]
    await store.add(records, entry=2)
    await store.put_controllers_and_campaigns([Controller("other", "Other")], [], entry=3)
    return store


async def ask(store: Store, out: Path, *, now: datetime = REQUESTED, entry: int = 10) -> RequestSummary:
    """A request to the RPO for acme."""
    return await request(store, RPO, "acme", out, entry=entry, now=now)


async def take(
    store: Store,
    file: Path,
    content: str,
    batch: str | None,
    *,
    entry: int = 11,
    layout: AnswerLayout | None = None,
) -> VerdictSummary:
    """The answer to a batch of acme."""
    await asyncio.to_thread(file.write_text, content, encoding="utf-8")
    return await import_verdicts(
        store, RPO, [file], controller="acme", batch=str(batch), entry=entry, layout=layout
    )


def status(reader: Reader, campaign: Campaign, number: str) -> RegisterStatus:
    """What the RPO said of the number."""
    return reader.facts(parse_e164(number), campaign, ("rpo",)).registers["rpo"]


async def test_a_request_holds_the_controllers_own_numbers_of_the_country(known: Store, tmp_path: Path) -> None:
    """Contacts, consents and relationships, each number once, one a line; readable by nobody else."""
    out = tmp_path / "rpo.txt"
    done = await ask(known, out)
    assert out.read_text() == f"{B}\n{A}\n{C}\n"
    assert (done.numbers, [file.file for file in done.files]) == (3, ["rpo.txt"])
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert await known.applied(10)


async def test_a_large_request_is_cut_into_files(known: Store, tmp_path: Path) -> None:
    """Beyond the configured size further files follow, numbered from -002."""
    register = RPO.model_copy(update={"max_rows": 2})
    done = await request(known, register, "acme", tmp_path / "rpo.txt", entry=10, now=REQUESTED)
    assert [(one.file, one.numbers) for one in done.files] == [("rpo.txt", 2), ("rpo-002.txt", 1)]


async def test_a_request_overwrites_nothing(known: Store, tmp_path: Path) -> None:
    """A file that is there is another request's."""
    (tmp_path / "rpo.txt").write_text("x")
    with pytest.raises(InputError, match="exists already"):
        await ask(known, tmp_path / "rpo.txt")


async def test_numbers_are_written_as_the_keeper_wants_them(known: Store, tmp_path: Path) -> None:
    """The form and a first line come from the definition."""
    register = RegisterDefinition.model_validate(
        {"name": "rpo", "kind": "query", "region": "IT", "number_form": "national", "request_header": "numero"}
    )
    await request(known, register, "acme", tmp_path / "rpo.txt", entry=10, now=REQUESTED)
    assert (tmp_path / "rpo.txt").read_text() == "numero\n0612345678\n3471234567\n3471234569\n"


async def test_a_flagged_answer_becomes_verdicts(
    known: Store, reader: Reader, campaign: Campaign, tmp_path: Path
) -> None:
    """Each number gets its verdict, dated from the request, with the day up to which consents are void."""
    batch = (await ask(known, tmp_path / "rpo.txt")).batch
    content = f"number,status,consents_void_until\n{A},opposed,2026-07-28\n{B},opposed,\n{C},clear,\n"
    done = await take(known, tmp_path / "answer.csv", content, batch)
    assert (done.new, done.opposed, done.clear) == (3, 2, 1)
    opposed, clear = RegisterState.OPPOSED, RegisterState.CLEAR
    assert status(reader, campaign, A) == RegisterStatus("rpo", opposed, REQUESTED, batch, date(2026, 7, 28))
    assert status(reader, campaign, B) == RegisterStatus("rpo", opposed, REQUESTED, batch, date(2026, 11, 2))
    assert status(reader, campaign, C) == RegisterStatus("rpo", clear, REQUESTED, batch, None)


async def test_a_cleansed_answer_opposes_what_is_missing(
    known: Store, reader: Reader, campaign: Campaign, tmp_path: Path
) -> None:
    """What comes back is clear; what was asked and is gone was opposed."""
    batch = (await ask(known, tmp_path / "rpo.txt")).batch
    done = await take(known, tmp_path / "answer.txt", f"{C}\n{A}\n", batch, layout=AnswerLayout.CLEANSED)
    assert (done.opposed, done.clear) == (1, 2)
    assert status(reader, campaign, B).state is RegisterState.OPPOSED
    assert status(reader, campaign, A).state is RegisterState.CLEAR


async def test_verdicts_are_never_shared(known: Store, reader: Reader, campaign: Campaign, tmp_path: Path) -> None:
    """A verdict for one controller says nothing to another (two may get different answers)."""
    await known.put_controllers_and_campaigns([], [campaign], entry=4)
    await known.add([ContactRecord(int(A), "other")], entry=5)
    done = await request(known, RPO, "other", tmp_path / "other.txt", entry=6, now=REQUESTED)
    (tmp_path / "answer.txt").write_text(f"{A}\n+393480000000\n")
    await import_verdicts(
        known, RPO, [tmp_path / "answer.txt"], controller="other", batch=str(done.batch), entry=7,
        layout=AnswerLayout.CLEANSED,
    )  # fmt: skip
    assert status(reader, campaign, A).state is RegisterState.NEVER_CHECKED


@pytest.mark.parametrize(
    ("content", "layout", "message"),
    [
        (f"number,status\n{A},clear\n{B},clear\n", None, "1 of 3 numbers asked are missing"),
        (
            f"number,status\n{A},clear\n{B},clear\n{C},clear\n+393400000000,clear\n",
            None,
            "1 numbers were not asked",
        ),
        (f"number,status\n{A},clear\n{A},clear\n{C},clear\n", None, "line 3: number: stands there twice"),
        (f"number,status\n{A},maybe\n", None, "line 2: status: expected one of opposed, clear"),
        ("number,status\n12,clear\n", None, "line 2: number"),
        (f"number,status,consents_void_until\n{A},opposed,soon\n", None, "line 2: consents_void_until"),
        (f"{A}\n{B}\n", None, "column 'number' is missing"),
        (f"{A}\n+393400000000\n", AnswerLayout.CLEANSED, "1 numbers were not asked"),
        (f"{A}\nabc\n", AnswerLayout.CLEANSED, "1 of 2 rows are no numbers"),
    ],
)
async def test_an_answer_that_does_not_reconcile_is_refused_whole(
    known: Store,
    reader: Reader,
    campaign: Campaign,
    tmp_path: Path,
    content: str,
    layout: AnswerLayout,
    message: str,
) -> None:
    """Too many, too few, twice, or not to be read: no verdict of the file is taken."""
    batch = (await ask(known, tmp_path / "rpo.txt")).batch
    with pytest.raises(InputError, match=message) as caught:
        await take(known, tmp_path / "answer.csv", content, batch, layout=layout)
    assert "3471" not in str(caught.value)
    assert status(reader, campaign, A).state is RegisterState.NEVER_CHECKED


async def test_an_answer_to_another_controllers_batch_is_refused(known: Store, tmp_path: Path) -> None:
    """A batch belongs to one register and one controller."""
    batch = (await ask(known, tmp_path / "rpo.txt")).batch
    with pytest.raises(InputError, match="no request to rpo for controller 'other'"):
        await import_verdicts(known, RPO, [tmp_path / "rpo.txt"], controller="other", batch=str(batch), entry=11)


async def test_the_same_answer_again_changes_nothing_and_another_is_refused(known: Store, tmp_path: Path) -> None:
    """A batch has one answer."""
    batch = (await ask(known, tmp_path / "rpo.txt")).batch
    cleansed = AnswerLayout.CLEANSED
    await take(known, tmp_path / "answer.txt", f"{A}\n{B}\n", batch, layout=cleansed)
    again = await take(known, tmp_path / "answer.txt", f"{A}\n{B}\n", batch, entry=12, layout=cleansed)
    assert (again.new, again.opposed, again.clear) == (0, 1, 2)
    with pytest.raises(InputError, match="another answer"):
        await take(known, tmp_path / "answer.txt", f"{A}\n", batch, entry=13, layout=cleansed)


async def test_an_answer_may_come_in_several_files(known: Store, tmp_path: Path) -> None:
    """All files of an answer together are held against the request."""
    batch = (await ask(known, tmp_path / "rpo.txt")).batch
    files = [tmp_path / "1.csv", tmp_path / "2.csv"]
    files[0].write_text(f"number,status\n{A},clear\n")
    files[1].write_text(f"number,status\n{C},opposed\n{B},clear\n")
    done = await import_verdicts(known, RPO, files, controller="acme", batch=str(batch), entry=11)
    assert (done.opposed, done.clear) == (1, 2)


async def test_only_what_is_due_is_asked_again(known: Store, tmp_path: Path) -> None:
    """A verdict of 15 days is asked again when five of them are left, not before; nothing due is no batch."""
    batch = (await ask(known, tmp_path / "rpo.txt")).batch
    await take(known, tmp_path / "answer.txt", f"{A}\n", batch, layout=AnswerLayout.CLEANSED)
    early = await ask(known, tmp_path / "2.txt", now=REQUESTED + timedelta(days=10, seconds=-1), entry=12)
    assert (early.batch, early.numbers, (tmp_path / "2.txt").exists()) == (None, 0, False)
    due = await ask(known, tmp_path / "3.txt", now=REQUESTED + timedelta(days=10), entry=13)
    assert due.numbers == 3


async def test_an_older_answer_never_replaces_a_newer_verdict(
    known: Store, reader: Reader, campaign: Campaign, tmp_path: Path
) -> None:
    """Answers may arrive in any order; the newest request speaks."""
    first = (await ask(known, tmp_path / "1.txt")).batch
    second = (await ask(known, tmp_path / "2.txt", now=REQUESTED + timedelta(days=1), entry=12)).batch
    cleansed = AnswerLayout.CLEANSED
    await take(known, tmp_path / "b.txt", f"{A}\n{B}\n{C}\n", second, entry=13, layout=cleansed)
    late = await take(known, tmp_path / "a.txt", "", first, entry=14, layout=cleansed)
    assert (late.new, late.unchanged) == (0, 3)
    assert status(reader, campaign, A).state is RegisterState.CLEAR


async def test_a_verdict_later_than_the_question_is_not_known_yet(
    known: Store, reader: Reader, campaign: Campaign, tmp_path: Path
) -> None:
    """A check at an earlier instant finds the number never checked."""
    batch = (await ask(known, tmp_path / "rpo.txt")).batch
    await take(known, tmp_path / "answer.txt", f"{A}\n", batch, layout=AnswerLayout.CLEANSED)
    facts = reader.facts(parse_e164(A), campaign, ("rpo",), at=REQUESTED - timedelta(seconds=1))
    assert facts.registers["rpo"].state is RegisterState.NEVER_CHECKED
