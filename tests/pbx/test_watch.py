"""What follows from a PBX's events, with real databases and a scripted manager interface."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from lab.house import OURS, SAMPLE
from lab.scripted_ami import Peer, scripted
from lab.vaglio import Vaglio
from vaglio import config
from vaglio.audit import Reader, Writer, failopen_entry
from vaglio.changes import Changes
from vaglio.errors import ConfigError, InputError
from vaglio.index.reader import Reader as IndexReader
from vaglio.index.store import Store
from vaglio.metrics import Metrics
from vaglio.pbx.ami import Account, AmiState
from vaglio.pbx.events import DialBegin, DialEnd, Hangup, Pass, Told
from vaglio.pbx.opposing import oppose, refuse
from vaglio.pbx.parts import Parts
from vaglio.pbx.routes import Routes
from vaglio.pbx.watch import Watch, Watched
from vaglio.pbx.watched import WatchMetrics
from vaglio.pbx.watches import Watches
from vaglio.screening import Screener
from vaglio.site import Site

WATCHED = Watched("milan", frozenset({"127.0.0.1"}), ("PJSIP/trunk",), True, 2.0, handover=0.15)
NUMBER = "+393331234000"
GOOD = 'username = "g"\nsecret_file = "s"\ntrunks = ["PJSIP/t"]\n'


@dataclass
class Desk:
    """One PBX watched, and what stands in the log."""

    routes: Routes
    peer: Peer
    log: Reader
    metrics: WatchMetrics

    async def watch(self, watched: Watched = WATCHED, *, active: bool = True) -> Watch:
        account = Account(watched.name, "127.0.0.1", self.peer.port, "guard", "s3cret")
        one = Watch(watched, account, self.routes, self.metrics, lambda: active)
        one.ami.start()
        await until(lambda: one.ami.state is AmiState.UP)
        return one

    async def allowed(self, number: str = NUMBER, pbx: str = "127.0.0.1", unique_id: str = "1795471818.2") -> Pass:
        """A decision that another process made: an allow in the log, and the pass the gate makes of it."""
        parts = self.routes.parts
        done = await parts.screener.screen(parts.writer, number, "renewals", OURS, pbx=pbx, uniqueid=unique_id)
        return Pass("allow", unique_id, done.id, number[1:])

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        return [record.body for record in self.log.tail(500) if record.kind == kind]


async def until(holds: Callable[[], bool], seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - looks from outside
            await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with the sample campaigns."""
    vaglio = Vaglio(tmp_path_factory.mktemp("watch"))
    vaglio.run("campaign", "import", str(SAMPLE / "campaigns.toml"))
    return vaglio.home


@pytest.fixture
async def desk(home: Path) -> AsyncIterator[Desk]:
    site = Site.at(home / "vaglio.toml")
    keys = site.keys()
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(Writer(site.log_file, keys))
        store = await stack.enter_async_context(await Store.open(site.index_file))
        log = stack.enter_context(Reader(site.log_file))
        index = stack.enter_context(IndexReader.open(site.index_file))
        screener = Screener(index, log, keys, site.rulebooks(), site.emergency())
        routes = Routes(Parts(screener, writer, Changes(store, writer), Metrics()))
        peer = await stack.enter_async_context(scripted())
        yield Desk(routes, peer, log, WatchMetrics(CollectorRegistry()))


@pytest.fixture
def leg(request: pytest.FixtureRequest) -> DialBegin:
    """A leg towards the trunk whose unique id tells the tests' legs apart."""
    name = f"1795479999.{abs(hash(request.node.name)) % 10**8}"
    return DialBegin("1795471818.2", "1795471818.2", "PJSIP/trunk-00000001", name, f"{NUMBER}@trunk")


def unscreened(desk: Desk, leg: DialBegin) -> list[dict[str, Any]]:
    return [one for one in desk.bodies("unscreened-call") if one["uniqueid"] == leg.leg_id]


async def test_a_leg_without_a_pass_is_hung_up_and_recorded(desk: Desk, leg: DialBegin) -> None:
    """By its channel, with the cause for a barred call; the entry commits to the number."""
    watch = await desk.watch()
    watch.handle(leg)
    await until(lambda: desk.peer.count("Hangup") == 1)
    action = desk.peer.actions[-1]
    assert (action["Channel"], action["Cause"]) == ("PJSIP/trunk-00000001", "52")
    await watch.close()
    (entry,) = unscreened(desk, leg)
    assert (entry["why"], entry["number"]["last3"], entry["trunk"]) == ("no pass", "000", "PJSIP/trunk")


