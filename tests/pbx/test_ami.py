"""The adapter against a scripted manager interface: every way in which the line or the peer can be bad."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.certificate import certificate
from lab.scripted_ami import Peer, scripted
from vaglio.pbx.ami import Account, Ami, AmiState, Pace
from vaglio.pbx.amiwire import AmiError, Wire
from vaglio.pbx.events import Event, Told, pass_of, typed

TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
QUICK = Pace(connect=1, answer=0.3, ping_every=0.1, first_retry=0.02, longest_retry=0.05, refused_retry=30)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with scripted() as one:
        yield one


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
async def ami(peer: Peer, heard: list[Event]) -> AsyncIterator[Ami]:
    one = Ami(Account("milan", "127.0.0.1", peer.port, "guard", "s3cret"), heard.append, pace=QUICK)
    yield one
    await one.close()


async def until(holds: Callable[[], bool], seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - looks from outside
            await asyncio.sleep(0.005)


def told(decision: str) -> str:
    return f"Event: UserEvent\r\nUserEvent: VaglioRefusal\r\nDecision: {decision}\r\n\r\n"


def decisions(heard: list[Event]) -> list[str]:
    return [event.fields["decision"] for event in heard if isinstance(event, Told)]


async def up(ami: Ami) -> None:
    ami.start()
    await until(lambda: ami.state is AmiState.UP)


async def test_events_arrive_in_order_however_they_are_cut(ami: Ami, peer: Peer, heard: list[Event]) -> None:
    """A message in one byte a segment, and two in one segment, are the same messages."""
    await up(ami)
    for byte in told("A").encode():
        peer.say(bytes([byte]))
        await asyncio.sleep(0)
    peer.say(told("B") + told("C"))
    await until(lambda: len(heard) == 3)
    assert decisions(heard) == ["A", "B", "C"]


async def test_a_character_split_over_two_segments_is_whole(ami: Ami, peer: Peer, heard: list[Event]) -> None:
    """UTF-8 is decoded across segments."""
    await up(ami)
    text = told("perché").encode()
    cut = text.index("é".encode()) + 1
    peer.say(text[:cut])
    await asyncio.sleep(0.05)
    peer.say(text[cut:])
    await until(lambda: bool(heard))
    assert decisions(heard) == ["perché"]


async def test_bytes_that_are_no_utf8_cost_no_event(ami: Ami, peer: Peer, heard: list[Event]) -> None:
    """A Latin-1 caller name is marked, and the next event is read as ever."""
    await up(ami)
    peer.say(told("X").encode().replace(b"X", b"perch\xe9"))
    peer.say(told("B"))
    await until(lambda: len(heard) == 2)
    assert decisions(heard) == ["perch\N{REPLACEMENT CHARACTER}", "B"]


async def test_a_refused_login_is_reported_and_not_hammered(peer: Peer, ami: Ami) -> None:
    """A wrong password is a state of its own, told once, and tried again only after minutes."""
    peer.password = "another"
    ami.start()
    await until(lambda: ami.state is AmiState.REFUSED)
    await asyncio.sleep(0.4)
    assert peer.count("Login") == 1
    assert "'guard' refused (Authentication failed)" in ami.reason
    assert "s3cret" not in ami.reason


async def test_a_deaf_peer_is_noticed_and_left(ami: Ami, peer: Peer) -> None:
    """A peer that accepts bytes and answers no ping is given up, and connected to anew."""
    await up(ami)
    peer.deaf = True
    await until(lambda: ami.state is AmiState.DOWN)
    assert "Ping" in ami.reason
    peer.deaf = False
    await until(lambda: ami.state is AmiState.UP)
    assert len(peer.writers) >= 2


async def test_a_lost_connection_is_taken_up_again(ami: Ami, peer: Peer, heard: list[Event]) -> None:
    """Events flow again after a reset, without anybody's help."""
    await up(ami)
    peer.drop()
    await until(lambda: ami.tallies.connections == 2)
    peer.say(told("after"))
    await until(lambda: bool(heard))
    assert decisions(heard) == ["after"]


