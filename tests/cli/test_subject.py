"""`vaglio subject report` and `erase` as a shell sees them, on real databases."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vaglio.audit import Keys, Log, Reader, delivery_entry
from vaglio.audit.verify import verify_log
from vaglio.index.reader import Reader as IndexReader
from vaglio.site import Site

Shell = Any
NUMBER, GERMAN = "+393331239876", "+4915112345678"
GIVEN = "2026-10-01T10:00:00Z"


def add_consent(
    shell: Shell, number: str, given_at: str = "2026-10-01T10:00:00Z", controller: str = "aurora"
) -> None:
    done = shell(
        "consent", "add", number, "--controller", controller, "--purpose", "marketing", "--given-at", given_at,
        "--method", "web-form", "--evidence", "https://proof.example/1", "--channel", "any", "--sector", "energy",
    )  # fmt: skip
    assert done.code == 0, done.err


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    return file


def call(home: Path, number: str) -> str:
    """Screen one call as the service does; returns the decision's id."""

    async def screen() -> str:
        site = Site.at(home / "vaglio.toml")
        async with site.changes() as (changes, _):
            with site.screener() as screener:
                made = await screener.screen(
                    changes._writer, number, "renewals", "+390612345678", pbx="pbx", uniqueid="1772442000.1"
                )
        return made.id

    return asyncio.run(screen())


@pytest.fixture
def known(house: Shell, home: Path, tmp_path: Path) -> str:
    """A number of which something of every kind is held; returns its decision."""
    add_consent(house, NUMBER)
    related = write(
        tmp_path,
        "relationships.csv",
        f"number,controller,kind,started_at\n{NUMBER},aurora,inquiry,2026-10-01T10:00:00Z\n",
    )
    assert house("relationship", "import", related).code == 0
    contact = write(tmp_path, "contacts.csv", f"number,controller,region\n{NUMBER},aurora,IT\n")
    assert house("contact", "import", contact).code == 0
    assert house("opposition", "add", NUMBER, "--controller", "aurora").code == 0
    return call(home, NUMBER)


def everything(home: Path) -> bytes:
    """The bytes of the index, its write-ahead log included."""
    return b"".join(file.read_bytes() for file in home.glob("index.db*"))


def intact(home: Path) -> bool:
    keys = Keys.load(home / "keys")
    return verify_log(home / "audit.db", keys.verifier, keys=keys).intact


def test_the_report_tells_facts_with_their_sources_calls_and_recipients(house: Shell, known: str) -> None:
    """Article 15: the data, where they come from, who has them, how long, and what can be asked."""
    report = house("subject", "report", NUMBER, "--json").json
    assert report["number"] == NUMBER
    assert report["held"] is True
    (consent,) = report["facts"]["consent"]
    assert consent["evidence_uri"] == "https://proof.example/1"
    assert consent["source"]["change"] == "consent"
    (relationship,) = report["facts"]["relationship"]
    assert relationship["source"]["file"] == "relationships.csv"
    (decided,) = report["calls"]
    assert (decided["id"], decided["verdict"], decided["caller_org"]) == (known, "block", "callright")
    assert datetime.fromisoformat(decided["kept_until"]) - datetime.fromisoformat(decided["at"]) == timedelta(730)
    assert report["recipients"]["controllers"][0]["id"] == "aurora"
    assert report["recipients"]["caller_orgs"] == ["callright"]
    assert any("art. 77" in right for right in report["rights"])


def test_the_report_can_be_read_as_text(house: Shell, known: str) -> None:
    """The same as plain lines a person understands."""
    text = house("subject", "report", NUMBER).out
    assert text.startswith(f"What is held about {NUMBER}\n")
    for told in ("Oppositions", "from relationship-import relationships.csv", known, "Your rights", "callright"):
        assert told in text


