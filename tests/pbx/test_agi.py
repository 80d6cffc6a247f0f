"""The AGI codec, rule by rule, and its promises for any bytes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.agi_client import header_block
from vaglio.pbx import agi
from vaglio.pbx.agi import (
    CommandError,
    CommandReply,
    Conversation,
    Eof,
    Event,
    Fault,
    Hangup,
    ProtocolError,
    Request,
    State,
)
from vaglio.pbx.request import MAX_HEADER_LINES

BLOCK = header_block("screen", "+390612345678", "energy", "0399123456")
ANSWER = {"VAGLIO": "allow:1.2:01ARZ3NDEKTSV4RRFFQ69G5FAV", "VAGLIO_REASON": "CONSENT"}


def pull(conversation: Conversation, data: bytes) -> list[Event]:
    """Feed one segment and take every event it completes."""
    conversation.feed(data)
    events = []
    while (event := conversation.next_event()) is not None:
        events.append(event)
    return events


def asked(block: bytes = BLOCK) -> tuple[Conversation, Request]:
    """Return a conversation after its header block."""
    conversation = Conversation()
    (request,) = pull(conversation, block)
    assert isinstance(request, Request)
    return conversation, request


def waiting() -> Conversation:
    """Return a conversation with a command in flight."""
    conversation, _ = asked()
    conversation.set_variables(ANSWER)
    return conversation


def fault_of(data: bytes, conversation: Conversation | None = None) -> Fault:
    """Return what the codec holds against these bytes."""
    with pytest.raises(ProtocolError) as caught:
        pull(conversation or Conversation(), data)
    return caught.value.fault


def test_header_block_becomes_a_request() -> None:
    """The route comes from the script, the arguments from agi_arg_N, the rest stays a header."""
    _, request = asked()
    assert request.route == "screen"
    assert request.args == ("+390612345678", "energy", "0399123456")
    assert request.channel.startswith("PJSIP/agent-")
    assert request.uniqueid == request.headers["agi_uniqueid"]
    assert "agi_arg_1" not in request.headers


def test_request_shows_no_values() -> None:
    """A request that ends in a log shows its route only."""
    assert repr(asked()[1]) == "Request(route='screen', peer='')"


@pytest.mark.parametrize("script", ["screen", "screen/more", "screen?a=b", "screen?a=/b"])
def test_route_is_the_first_part_of_the_script(script: str) -> None:
    """A path or a query behind the route does not change it."""
    assert asked(header_block(script))[1].route == "screen"


def test_empty_argument_keeps_its_place() -> None:
    """A caller id left empty in the dialplan is an empty argument, not a missing one."""
    assert asked(header_block("screen", "112", "", "x"))[1].args == ("112", "", "x")


def test_first_of_equal_headers_wins() -> None:
    """A repeated key, forged by a line break in a later value, changes nothing."""
    block = BLOCK[:-1] + b"agi_uniqueid: forged\nagi_arg_1: 112\nagi_arg_1: 113\n\n"
    request = asked(block)[1]
    assert request.uniqueid != "forged"
    assert request.args[0] == "+390612345678"


def test_argument_forged_in_a_callers_name_is_refused() -> None:
    """A line break in a header cannot put a number in front of the dialplan's own."""
    block = header_block("screen", "+390612345678", headers={"agi_calleridname": "x\nagi_arg_1: 112"})
    assert fault_of(block) is Fault.BAD_HEADER


@pytest.mark.parametrize(
    "line",
    [
        b"agi_x:y",
        b"agi_X: y",
        b"agi-x: y",
        b"agi_: y",
        b"x",
        b"HANGUP",
        b" agi_x: y",
        b"agi_x: a\rb",
        b"agi_x: a\x00b",
        b"agi_x: y\r",
        b"agi_arg_9: gap",
        b"agi_arg_0: y",
        b"agi_arg_04: y",
        b"agi_late: after the arguments",
    ],
)
def test_line_that_no_asterisk_writes_is_refused(line: bytes) -> None:
    """A header block is taken as it is or not at all."""
    assert fault_of(BLOCK[:-1] + line + b"\n\n") is Fault.BAD_HEADER


def test_other_protocol_is_refused_at_its_first_byte() -> None:
    """A web browser on the port is not waited for."""
    assert fault_of(b"G") is Fault.BAD_HEADER
    assert fault_of(b"\n") is Fault.BAD_HEADER


def test_bytes_that_are_not_utf8_become_the_replacement_character() -> None:
    """A Latin-1 name does not cost a call its answer, and equals nothing."""
    block = header_block("screen", "1", headers={"agi_calleridname": "Andr\udce9, Ufficio"})
    assert asked(block)[1].headers["agi_calleridname"] == "Andr�, Ufficio"


def test_header_block_may_fill_its_limit_and_no_more() -> None:
    """16 KiB with the blank line pass; one byte more does not, finished or not."""
    start = b"agi_network_script: screen\nagi_fill: "
    fill = b"x" * (agi.MAX_HEADER_BYTES - len(start) - 2)
    assert asked(start + fill + b"\n\n")[1].route == "screen"
    assert fault_of(start + fill + b"x\n\n") is Fault.HEADER_TOO_LARGE
    assert fault_of(start + fill + b"xx") is Fault.HEADER_TOO_LARGE


