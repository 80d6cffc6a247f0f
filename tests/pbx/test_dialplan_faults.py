"""What happens when no verdict comes: how fast a call ends, what is tried next, what is left as it was."""

from collections.abc import Iterator

import pytest

from lab.pbx import Pbx
from lab.peer import Conversation, Peer, allow, block, failure, full_backlog
from lab.sipp import Call, place

pytestmark = [pytest.mark.pbx, pytest.mark.every_asterisk]


def _silent(conversation: Conversation) -> None:
    """Hold the connection and say nothing; the watchdog ends it."""
    conversation.connection.settimeout(5)
    while conversation.connection.recv(4096):
        pass


def test_a_refused_connection_ends_the_call_at_once(pbx: Pbx, number: str) -> None:
    """With no service the call is refused with 503 in well under half a second."""
    result = pbx.dial(number)
    assert result.status == 503
    assert result.ms < 400
    assert pbx.saw(number) == []


def test_a_silent_service_holds_a_call_for_half_a_second(pbx: Pbx, number: str) -> None:
    """A service that accepts and says nothing costs 0.5 s, then 503."""
    with Peer(_silent) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        result = pbx.dial(number)
    assert result.status == 503
    assert 450 < result.ms < 1000
    assert pbx.saw(number) == []


def test_an_address_that_cost_the_watchdog_is_left_alone(pbx: Pbx, number: str, other: str) -> None:
    """The next call within 5 s does not ask a silent address again and ends at once."""
    with Peer(_silent) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        pbx.dial(number)
        result = pbx.dial(other)
        assert len(peer.asked()) == 1
    assert result.status == 503
    assert result.ms < 400


def test_an_address_is_asked_again_after_five_seconds(pbx: Pbx, number: str, other: str) -> None:
    """A service that recovers screens calls again without anybody's doing."""

    def recovering(conversation: Conversation) -> None:
        (_silent if len(peer.asked()) == 1 else allow)(conversation)

    with Peer(recovering) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        first = pbx.dial(number)
        left = float(
            pbx.asterisk.cli("dialplan eval function GLOBAL(VAGLIO_SKIP_SERVICE)").split("Result: ")[1]
        ) - (first.at + first.ms / 1000)
        assert 4 < left <= 5.1
        pbx.set(VAGLIO_SKIP_SERVICE=str(int(first.at)))
        assert pbx.dial(other).status == 200


def test_a_quick_failure_does_not_shut_the_address_for_others(pbx: Pbx, number: str, other: str) -> None:
    """One call the service cannot judge neither blocks nor frees the next one."""

    def fails_once(conversation: Conversation) -> None:
        (failure if len(peer.asked()) == 1 else allow)(conversation)

    with Peer(fails_once) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        assert [pbx.dial(number).status, pbx.dial(other).status] == [503, 200]


def test_a_full_backlog_costs_only_the_first_call(pbx: Pbx, number: str, other: str) -> None:
    """Asterisk's connect holds the first call for 2 s; the next is refused at once."""
    with full_backlog() as address:
        pbx.set(VAGLIO_ADDRESS=address)
        first, second = pbx.dial(number), pbx.dial(other)
    assert (first.status, second.status) == (503, 503)
    assert first.ms < 2500
    assert second.ms < 400
    assert pbx.saw(number) == pbx.saw(other) == []


def test_the_standby_is_asked_when_the_service_is_gone(pbx: Pbx, number: str) -> None:
    """A refused first address costs nothing: the standby's verdict counts."""
    with Peer(allow) as standby:
        pbx.set(VAGLIO_STANDBY=standby.address)
        result = pbx.dial(number)
        assert len(standby.asked()) == 1
    assert result.status == 200
    assert len(pbx.saw(number)) == 1