async def test_a_unique_id_chosen_to_be_a_number_is_masked(desk: Desk, leg: DialBegin) -> None:
    """Originate may name the channel; neither log shows more than three digits of it."""
    watch = await desk.watch()
    with capture_logs() as logs:
        watch.handle(replace(leg, caller="", linked="", leg_id="393331234999", dial_string="+393331234999@trunk"))
        await until(lambda: desk.peer.count("Hangup") == 1)
        await watch.close()
    assert "1234999" not in str(logs)
    assert b"1234999" not in b"".join(record.raw for record in desk.log.tail(3))


async def test_the_standbys_allow_is_found_in_the_log(desk: Desk, leg: DialBegin) -> None:
    """Its decision id is looked up; nothing is recorded against the call."""
    claim = await desk.allowed()
    watch = await desk.watch()
    watch.handle(replace(leg, claim=claim))
    await watch.close()
    assert unscreened(desk, leg) == []
    assert desk.peer.count("Hangup") == 0


async def test_an_allow_asked_from_a_strange_address_holds_and_is_told_once(desk: Desk, leg: DialBegin) -> None:
    """A forgotten address in the configuration must not end every call of the centre."""
    claim = await desk.allowed(pbx="192.0.2.9", unique_id="1795471818.7")
    leg = replace(leg, claim=claim, caller="1795471818.7", linked="1795471818.7")
    watch = await desk.watch()
    with capture_logs() as logs:
        watch.handle(leg)
        watch.handle(leg)
    await watch.close()
    assert unscreened(desk, leg) == []
    assert [one["address"] for one in logs if "asks_from" in one["event"]] == ["192.0.2.9"]


@pytest.mark.parametrize("part", ["decision", "unique_id", "digits", "kind"])
async def test_a_claim_that_the_log_does_not_bear_out_is_nothing(desk: Desk, leg: DialBegin, part: str) -> None:
    """Each part of the pass must be the decision's own."""
    good = await desk.allowed()
    wrong = {
        "decision": "01JZ0000000000000000000000",
        "unique_id": "1795471818.3",
        "digits": "393331234001",
        "kind": "failopen",
    }
    bad = replace(good, **{part: wrong[part]})
    calls = replace(leg, claim=bad, dial_string=f"+{bad.digits}@trunk")
    if part == "unique_id":
        calls = replace(calls, caller="1795471818.3")
    watch = await desk.watch()
    watch.handle(calls)
    await asyncio.sleep(WATCHED.handover + 0.1)
    await watch.close()
    assert len(unscreened(desk, leg)) == 1


async def test_a_blocked_decision_is_no_pass(desk: Desk, leg: DialBegin) -> None:
    """A block's id on the channel opens nothing."""
    parts = desk.routes.parts
    done = await parts.screener.screen(
        parts.writer, NUMBER, "renewals", "+390699999999", pbx="127.0.0.1", uniqueid="1795471818.2"
    )
    watch = await desk.watch()
    watch.handle(replace(leg, claim=Pass("allow", "1795471818.2", done.id, NUMBER[1:])))
    await watch.close()
    assert len(unscreened(desk, leg)) == 1


async def test_a_call_of_the_failure_policy_that_is_handed_over_is_screened(desk: Desk, leg: DialBegin) -> None:
    """Its entry arrives after the call began, and what became of the call names it."""
    parts = desk.routes.parts
    watch = await desk.watch()
    claim = Pass("failopen", "1795471818.4", "", NUMBER[1:])
    watch.handle(replace(leg, claim=claim, caller="1795471818.4"))
    number = parts.screener.number(NUMBER, "outage-notice")
    campaign = parts.screener.index.campaign("outage-notice")
    at = datetime.now(UTC)
    await parts.writer.append(failopen_entry(number, campaign, "outage-notice", "127.0.0.1", "1795471818.4", at))
    watch.handle(DialEnd(leg.leg_id, "BUSY"))
    watch.handle(Hangup(leg.leg_id, leg.leg, 17))
    await asyncio.sleep(WATCHED.handover + 0.1)
    await watch.close()
    assert unscreened(desk, leg) == []
    (failopen,) = [one for one in desk.bodies("failopen") if one["uniqueid"] == "1795471818.4"]
    assert [one["outcome"] for one in desk.bodies("outcome") if one["ref"] == failopen["id"]] == ["busy"]