def test_header_block_has_two_hundred_lines_at_most() -> None:
    """Line 201 is refused."""
    lines = [b"agi_k%d: v\n" % n for n in range(MAX_HEADER_LINES)]
    assert len(asked(b"".join([*lines, b"\n"]))[1].headers) == MAX_HEADER_LINES
    assert fault_of(b"".join([*lines, b"agi_more: v\n\n"])) is Fault.HEADER_TOO_LARGE


def test_arguments_are_bounded_in_number_and_length() -> None:
    """A seventeenth argument and an argument of 513 characters are refused."""
    assert len(asked(header_block("screen", *["x"] * 16))[1].args) == 16
    assert fault_of(header_block("screen", *["x"] * 17)) is Fault.BAD_HEADER
    assert fault_of(header_block("screen", "x" * 513)) is Fault.BAD_HEADER


def test_eof_tells_where_it_happened() -> None:
    """The end of the stream is an event with its own reason at every byte of a header block."""
    assert pull(Conversation(), b"") == [Eof(State.CONNECTED)]
    for length in range(1, len(BLOCK)):
        conversation = Conversation()
        assert pull(conversation, BLOCK[:length]) == []
        assert pull(conversation, b"") == [Eof(State.HEADER)]
        assert conversation.state is State.OVER


def test_eof_at_every_byte_of_a_reply_drops_the_reply() -> None:
    """A reply that was cut off is never taken for a confirmation."""
    reply = b"200 result=0\n"
    for length in range(1, len(reply)):
        conversation = waiting()
        pull(conversation, reply[:length])
        assert pull(conversation, b"") == [Eof(State.WAITING)]


def test_answer_is_one_quoted_command() -> None:
    """All variables go in one EXEC MSet."""
    conversation, _ = asked()
    line = conversation.set_variables(ANSWER)
    assert line == b'EXEC MSet "VAGLIO=allow:1.2:01ARZ3NDEKTSV4RRFFQ69G5FAV,VAGLIO_REASON=CONSENT"\n'


@pytest.mark.parametrize("value", ["a,B=c", 'a"', "a\\", "a b", "a\n", "a\r", "a\x00", "${x}", "è", "a=b", "a;b"])
def test_value_that_could_mean_more_is_refused(value: str) -> None:
    """Nothing but letters, digits and `_ . : -` reaches a dialplan variable."""
    conversation, _ = asked()
    with pytest.raises(CommandError):
        conversation.set_variables({"VAGLIO": value})
    assert conversation.state is State.IDLE


@pytest.mark.parametrize("variables", [{}, {"": "x"}, {"A=B": "x"}, {"1A": "x"}, {"A\n": "x"}])
def test_variables_need_proper_names(variables: dict[str, str]) -> None:
    """An answer without a variable, or with a name Asterisk would read otherwise, is refused."""
    conversation, _ = asked()
    with pytest.raises(CommandError):
        conversation.set_variables(variables)


def test_words_are_quoted_and_escaped() -> None:
    """Backslash and quote are escaped inside quotes; plain words stay bare."""
    conversation, _ = asked()
    assert conversation.command("VERBOSE", 'a "b" \\c', "") == b'VERBOSE "a \\"b\\" \\\\c" ""\n'


@pytest.mark.parametrize("word", ["a\nb", "a\rb", "a\x00", "è", "a\tb", "x" * 1024])
def test_word_that_cannot_be_sent_is_refused(word: str) -> None:
    """A command is printable ASCII of 1 KiB at most, or it is not sent."""
    conversation, _ = asked()
    with pytest.raises(CommandError):
        conversation.command("VERBOSE", word)
    assert conversation.state is State.IDLE


def test_command_needs_a_word() -> None:
    """An empty command is refused."""
    conversation, _ = asked()
    with pytest.raises(CommandError):
        conversation.command()


def test_one_command_is_in_flight() -> None:
    """Neither before the header block, nor before the last reply, nor after the end can a command be sent."""
    conversation = Conversation()
    with pytest.raises(CommandError):
        conversation.command("NOOP")
    conversation = waiting()
    with pytest.raises(CommandError):
        conversation.command("NOOP")
    pull(conversation, b"200 result=0\n")
    assert conversation.command("NOOP") == b"NOOP\n"
    conversation.give_up()
    with pytest.raises(CommandError):
        conversation.command("NOOP")


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"200 result=0\n", CommandReply(200, "0")),
        (b"200 result=1 (some value) endpos=5\n", CommandReply(200, "1", "(some value) endpos=5")),
        (b"200 result=-2\n", CommandReply(200, "-2")),
        (b"200 result= (timeout)\n", CommandReply(200, "", "(timeout)")),
        (b"100 Trying...\n200 result=0\n", CommandReply(200, "0")),
        (b"510 Invalid or unknown command\n", CommandReply(510, text="Invalid or unknown command")),
        (
            b"511 Command Not Permitted on a dead channel\n",
            CommandReply(511, text="Command Not Permitted on a dead channel"),
        ),
        (b"520 Invalid command syntax.\n", CommandReply(520, text="Invalid command syntax.")),
        (
            b"520-Invalid command syntax.  Usage:\n EXEC\n200 result=0\n\n520 End of proper usage.\n",
            CommandReply(520, text="End of proper usage."),
        ),
    ],
)
def test_reply_is_read_whole(data: bytes, reply: CommandReply) -> None:
    """Each reply of res_agi is one event, a usage block with all its lines."""
    conversation = waiting()
    assert pull(conversation, data) == [reply]
    assert conversation.state is State.IDLE
    assert conversation.buffered == 0


