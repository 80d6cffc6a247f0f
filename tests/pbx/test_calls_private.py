"""Nobody reads a called person's number where it must not stand: log, service's log, metrics."""

import asyncio
import signal
from pathlib import Path

import pytest

from lab.agi_client import call, header_block
from lab.house import OURS, House
from lab.pbx import eventually
from lab.traces import cells, traces
from lab.traces import found_in as found

pytestmark = pytest.mark.pbx

PEOPLE = {
    "allowed": "+393397182645",
    "blocked": "+393394827163",
    "voiced": "+393398561742",
    "typed": "+393396271854",
    "consenting": "+393392759168",
    "let out": "+393395918276",
    "unknown campaign": "+393393647281",
    "in the wrong place": "+393391864527",
    "malformed": "+39339726481553719",
}
"""What becomes of each number in this test."""
CALLER = "+390698273645"
"""A caller id that no campaign declares: somebody's number."""


def found_in(data: bytes) -> list[str]:
    """Which people's numbers can be read in it."""
    return found(data, {**PEOPLE, "caller id": CALLER})


def live_through_everything(house: House, directory: Path) -> None:
    """Let every person's number pass through the service on the way its name tells."""
    vaglio = house.vaglio
    assert house.dial(PEOPLE["allowed"], name=f"Anna {PEOPLE['allowed']}").status == 200
    assert house.dial(PEOPLE["allowed"], caller_id=CALLER).status == 603
    file = directory / "people.csv"
    file.write_text(
        "number,controller,purpose,opposed_at,channel,evidence_uri\n"
        f"{PEOPLE['blocked']},aurora,*,2026-05-01T10:00:00Z,phone,file:rec_{PEOPLE['blocked']}.wav\n"
        f"{PEOPLE['malformed']},aurora,*,2026-05-01T10:00:00Z,,\n"
    )
    vaglio.run("opposition", "import", str(file))
    assert house.dial(PEOPLE["blocked"]).status == 603
    assert house.dial(PEOPLE["malformed"]).status == 603
    assert house.dial(PEOPLE["unknown campaign"], PEOPLE["in the wrong place"].removeprefix("+")).status == 603
    asyncio.run(call("127.0.0.1", vaglio.port, "oppose", PEOPLE["voiced"], "renewals", watchdog_seconds=5.0))
    vaglio.run(
        *("opposition", "add", PEOPLE["typed"], "--controller", "aurora"),
        *("--evidence", f"mail:tel {PEOPLE['typed']}"),
    )
    vaglio.run(
        *("consent", "add", PEOPLE["consenting"], "--controller", "aurora", "--purpose", "marketing"),
        *("--given-at", "2026-05-01T10:00:00Z", "--method", f"called from {PEOPLE['consenting']}"),
    )
    misuse(house)
    vaglio.send(signal.SIGSTOP)
    assert house.dial(PEOPLE["let out"], "outage-notice").status == 200
    vaglio.send(signal.SIGCONT)
    eventually(lambda: not house.pbx.kept(), 30)


def misuse(house: House) -> None:
    """Numbers where none belongs: a route, a unique id, a channel, a line that is no header."""
    wrong = PEOPLE["in the wrong place"]
    port = house.vaglio.port

    async def ask() -> None:
        for route, arguments, headers in (
            (wrong, (wrong,), {}),
            ("screen", (wrong, wrong, wrong, wrong), {}),
            ("screen", (wrong, "renewals", OURS), {"agi_uniqueid": wrong, "agi_channel": f"SIP/{wrong}-1"}),
            ("oppose", (wrong, wrong), {}),
            ("failed", (wrong, wrong, wrong, wrong, wrong.removeprefix("+")), {}),
        ):
            await call("127.0.0.1", port, route, *arguments, headers=headers, watchdog_seconds=5.0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(header_block("screen", wrong)[:-1] + f"{wrong}\n\n".encode())
        await asyncio.wait_for(reader.read(), 5)
        writer.close()

    asyncio.run(ask())


def test_no_number_in_clear_outside_the_index(house: House, tmp_path: Path) -> None:
    """Every byte of audit.db with its WAL, each value of its tables, keys, service's log and metrics."""
    live_through_everything(house, tmp_path)
    home = house.vaglio.home
    entries = house.vaglio.entries()
    endings = {entry["number"]["last3"] for entry in entries if "number" in entry}
    assert {number[-3:] for person, number in PEOPLE.items() if person != "in the wrong place"} <= endings | {
        "719"
    }
    files = [file for file in home.rglob("*") if file.is_file() and not file.name.startswith("index.db")]
    assert {"audit.db", "audit.db-wal", "serve.log"} <= {file.name for file in files}
    for file in files:
        assert (file.name, found_in(file.read_bytes())) == (file.name, [])
    assert found_in(cells(home / "audit.db")) == []
    status, metrics = house.vaglio.get("/metrics")
    assert (status, "vaglio_decisions_total" in metrics) == (200, True)
    assert found_in(metrics.encode()) == []
    told = house.vaglio.run("audit", "tail", "--count", "1000") + house.vaglio.run("campaign", "list")
    assert found_in(told.encode()) == []
    assert (tmp_path / "people.csv.rejects.csv").exists()
    assert found_in((tmp_path / "people.csv.rejects.csv").read_bytes()) == []


def test_the_search_would_find_a_number() -> None:
    """The check itself: each form in which a number could stand is recognised."""
    for number in PEOPLE.values():
        for trace in traces(number):
            assert found_in(b"x" + trace + b"y")