def test_giving_the_report_is_an_entry(house: Shell, home: Path, known: str) -> None:
    """Who looks later sees that somebody asked; the next report says so."""
    house("subject", "report", NUMBER)
    with Reader(home / "audit.db") as log:
        body = log.tail(1)[0].body
    assert (body["kind"], body["access"]) == ("access", "subject-report")
    (other,) = [
        one
        for one in house("subject", "report", NUMBER, "--json").json["other_entries"]
        if one["kind"] == "access"
    ]
    assert other["told"]["access"] == "subject-report"
    assert known


def test_nothing_held_is_a_no_with_its_report(house: Shell, home: Path) -> None:
    """Exit 1, the report says so, and asking leaves no number behind."""
    for _ in range(2):
        done = house("subject", "report", "+393339999999", "--json")
        assert done.code == 1
        assert done.json["held"] is False
    with Reader(home / "audit.db") as log:
        assert log.by_token(Keys.load(home / "keys").token("+393339999999")) == []


def test_a_report_for_one_controller_holds_nothing_of_another(house: Shell, known: str, tmp_path: Path) -> None:
    """A principal answers for its own data alone."""
    other = write(tmp_path, "other.toml", '[[controller]]\nid = "zenith"\nname = "Zenith"\n')
    assert house("campaign", "import", other).code == 0
    add_consent(house, NUMBER, controller="zenith")
    report = house("subject", "report", NUMBER, "--controller", "zenith", "--json").json
    assert [fact["controller"] for fact in report["facts"]["consent"]] == ["zenith"]
    assert report["calls"] == []
    assert known not in str(report)


def test_erasing_takes_facts_and_numbers_and_keeps_the_objection(house: Shell, home: Path, known: str) -> None:
    """What goes and what stays is told with the reason, and every proof still holds."""
    done = house("subject", "erase", NUMBER, "--reason", "ticket 12", "--json").json
    assert done["erased"]["consent"] == 1
    assert done["erased"]["relationship"] == 1
    assert done["erased"]["contact"] == 1
    assert done["erased"]["number behind a log entry"] == 2
    (opposition,) = [one for one in done["kept"] if one["what"] == "opposition"]
    assert "17(3)(b)" in opposition["why"]
    report = house("subject", "report", NUMBER, "--json").json
    assert report["facts"]["consent"] == report["facts"]["contact"] == report["calls"] == []
    assert len(report["facts"]["opposition"]) == 1
    assert house("audit", "show", known).json["reason"] == "OPPOSITION"
    assert intact(home)


def test_the_erasure_is_announced_confirmed_and_tells_no_number(house: Shell, home: Path, known: str) -> None:
    """The log holds the request and how much went, and nothing that leads back to the person."""
    house("subject", "erase", NUMBER, "--reason", f"letter of {NUMBER}")
    with Reader(home / "audit.db") as log:
        announced, confirmed, erased = log.tail(3)
        assert (announced.kind, confirmed.kind, erased.kind) == ("change-announced", "change-confirmed", "erasure")
        assert announced.body["change"] == "erasure"
        assert announced.body["request"] == "letter of …876"
        assert "number" not in announced.body
        assert confirmed.body["erased"] == 3
        assert log.sealed(known) is None


def test_the_erased_bytes_are_gone_from_the_index(house: Shell, home: Path, known: str) -> None:
    """Neither the file nor its write-ahead log still holds what was erased."""
    with IndexReader.open(home / "index.db"):  # as the service, which keeps the write-ahead log in being
        add_consent(house, NUMBER, "2026-10-02T10:00:00Z")
        assert b"proof.example" in everything(home)
        assert house("subject", "erase", NUMBER, "--reason", "ticket 12", "--json").json["wiped"] is True
        assert b"proof.example" not in everything(home)
    assert known


def test_a_blocked_number_stays_blocked_after_its_erasure(house: Shell, home: Path, known: str) -> None:
    """The objection is still there for the next call."""
    house("subject", "erase", NUMBER)
    with Reader(home / "audit.db") as log:
        assert log.show(call(home, NUMBER)).body["reason"] == "OPPOSITION"
    assert known