async def test_a_call_of_the_failure_policy_without_a_record_is_unscreened(desk: Desk, leg: DialBegin) -> None:
    """Nobody invents a failure policy: without its hand-over the call is ended and told."""
    watch = await desk.watch()
    claim = Pass("failopen", "1795471818.5", "", NUMBER[1:])
    watch.handle(replace(leg, claim=claim, caller="1795471818.5"))
    assert desk.peer.count("Hangup") == 0
    await until(lambda: desk.peer.count("Hangup") == 1)
    await watch.close()
    assert unscreened(desk, leg)[0]["why"] == "let out without a record"


async def test_without_shown_passes_nothing_is_hung_up(desk: Desk, leg: DialBegin) -> None:
    """A manager.conf without channelvars must not end the standby's calls; it is told once."""
    watch = await desk.watch()
    with capture_logs() as logs:
        watch.handle(replace(leg, shown=False))
        watch.handle(replace(leg, shown=False))
    await watch.close()
    assert desk.peer.count("Hangup") == 0
    assert len(unscreened(desk, leg)) == 2
    assert len([one for one in logs if "channelvars" in one["event"]]) == 1


async def test_the_standby_says_nothing_while_the_first_service_does(desk: Desk, leg: DialBegin) -> None:
    """Two processes watch; one writes."""
    watch = await desk.watch(active=False)
    before = desk.log.size()
    watch.handle(leg)
    watch.handle(Told("VaglioRefusal", {"decision": (await desk.allowed()).decision}))
    watch.handle(Hangup(leg.leg_id, leg.leg, 16))
    await watch.close()
    assert unscreened(desk, leg) == []
    assert desk.log.size() == before + 1
    assert desk.peer.count("Hangup") == 0


async def test_a_hang_up_that_is_refused_leaves_the_entry(desk: Desk, leg: DialBegin) -> None:
    """No right to hang up, or the channel is gone: recorded all the same, the error told."""
    desk.peer.answer = lambda action: (
        f"Response: Error\r\nActionID: {action['ActionID']}\r\nMessage: Permission denied\r\n\r\n".encode()
        if action["Action"] == "Hangup"
        else desk.peer.success(action)
    )
    watch = await desk.watch()
    with capture_logs() as logs:
        watch.handle(leg)
        await until(lambda: bool(unscreened(desk, leg)))
        await watch.close()
    assert any("Permission denied" in str(one.get("error")) for one in logs)


@pytest.mark.parametrize(
    "event",
    [
        Told("VaglioUnheardOf", {}),
        Told("VaglioOpposition", {}),
        Told("VaglioOpposition", {"number": NUMBER}),
        Told("VaglioOpposition", {"number": "12", "campaign": "renewals"}),
        Told("VaglioOpposition", {"number": NUMBER, "campaign": "no-such"}),
        Told("VaglioOpposition", {"decision": "01JZ0000000000000000000000"}),
        Told("VaglioRefusal", {}),
        Told("VaglioRefusal", {"decision": "' OR 1=1 --"}),
    ],
)
async def test_an_event_that_says_too_little_changes_nothing(desk: Desk, event: Told) -> None:
    """It is told in the service's log, without a number."""
    watch = await desk.watch()
    before = desk.log.size()
    with capture_logs() as logs:
        watch.handle(event)
        await watch.close()
    assert desk.log.size() == before
    told = [one for one in logs if one["log_level"] in {"error", "warning"}]
    assert told
    assert NUMBER[1:] not in str(logs)


async def test_an_objection_by_number_needs_the_campaign(desk: Desk) -> None:
    """It names the controller; the entry says whose."""
    watch = await desk.watch()
    watch.handle(Told("VaglioOpposition", {"number": "+393331234111", "campaign": "renewals"}))
    await watch.close()
    (entry,) = [one for one in desk.bodies("change-announced") if one.get("number", {}).get("last3") == "111"]
    assert (entry["controller"], entry["evidence_uri"]) == ("aurora", None)


async def test_an_objection_by_decision_names_the_call(desk: Desk) -> None:
    """Number, campaign and evidence come from the decision."""
    claim = await desk.allowed("+393331234112")
    entry = await oppose(desk.routes.parts, claim.decision, "", "1795471818.2")
    body = desk.log.show(entry).body
    assert (body["evidence_uri"], body["campaign"]) == (f"decision:{claim.decision}", "renewals")