async def test_an_unanswered_action_fails_and_is_never_sent_again(ami: Ami, peer: Peer) -> None:
    """A hang-up that was on its way when the line broke must not hit another call later."""
    await up(ami)
    peer.answer = lambda action: None if action["Action"] == "Hangup" else peer.success(action)
    asked = asyncio.ensure_future(ami.act("Hangup", Channel="PJSIP/trunk-1"))
    await until(lambda: peer.count("Hangup") == 1)
    peer.drop()
    with pytest.raises(AmiError, match="no answer"):
        await asked
    await until(lambda: ami.tallies.connections == 2)
    peer.say("Event: FullyBooted\r\nStatus: Fully Booted\r\n\r\n")
    await asyncio.sleep(0.2)
    assert peer.count("Hangup") == 1


async def test_an_answer_that_never_comes_is_not_waited_for(ami: Ami, peer: Peer) -> None:
    """Every action has its own time limit, and leaves nothing behind."""
    await up(ami)
    peer.answer = lambda action: None if action["Action"] == "Hangup" else peer.success(action)
    with pytest.raises(AmiError, match="within"):
        await ami.act("Hangup", Channel="PJSIP/trunk-1")
    assert ami._wire is not None
    assert not [one for one in ami._wire.responses.values() if one["Action"] == "Hangup"]


@pytest.mark.parametrize("value", ["x\r\nAction: Originate", "x\nVariable: A=b", "x\rB: c", "x\0"])
async def test_a_line_break_in_a_value_is_refused(ami: Ami, peer: Peer, value: str) -> None:
    """A channel name from the network cannot become a header or an action."""
    await up(ami)
    with pytest.raises(AmiError, match="not sent"):
        await ami.act("Hangup", Channel=value)
    assert not any(b"Originate" in block or b"Variable" in block for block in peer.raw)


async def test_a_refused_action_is_an_error_with_its_words(ami: Ami, peer: Peer) -> None:
    """`Permission denied` reaches the caller."""
    await up(ami)
    peer.answer = lambda action: (
        f"Response: Error\r\nActionID: {action['ActionID']}\r\nMessage: Permission denied\r\n\r\n".encode()
    )
    with pytest.raises(AmiError, match="Hangup refused: Permission denied"):
        await ami.act("Hangup", Channel="PJSIP/trunk-1")


async def test_a_handler_that_raises_costs_one_event(peer: Peer) -> None:
    """The connection and the consumer live on."""
    seen: list[Event] = []

    def handle(event: Event) -> None:
        seen.append(event)
        if len(seen) == 1:
            raise ValueError("bad")

    ami = Ami(Account("milan", "127.0.0.1", peer.port, "guard", "s3cret"), handle, pace=QUICK)
    await up(ami)
    peer.say(told("A") + told("B"))
    await until(lambda: len(seen) == 2)
    assert ami.tallies.connections == 1
    await ami.close()


async def test_a_full_queue_is_counted(peer: Peer) -> None:
    """Events beyond the bound are dropped and tallied, never kept without limit."""
    seen: list[Event] = []
    pace = Pace(queue=4, first_retry=0.02)
    ami = Ami(Account("milan", "127.0.0.1", peer.port, "guard", "s3cret"), seen.append, pace=pace)
    await up(ami)
    peer.say("".join(told(str(index)) for index in range(50)))
    await until(lambda: ami.tallies.events_lost > 0)
    await asyncio.sleep(0.1)
    assert len(seen) + ami.tallies.events_lost == 50
    await ami.close()


async def test_an_endless_message_ends_the_connection(ami: Ami, peer: Peer) -> None:
    """A peer that never ends its message cannot fill the memory."""
    await up(ami)
    peer.say("Event: X\r\n" + "A: b\r\n" * 20_000)
    await until(lambda: ami.state is AmiState.DOWN)
    assert "64 KiB" in ami.reason


