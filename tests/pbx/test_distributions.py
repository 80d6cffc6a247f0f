"""The snippets for FreePBX and VICIdial, on a real Asterisk, in dialplans of those distributions' shape."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from lab.ami import Manager
from lab.asterisk import CONF, Asterisk
from lab.installation import OLDEST_SUITE
from lab.pbx import Pbx, eventually
from lab.peer import Conversation, Peer, allow, block
from lab.ports import free_port
from lab.sipp import Trunk

pytestmark = [pytest.mark.pbx, pytest.mark.every_asterisk]

HERE = Path(__file__).parent
TRUNKS = {
    "OUT_1": "PJSIP",
    "OUT_1_SUFFIX": "@trunk",
    "OUT_2": "PJSIP",
    "OUT_2_SUFFIX": "@trunk",
    "OUTPREFIX_2": "00",
    "VAGLIO_DEFAULT_CAMPAIGN": "service",
}
_TESTER = "[tester]\nsecret = tester\nread =\nwrite = call,originate,system\n"


def _silent(conversation: Conversation) -> None:
    conversation.connection.recv(1)


def _asterisk(suite: str, shapes: str, hooks: str, call_log: int) -> Asterisk:
    """An Asterisk with the shipped files, and a dialplan of that shape in place of the distribution's own."""
    asterisk = Asterisk(globals_=TRUNKS, suite=suite)
    included = "".join(f"#include {name}\n" for name in (hooks, "vaglio-vicidial.conf"))
    asterisk.overlay("extensions_local.conf", included + (HERE / shapes).read_text())
    for file in (*(CONF / "freepbx").glob("vaglio-*.conf"), *(CONF / "vicidial").glob("*.conf")):
        text = file.read_text().replace("127.0.0.1:4577", f"127.0.0.1:{call_log}")
        # chan_pjsip has the number before the peer; chan_sip, of VICIdial's form, is gone in Asterisk 21.
        asterisk.overlay(file.name, text.replace("${CARRIER}/${EXTEN:1}", "PJSIP/${EXTEN:1}@trunk"))
    asterisk.overlay("manager.conf", (CONF / "example" / "manager.conf").read_text() + _TESTER)
    return asterisk


@pytest.fixture(scope="module")
def call_log() -> Iterator[Peer]:
    """VICIdial's own FastAGI server: it is told, and answers nothing."""
    with Peer(lambda _: None, free_port()) as peer:
        yield peer


@pytest.fixture(scope="module")
def shapes_of(need_asterisk: Callable[[str], None], call_log: Peer) -> Iterator[Callable[[str], Pbx]]:
    """The PBX of a suite with both distributions' dialplans, started when it is first asked for."""
    port = int(call_log.address.rpartition(":")[2])
    with ExitStack() as running:

        @cache
        def of(suite: str) -> Pbx:
            need_asterisk(suite)
            asterisk = running.enter_context(_asterisk(suite, "distributions.conf", "vaglio-freepbx.conf", port))
            return Pbx(asterisk, running.enter_context(Trunk(asterisk.ports.trunk)))

        yield of


@pytest.fixture
def shapes(shapes_of: Callable[[str], Pbx], suite: str) -> Pbx:
    return _fresh(shapes_of(suite))


@pytest.fixture(scope="module")
def running_macro(need_asterisk: Callable[[str], None]) -> Iterator[Pbx]:
    """The oldest Asterisk: later ones come without Macro, and without a FreePBX that needs it."""
    need_asterisk(OLDEST_SUITE)
    asterisk = _asterisk(OLDEST_SUITE, "distributions_macro.conf", "vaglio-freepbx-macro.conf", free_port())
    with asterisk, Trunk(asterisk.ports.trunk) as trunk:
        yield Pbx(asterisk, trunk)


@pytest.fixture
def macro(running_macro: Pbx) -> Pbx:
    return _fresh(running_macro)


def _fresh(pbx: Pbx) -> Pbx:
    pbx.set(VAGLIO_ADDRESS="127.0.0.1:1", VAGLIO_STANDBY="", VAGLIO_SKIP_SERVICE="0", VAGLIO_SKIP_STANDBY="0")
    pbx.set(VAGLIO_SKIP_SERVICE_SEEN="0", VAGLIO_SKIP_STANDBY_SEEN="0")
    pbx.asterisk.cli("database deltree test")
    return pbx


def test_freepbx_asks_before_the_first_trunk(shapes: Pbx, number: str) -> None:
    """The hook names the number that is dialled and the default campaign; the call goes out once."""
    with Peer(allow) as peer:
        shapes.set(VAGLIO_ADDRESS=peer.address)
        assert shapes.dial(f"*17*{number}").status == 200
        assert [one.arguments[:2] for one in peer.asked()] == [[number, "service"]]
    assert [invite.decision is not None for invite in shapes.saw(number)] == [True]


def test_freepbx_tries_no_further_trunk_for_a_blocked_call(shapes: Pbx, number: str) -> None:
    """The hook ends the call: neither trunk of the route sees it."""
    with Peer(block) as peer:
        shapes.set(VAGLIO_ADDRESS=peer.address)
        assert shapes.dial(f"*17*{number}").status == 603
        assert len(peer.asked()) == 1
    assert shapes.saw(number) == []
    assert shapes.saw(f"00{number}") == []