async def test_a_refusal_of_an_unknown_decision_is_an_error(desk: Desk) -> None:
    """An outcome without its call would be worth nothing."""
    with pytest.raises(InputError, match="no such decision"):
        await refuse(desk.routes.parts, "01JZ0000000000000000000000")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('username = "g"\ntrunks = ["PJSIP/t"]', "username without secret_file"),
        ('username = "g"\nsecret_file = "s"\n', "trunks is empty"),
        (f"{GOOD}\n[[pbx]]\nname = 'milan'\n{GOOD}", "given twice"),
        ('username = "g"\nsecret_file = "gone"\ntrunks = ["PJSIP/t"]', "the secret cannot be read"),
        ('username = "g"\nsecret_file = "s"\ntrunks = ["PJSIP/t"]\ntls = true\ntls_ca_file = "s"', "tls_ca_file"),
    ],
)
async def test_a_pbx_that_cannot_be_watched_stops_the_start(
    desk: Desk, tmp_path: Path, text: str, says: str
) -> None:
    """One line names the PBX and what is missing."""
    (tmp_path / "s").write_text("secret")
    file = tmp_path / "vaglio.toml"
    file.write_text(f'[[pbx]]\nname = "milan"\n{text}\n')
    with pytest.raises(ConfigError, match=says) as error:
        Watches(config.load(file), desk.routes, CollectorRegistry())
    assert "\n" not in str(error.value)


async def test_a_pbx_without_username_is_not_watched(desk: Desk, tmp_path: Path) -> None:
    """A name for the entries' sake needs no manager account."""
    file = tmp_path / "vaglio.toml"
    file.write_text('[[pbx]]\nname = "milan"\n')
    watches = Watches(config.load(file), desk.routes, CollectorRegistry())
    watches.start()
    await watches.close()
    assert desk.peer.writers == []


async def test_a_reload_keeps_connections_of_which_nothing_changed(desk: Desk, tmp_path: Path) -> None:
    """The same configuration costs no event; another one takes over; a wrong one leaves the old."""
    (tmp_path / "s").write_text("s3cret")
    file = tmp_path / "vaglio.toml"

    def settings(extra: str) -> config.Settings:
        file.write_text(f'[[pbx]]\nname = "milan"\nport = {desk.peer.port}\n{GOOD}{extra}')
        return config.load(file)

    watches = Watches(settings(""), desk.routes, CollectorRegistry())
    watches.start()
    await until(lambda: desk.peer.count("Login") == 1)
    await watches.reload(settings(""))
    await asyncio.sleep(0.1)
    assert desk.peer.count("Login") == 1
    await watches.reload(settings("agent_within_seconds = 3\n"))
    await until(lambda: desk.peer.count("Login") == 2)
    with pytest.raises(ConfigError):
        await watches.reload(settings('tls = true\ntls_ca_file = "s"\n'))
    await asyncio.sleep(0.1)
    assert len([one for one in desk.peer.writers if not one.is_closing()]) == 1
    await watches.close()


async def test_a_refused_login_is_a_fault_until_a_reload_mends_it(desk: Desk, tmp_path: Path) -> None:
    """The secret's file may change while the configuration does not."""
    (tmp_path / "s").write_text("wrong")
    file = tmp_path / "vaglio.toml"
    file.write_text(f'[[pbx]]\nname = "milan"\nport = {desk.peer.port}\n{GOOD}')
    watches = Watches(config.load(file), desk.routes, CollectorRegistry())
    watches.start()
    await until(lambda: bool(watches.faults()))
    assert watches.faults()[0].startswith("[[pbx]] milan: login as 'g' refused")
    (tmp_path / "s").write_text("s3cret")
    await watches.reload(config.load(file))
    await until(lambda: desk.peer.count("Login") == 2)
    assert watches.faults() == []
    await watches.close()


async def test_a_log_that_cannot_be_read_is_told_and_stops_nothing(desk: Desk, leg: DialBegin) -> None:
    """The event is lost and says so; the next one is handled."""
    claim = await desk.allowed()
    watch = await desk.watch()
    desk.log.close()
    with capture_logs() as logs:
        desk.peer.say(begin(replace(leg, claim=claim)))
        await until(lambda: any(one["event"] == "event not handled" for one in logs))
        desk.peer.say(begin(leg))
        await until(lambda: desk.peer.count("Hangup") == 1)
        await watch.close()


def begin(leg: DialBegin) -> str:
    """The event as Asterisk writes it."""
    claim = leg.claim
    shown = f"{claim.kind}:{claim.unique_id}:{claim.decision}:{claim.digits}" if claim else ""
    return (
        f"Event: DialBegin\r\nUniqueid: {leg.caller}\r\nLinkedid: {leg.linked}\r\nDestChannel: {leg.leg}\r\n"
        f"DestUniqueid: {leg.leg_id}\r\nDialString: {leg.dial_string}\r\n"
        f"DestChanVariable: VAGLIO_PASS={shown}\r\n\r\n"
    )