@pytest.mark.parametrize(
    "text",
    [
        "Event: DialBegin\r\nDestChannel: PJSIP/trunk-1\r\n\r\n",
        "Event: UserEvent\r\nUserEvent: Other\r\n\r\n",
        "Response: Success\r\nActionID: nobody/1\r\n\r\n",
        ": \r\n\r\n",
        "no colon\r\n\r\n",
        "Event: Hangup\r\nEvent: DialBegin\r\n\r\n",
    ],
)
async def test_what_is_incomplete_or_not_for_us_is_no_event(
    ami: Ami, peer: Peer, heard: list[Event], text: str
) -> None:
    """A missing header is never read as an empty one."""
    await up(ami)
    peer.say(text + told("B"))
    await until(lambda: bool(heard))
    assert decisions(heard) == ["B"]
    assert len(heard) == 1


async def test_close_during_a_pause_ends_all_attempts(ami: Ami, peer: Peer) -> None:
    """After close nobody connects again."""
    await up(ami)
    peer.drop()
    await until(lambda: ami.state is AmiState.DOWN)
    await ami.close()
    before = len(peer.writers)
    await asyncio.sleep(0.3)
    assert len(peer.writers) == before
    assert ami.state is AmiState.CLOSED


async def test_nobody_listening_is_no_crash(heard: list[Event]) -> None:
    """A PBX that is not there yet is waited for."""
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    ami = Ami(Account("milan", "127.0.0.1", port, "guard", "s3cret"), heard.append, pace=QUICK)
    ami.start()
    await until(lambda: "onnection refused" in ami.reason or "Connect call failed" in ami.reason)
    with pytest.raises(AmiError, match="manager interface is down"):
        await ami.act("Hangup", Channel="x")
    await ami.close()


PIECES = st.sampled_from(
    [
        *(b"Event: ", b"Response: ", b"Follows", b"Success", b"\r\n", b"\r\n\r\n", b": ", b"ActionID: "),
        *(b"Hangup", b"DialBegin", b"UserEvent: VaglioX", b"\xff", b"\0", b"Uniqueid: 1.2", b"Channel: a"),
        *(b"Cause: 999999999", b"Message: x"),
    ]
)


@given(st.lists(PIECES | st.binary(max_size=20), max_size=60))
@settings(max_examples=300)
async def test_no_bytes_from_the_peer_end_the_reader(pieces: list[bytes]) -> None:
    """Whatever arrives is an event or nothing, never an exception."""
    seen: list[object] = []
    wire = Wire(lambda headers: seen.append(typed(headers)))
    wire.connection_made(Nowhere())
    for piece in pieces:
        wire.data_received(piece)
    assert not wire.lost.done()


class Nowhere(asyncio.Transport):
    """A transport that swallows what is written."""

    def write(self, data: object) -> None:
        del data

    def abort(self) -> None:
        pass


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("allow:1795471818.2:01JZ0000000000000000000000:393330000001", "allow"),
        ("failopen:milan-1795471831.8::393330000003", "failopen"),
        ("emergency:1795471832.12::112", "emergency"),
        ("allow:1795471818.2:01JZ0000000000000000000000:", None),
        ("allow:1795471818.2:01JZ:393330000001", None),
        ("ALLOW:1795471818.2::393330000001", None),
        ("", None),
    ],
)
def test_a_pass_is_read_as_the_gate_writes_it_or_not_at_all(text: str, kind: str | None) -> None:
    """A cut or invented pass is none."""
    found = pass_of(text)
    assert (found.kind if found else None) == kind


async def test_over_tls_only_a_trusted_pbx_learns_the_secret(tmp_path: Path, heard: list[Event]) -> None:
    """With the right authority the login works; without it nothing is sent."""
    pem, private = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    async with scripted(context) as peer:
        for trusted in (TRUSTS_NOBODY, ssl.create_default_context(cafile=pem)):
            ami = Ami(
                Account("milan", "127.0.0.1", peer.port, "guard", "s3cret", trusted), heard.append, pace=QUICK
            )
            ami.start()
            if trusted is TRUSTS_NOBODY:
                await asyncio.sleep(0.2)
                assert (ami.state, peer.actions) == (AmiState.DOWN, [])
            else:
                await until(partial(is_up, ami))
            await ami.close()


def is_up(ami: Ami) -> bool:
    return ami.state is AmiState.UP
