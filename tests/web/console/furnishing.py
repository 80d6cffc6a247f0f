"""A site as a call centre leaves it after a day: two principals, lists, and a day's decisions.

Every decision is a real one (`Screener.screen`, at the hours of yesterday), with what the PBX told of it; the log
is sealed and signed by the command line at the end.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

from lab.house import OURS, SAMPLE
from lab.vaglio import Vaglio
from vaglio.audit import EntryKind, delivery_entry, failopen_entry, make, outcome_entry
from vaglio.cli import main
from vaglio.clock import now
from vaglio.model import CallOutcome
from vaglio.numbers import parse
from vaglio.screening import Screened, Screener
from vaglio.site import Site, init
from vaglio.web.access import Account, AccountKind, Role
from vaglio.web.rooms import Rooms, open_rooms

PASSWORD = "a long password for tests"
HOSTILE = '"><script>alert(1)</script>'
"""What a hostile channel or CRM writes wherever it may write anything."""
OPPOSED = "+393331234567"
LONDON = "+442079460000"
SECOND = """
[[controller]]
id = "borea"
name = "Borea <Luce> & Gas"

[[campaign]]
id = "luce-casa"
controller = "borea"
caller_org = "callright"
purpose = "service"
sector = "energy"
dial_mode = "preview"
region = "IT"
caller_ids = ["+390612345678"]
script_version = "1"
notice_version = "1"
"""
ACCOUNTS = {role: role.value for role in Role}
"""Role → name of its account; the principal's auditor sees `borea` alone."""
CALLS = 96
_OUTCOMES = (
    CallOutcome.ANSWERED,
    CallOutcome.ANSWERED,
    CallOutcome.NO_ANSWER,
    CallOutcome.ANSWERED,
    CallOutcome.BUSY,
    CallOutcome.ANSWERED,
    CallOutcome.REFUSED,
    CallOutcome.SILENT,
)


def furnish(home: Path) -> Vaglio:
    """Make the site; its web is not started yet."""
    init(home)
    vaglio = Vaglio(home)
    second = home / "second.toml"
    second.write_text(SECOND)
    _command(vaglio, "campaign", "import", str(SAMPLE / "campaigns.toml"))
    _command(vaglio, "campaign", "import", str(second))
    for kind in ("opposition", "contact", "consent"):
        _command(vaglio, kind, "import", str(SAMPLE / f"{kind}s.csv"))
    _command(vaglio, "register", "import", "tps", str(SAMPLE / "tps.txt"), "--as-of", f"{now():%Y-%m-%d}")
    asyncio.run(_used(Site.at(vaglio.configuration)))
    _command(vaglio, "audit", "checkpoint")
    return vaglio


def _command(vaglio: Vaglio, *arguments: str) -> None:
    """Run a command as the command line does, in this process: starting one for each takes a minute here."""
    for group in main.GROUPS:
        import_module(f"vaglio.cli.{group}")
    main.app([*arguments, "--config", str(vaglio.configuration)], standalone_mode=False)


async def _used(site: Site) -> None:
    async with open_rooms(site) as rooms:
        for role, name in ACCOUNTS.items():
            controller = "borea" if role is Role.PRINCIPAL_AUDITOR else None
            rooms.accounts.add(Account(name, AccountKind.USER, role, controller, now(), None, None), PASSWORD)
        await _day(rooms)


async def _day(rooms: Rooms) -> None:
    """Calls from 7 to 19 o'clock yesterday; more of them at noon."""
    begin = yesterday() + timedelta(hours=7)
    clock = begin
    screener = Screener(
        rooms.index, rooms.log, rooms.keys, rooms.screener.rulebooks, rooms.screener.emergency, lambda: clock
    )
    for place in range(CALLS):
        clock = begin + timedelta(minutes=7.5 * place)
        number, campaign, caller_id = _call(place)
        uniqueid = f"pbx-{int(clock.timestamp())}.{place}"
        made = await screener.screen(
            rooms.writer, number, campaign, caller_id, pbx=HOSTILE if place == 5 else "pbx1", uniqueid=uniqueid
        )
        await _aftermath(rooms, made, clock, place)
    let_out = parse("+393331230999", region="IT", emergency=frozenset())
    outage = rooms.index.campaign("outage-notice")
    await rooms.writer.append(
        failopen_entry(let_out, outage, "outage-notice", "pbx1", f"pbx-{int(clock.timestamp())}.900", clock)
    )
    fields = {"pbx": "pbx1", "uniqueid": "", "caller_uniqueid": "", "trunk": "carrier", "why": "no pass"}
    await rooms.writer.append(make(EntryKind.UNSCREENED_CALL, clock, {**fields, "hang_up": True}, number=let_out))


def _call(place: int) -> tuple[str, str, str]:
    if place % 12 == 3:
        return OPPOSED, "renewals", OURS
    if place % 12 == 5:
        return f"+3933312{place:05d}", HOSTILE, OURS
    if place % 12 == 7:
        return "+447400123402", "fibre-offer", LONDON
    if place % 12 == 9:
        return f"+3933312{place:05d}", "offerta-fibra", OURS
    if place % 12 == 11:
        return f"+3933312{place:05d}", "renewals", "+390699999999"
    return f"+3933312{place:05d}", "luce-casa" if place % 4 == 0 else "renewals", OURS


async def _aftermath(rooms: Rooms, made: Screened, at: datetime, place: int) -> None:
    await rooms.writer.append(delivery_entry(made.id, at, 1800 + place * 37 % 2600))
    if made.judgement.decision.verdict == "allow":
        outcome = _OUTCOMES[place % len(_OUTCOMES)]
        await rooms.writer.append(outcome_entry(made.id, at, outcome, {"cause": 16, "note": HOSTILE}))


def yesterday() -> datetime:
    """Its midnight, UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