def test_freepbx_blocks_dundi_trunks_too(shapes: Pbx, number: str) -> None:
    """They have a hook of their own."""
    with Peer(block) as peer:
        shapes.set(VAGLIO_ADDRESS=peer.address)
        assert shapes.dial(f"*18*{number}").status == 603
        assert len(peer.asked()) == 1
    assert shapes.saw(number) == []


def test_freepbx_goes_to_the_standby_when_the_service_is_silent(shapes: Pbx, number: str) -> None:
    """The watchdog works inside the nested hook, and the call goes on from there."""
    with Peer(_silent) as service, Peer(allow) as standby:
        shapes.set(VAGLIO_ADDRESS=service.address, VAGLIO_STANDBY=standby.address)
        assert shapes.dial(f"*17*{number}").status == 200
    assert len(shapes.saw(number)) == 1


def test_freepbx_lets_an_emergency_call_out_with_nothing_running(shapes: Pbx) -> None:
    """112 asks nobody."""
    before = len(shapes.saw("112"))
    assert shapes.dial("*17*112").status == 200
    assert len(shapes.saw("112")) == before + 1


def test_macro_freepbx_asks_and_blocks_inside_the_hook(macro: Pbx, number: str, other: str) -> None:
    """One Gosub inside two Macros: allowed goes out, blocked reaches no trunk."""

    def only_the_first(conversation: Conversation) -> None:
        (allow if conversation.arguments[0] == number else block)(conversation)

    with Peer(only_the_first) as peer:
        macro.set(VAGLIO_ADDRESS=peer.address)
        assert macro.dial(f"*16*{number}").status == 200
        assert macro.dial(f"*16*{other}").status == 603
    assert len(macro.saw(number)) == 1
    assert macro.saw(other) == []
    assert macro.saw(f"00{other}") == []


def test_macro_freepbx_goes_to_the_standby_when_the_service_is_silent(macro: Pbx, number: str, other: str) -> None:
    """The watchdog takes the call out of the Macros; the hook dials what was allowed, and nothing else."""

    def only_the_first(conversation: Conversation) -> None:
        (allow if conversation.arguments[0] == number else block)(conversation)

    with Peer(_silent) as service, Peer(only_the_first) as standby:
        macro.set(VAGLIO_ADDRESS=service.address, VAGLIO_STANDBY=standby.address)
        assert macro.dial(f"*16*{number}").status == 200
        macro.set(VAGLIO_SKIP_SERVICE="0")
        assert macro.dial(f"*16*{other}").status == 603
    assert len(macro.saw(number)) == 1
    assert macro.saw(other) == []


def _lead(number: str) -> str:
    """An American lead's digits: 1, area code, seven digits."""
    return f"1212555{number[-4:]}"


def test_vicidial_auto_dialled_calls_are_asked_for(shapes: Pbx, call_log: Peer, number: str) -> None:
    """The dialler originates Local channels: the carrier's entry asks, then tells VICIdial, then dials."""
    lead, before = _lead(number), len(call_log.conversations)
    with Peer(allow) as peer, Manager(shapes.asterisk.ports.ami, "tester", "tester") as manager:
        shapes.set(VAGLIO_ADDRESS=peer.address)
        manager.act("Originate", Channel=f"Local/9{lead}@vicidial/n", Application="Wait", Data="1", Async="true")
        eventually(lambda: bool(shapes.saw(lead)))
        assert peer.asked()[0].arguments[:2] == [f"+{lead}", "energy"]
    assert shapes.saw(lead)[0].decision
    assert call_log.conversations[before].route == "call_log"


def test_vicidial_is_told_of_the_end_of_a_blocked_call(shapes: Pbx, call_log: Peer, number: str) -> None:
    """Nothing reaches the trunk, the start was never told, the end is: the lead does not stay in call."""
    lead, before = _lead(number), len(call_log.conversations)
    with Peer(block) as peer, Manager(shapes.asterisk.ports.ami, "tester", "tester") as manager:
        shapes.set(VAGLIO_ADDRESS=peer.address)
        manager.act("Originate", Channel=f"Local/9{lead}@vicidial/n", Application="Wait", Data="1", Async="true")
        eventually(lambda: len(call_log.conversations) > before)
    assert shapes.saw(lead) == []
    told = [one.route for one in call_log.conversations[before:]]
    assert len(told) == 1
    assert told[0].startswith("call_log--HVcauses--PRI-----NODEBUG-----52-----")
    assert shapes.stored("test", "h") == ""


def test_vicidial_agents_dialling_by_hand_are_asked_for(shapes: Pbx, number: str) -> None:
    """The dial prefix names the campaign."""
    lead = _lead(number)
    with Peer(block) as peer:
        shapes.set(VAGLIO_ADDRESS=peer.address)
        assert shapes.dial(f"*19*8{lead}").status == 603
        assert peer.asked()[0].arguments[:2] == [f"+{lead}", "renewals"]
    assert shapes.saw(lead) == []


def test_vicidial_is_told_once_of_a_call_that_went_out(shapes: Pbx, call_log: Peer, number: str) -> None:
    """Its own `h` extension does that; the gate's handler is gone by then."""
    lead, before = _lead(number), len(call_log.conversations)
    with Peer(allow) as peer:
        shapes.set(VAGLIO_ADDRESS=peer.address)
        assert shapes.dial(f"*19*9{lead}").status == 200
    eventually(lambda: shapes.stored("test", "h") != "")
    assert [one.route for one in call_log.conversations[before:]] == ["call_log"]