def test_a_withdrawal_stays_so_that_no_file_brings_the_consent_back(house: Shell) -> None:
    """The old file of consents may be loaded again by mistake."""
    add_consent(house, NUMBER)
    assert house("consent", "withdraw", NUMBER, "--controller", "aurora", "--purpose", "marketing").code == 0
    done = house("subject", "erase", NUMBER, "--reason", "ticket 12", "--json").json
    assert [one["what"] for one in done["kept"]] == ["withdrawal"]


def test_a_german_consent_is_kept_for_its_five_years_and_withdrawn(house: Shell, home: Path) -> None:
    """The law wants it documented; the person wants no more calls: it stays, and binds no more."""
    recent = (datetime.now(UTC) - timedelta(days=400)).isoformat()
    add_consent(house, GERMAN, recent)
    add_consent(house, GERMAN, (datetime.now(UTC) - timedelta(days=1900)).isoformat())
    done = house("subject", "erase", GERMAN, "--reason", "ticket 12", "--json").json
    assert done["erased"]["consent"] == 1
    assert {"withdrawal": 1, "consent": 1}.items() <= {one["what"]: one["count"] for one in done["kept"]}.items()
    report = house("subject", "report", GERMAN, "--json").json
    assert len(report["facts"]["consent"]) == len(report["facts"]["withdrawal"]) == 1
    assert intact(home)


def test_erasing_for_one_controller_leaves_the_others_alone(house: Shell, tmp_path: Path, known: str) -> None:
    """Who was not asked keeps its data, and the answer says so."""
    other = write(tmp_path, "other.toml", '[[controller]]\nid = "zenith"\nname = "Zenith"\n')
    assert house("campaign", "import", other).code == 0
    add_consent(house, NUMBER, controller="zenith")
    done = house("subject", "erase", NUMBER, "--reason", "ticket 12", "--controller", "zenith", "--json").json
    assert done["erased"] == {"consent": 1, "number behind a log entry": 1}
    assert any(one["why"] == "of another controller, who was not asked" for one in done["kept"])
    assert house("subject", "report", NUMBER, "--json").json["calls"][0]["id"] == known


def test_an_interrupted_erasure_is_finished_by_running_it_again(house: Shell, home: Path, known: str) -> None:
    """The second run finds less, and ends at the same."""
    first = house("subject", "erase", NUMBER, "--reason", "ticket 12", "--json").json
    again = house("subject", "erase", NUMBER, "--reason", "ticket 12", "--json").json
    assert again["erased"] == {}
    assert [one for one in again["kept"] if one["what"] == "opposition"] == [
        one for one in first["kept"] if one["what"] == "opposition"
    ]
    assert "Nothing about …876" in house("subject", "erase", NUMBER, "--reason", "ticket 12").out
    assert intact(home)
    assert known


@pytest.mark.parametrize(
    "arguments",
    [
        ("erase",),
        ("erase", NUMBER, "--reason", " "),
        ("erase", "3331239876", "--reason", "x"),
        ("report", NUMBER, "--controller", "nobody"),
        ("report",),
    ],
)
def test_wrong_use_changes_nothing(house: Shell, home: Path, arguments: tuple[str, ...]) -> None:
    """Exit 2, one line, no entry."""
    with Reader(home / "audit.db") as log:
        before = log.size()
        done = house("subject", *arguments)
        assert (done.code, log.size()) == (2, before)
    assert "3331239876" not in done.line


def test_a_delivered_call_and_its_outcome_are_told(house: Shell, home: Path, known: str) -> None:
    """The report follows a decision to its end."""
    with Log(home / "audit.db", Keys.load(home / "keys")) as log:
        log.append(delivery_entry(known, datetime(2026, 11, 23, tzinfo=UTC), 900))
    (decided,) = house("subject", "report", NUMBER, "--json").json["calls"]
    assert decided["delivered_at"] == "2026-11-23T00:00:00+00:00"