def test_the_standby_is_asked_when_the_service_is_silent(pbx: Pbx, number: str) -> None:
    """The stack of Gosubs survives the watchdog: the standby may block after it."""
    with Peer(_silent) as service, Peer(block) as standby:
        pbx.set(VAGLIO_ADDRESS=service.address, VAGLIO_STANDBY=standby.address)
        result = pbx.dial(number)
    assert result.status == 603
    assert result.ms < 1000


def test_the_standby_is_not_asked_after_a_verdict(pbx: Pbx, number: str) -> None:
    """A block is an answer, not a failure to try elsewhere."""
    with Peer(block) as service, Peer(allow) as standby:
        pbx.set(VAGLIO_ADDRESS=service.address, VAGLIO_STANDBY=standby.address)
        assert pbx.dial(number).status == 603
        assert standby.conversations == []


def test_two_silent_addresses_hold_a_call_for_a_second_and_a_half(pbx: Pbx, number: str) -> None:
    """The service half a second, the standby, which is asked last, a whole one."""
    with Peer(_silent) as service, Peer(_silent) as standby:
        pbx.set(VAGLIO_ADDRESS=service.address, VAGLIO_STANDBY=standby.address)
        result = pbx.dial(number)
    assert result.status == 503
    assert 1400 < result.ms < 2100


def test_the_sites_time_limit_and_agi_setting_survive(pbx: Pbx, number: str) -> None:
    """After the Gosub the site's own TIMEOUT(absolute) runs on, and AGIEXITONHANGUP is what it was."""
    with Peer(allow) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        assert pbx.dial(f"*5*{number}").status == 200
    assert 29 < float(pbx.stored("test", "limit")) <= 30
    assert pbx.stored("test", "exit") == "site"


def test_the_time_a_silent_service_took_counts_against_the_sites_limit(pbx: Pbx, number: str) -> None:
    """The remainder is restored, not the whole: 30 s less the watchdog's half."""
    with Peer(_silent) as service, Peer(allow) as standby:
        pbx.set(VAGLIO_ADDRESS=service.address, VAGLIO_STANDBY=standby.address)
        assert pbx.dial(f"*5*{number}").status == 200
    assert 28.5 < float(pbx.stored("test", "limit")) <= 29.52


def test_the_sites_own_limit_still_ends_its_call(pbx: Pbx, number: str) -> None:
    """A limit shorter than what the Gosub took fires in the site's own T, not in ours."""
    with Peer(_silent) as service, Peer(allow) as standby:
        pbx.set(VAGLIO_ADDRESS=service.address, VAGLIO_STANDBY=standby.address)
        result = pbx.dial(f"*8*{number}")
    assert pbx.stored("test", "timeout") == "site"
    assert 700 < result.ms < 1500


def test_a_verdict_whose_peer_never_hangs_up_still_counts(pbx: Pbx, number: str, other: str) -> None:
    """What was decided and recorded holds, though the watchdog had to end the conversation."""

    def lingers(conversation: Conversation) -> None:
        (allow if conversation.arguments[0] == number else block)(conversation)
        _silent(conversation)

    with Peer(lingers) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        pbx.policy("energy", "allow")
        assert pbx.dial(number).status == 200
        pbx.set(VAGLIO_SKIP_SERVICE="0")
        assert pbx.dial(other).status == 603
    assert [invite.decision for invite in pbx.saw(number)] == ["01JZ0000000000000000000000"]


def test_calls_at_once_wait_for_a_silent_service_side_by_side(pbx: Pbx, unused_numbers: Iterator[int]) -> None:
    """Twenty calls that meet a silent service are all refused within a second."""
    calls = [Call(f"+39333{next(unused_numbers):07d}", "energy", "0399123456") for _ in range(20)]
    with Peer(_silent) as peer:
        pbx.set(VAGLIO_ADDRESS=peer.address)
        results = place(pbx.asterisk.ports.sip, calls, rate=200)
    assert {result.status for result in results} == {503}
    assert max(result.ms for result in results) < 1000