def test_hangup_is_an_event_and_never_a_reply() -> None:
    """HANGUP before, between and after lines leaves the reply where it belongs."""
    conversation, _ = asked()
    assert pull(conversation, b"HANGUP\n") == [Hangup()]
    conversation.set_variables(ANSWER)
    data = b"HANGUP\n100 Trying\nHANGUP\n520-Usage\nHANGUP\n520 End\nHANGUP\n"
    assert pull(conversation, data) == [Hangup(), Hangup(), Hangup(), CommandReply(520, text="End"), Hangup()]
    assert conversation.state is State.IDLE


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"200\n",
        b"200 result\n",
        b"200 result=0\r\n",
        b"200 result=0\x00\n",
        b"200  result=0\n",
        b"404 nothing\n",
        b"5100 x\n",
        b"1000\n",
        b"hangup\n",
        b"HANGUP \n",
        b"<html>\n",
        b"x" * (agi.MAX_REPLY_BYTES + 1),
        b"520-" + b"x\n" * agi.MAX_REPLY_BYTES,
        b"HANGUP\n" * (agi.MAX_ASIDES + 1),
        b"100 Trying\n" * (agi.MAX_ASIDES + 1),
    ],
)
def test_other_replies_break_the_protocol(data: bytes) -> None:
    """What is no reply of Asterisk's, or has no end, is an error."""
    assert fault_of(data, waiting()) is Fault.BAD_REPLY


@pytest.mark.parametrize("data", [b"2", b"200 result=0\n", b"\n", b"HANGUX", b"agi_x: y\n"])
def test_reply_before_a_command_breaks_the_protocol(data: bytes) -> None:
    """A reply sent ahead can't be taken for the confirmation of an answer to come, not even its first byte."""
    assert fault_of(data, asked()[0]) is Fault.BAD_REPLY


def test_error_stays() -> None:
    """After an error nothing is taken in any more, and every call says the same."""
    conversation = Conversation()
    fault_of(b"x", conversation)
    assert fault_of(BLOCK, conversation) is Fault.BAD_HEADER
    assert conversation.buffered == 0


def test_giving_up_ends_the_conversation() -> None:
    """After `failure` the codec hears nothing more."""
    conversation, _ = asked()
    assert conversation.give_up() == b"failure\n"
    assert pull(conversation, b"200 result=0\n") == []
    assert pull(conversation, b"") == []


def transcript(segments: list[bytes]) -> list[object]:
    """Play segments to a codec that answers a request at once; an error is the last item."""
    conversation = Conversation()
    seen: list[object] = []
    try:
        for segment in segments:
            conversation.feed(segment)
            while (event := conversation.next_event()) is not None:
                seen.append(event)
                if isinstance(event, Request):
                    conversation.set_variables(ANSWER)
            assert conversation.buffered <= agi.MAX_HEADER_BYTES
    except ProtocolError as error:
        seen.append(error.fault)
        assert conversation.buffered == 0
    return seen


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes at these places, empty pieces left out."""
    marks = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [piece for a, b in pairwise(marks) if (piece := data[a:b])]


REPLIES = st.sampled_from(
    [
        b"200 result=0\n",
        b"100 Trying\n200 result=1 (x)\n",
        b"510 Invalid\n",
        b"511 Not permitted\n",
        b"520-Usage\n more\n520 End\n",
        b"HANGUP\n200 result=0\nHANGUP\n",
        b"garbage\n",
    ]
)


@given(reply=REPLIES, places=st.lists(st.integers(min_value=0), max_size=30))
def test_segmentation_changes_nothing(reply: bytes, places: list[int]) -> None:
    """However the network cuts a conversation, its events are the same."""
    data = BLOCK + reply
    assert transcript([*cut(data, places), b""]) == transcript([data, b""])
    assert transcript([bytes([byte]) for byte in data]) == transcript([data])


HOSTILE = st.lists(
    st.one_of(
        st.binary(max_size=64),
        st.sampled_from(
            [BLOCK, b"agi_", b"agi_x: y\n", b"\n\n", b"\n", b"HANGUP\n", b"200 result=0\n", b"520-", b"x" * 9000]
        ),
    ),
    max_size=12,
).map(b"".join)


@given(data=HOSTILE, places=st.lists(st.integers(min_value=0), max_size=12))
def test_any_bytes_end_in_events_or_one_error(data: bytes, places: list[int]) -> None:
    """No bytes raise anything but ProtocolError, fill the memory, or depend on how they were cut."""
    assert transcript(cut(data, places)) == transcript(cut(data, []))
