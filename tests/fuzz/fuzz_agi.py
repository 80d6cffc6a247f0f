"""Fuzz the AGI codec: any bytes, cut anywhere, end in events or one ProtocolError, with bounded memory.

With atheris installed it is coverage-guided and takes libFuzzer's options (`fuzz_agi.py -max_total_time=60`).
Without, it mutates good conversations at random for `--seconds` (10 by default), from `--seed` on.
"""

import argparse
import random
import sys
import time
from importlib import import_module
from importlib.util import find_spec

from vaglio.pbx.agi import MAX_HEADER_BYTES, Conversation, Event, Fault, ProtocolError, Request

BLOCK = (
    b"agi_network: yes\nagi_network_script: screen\nagi_request: agi://127.0.0.1/screen\n"
    b"agi_channel: PJSIP/a-1\nagi_uniqueid: 1700000000.1\nagi_calleridname: Andr\xc3\xa9, x\n"
    b"agi_arg_1: +390612345678\nagi_arg_2: energy\n\n"
)
SEEDS = (
    BLOCK,
    b"HANGUP\n",
    b"100 Trying...\n",
    b"200 result=0\n",
    b"200 result=1 (x) endpos=3\n",
    b"510 Invalid or unknown command\n",
    b"511 Command Not Permitted on a dead channel\n",
    b"520-Invalid command syntax.  Proper usage follows:\n Usage: EXEC\n520 End of proper usage.\n",
    b"agi_arg_1: 112\n",
    b"\n\n",
    b"x" * 9000,
)


def play(data: bytes, segment: int) -> list[Event | Fault]:
    """Feed bytes in segments of one length, answer a request at once, and return all that was seen."""
    conversation = Conversation()
    seen: list[Event | Fault] = []
    try:
        for start in range(0, len(data), segment):
            conversation.feed(data[start : start + segment])
            while (event := conversation.next_event()) is not None:
                seen.append(event)
                if isinstance(event, Request):
                    conversation.set_variables({"VAGLIO": "block:1.1:x"})
            if conversation.buffered > MAX_HEADER_BYTES:
                raise AssertionError(f"{conversation.buffered} bytes are held")
        conversation.feed(b"")
        while (event := conversation.next_event()) is not None:
            seen.append(event)
    except ProtocolError as error:
        seen.append(error.fault)
    return seen


def one_input(data: bytes) -> None:
    """Check one input; its first byte sets the length of the segments."""
    if not data:
        return
    stream = data[1:]
    whole = play(stream, len(stream) or 1)
    if play(stream, data[0] + 1) != whole:
        raise AssertionError("the segmentation changed what was seen")


def mutated(chance: random.Random) -> bytes:
    """Return a conversation of seeds with a few bytes changed, dropped or doubled."""
    data = bytearray([chance.randrange(256)])
    if chance.random() < 0.9:
        data += BLOCK
    for _ in range(chance.randrange(6)):
        data += chance.choice(SEEDS)
    for _ in range(chance.randrange(8)):
        place = chance.randrange(len(data))
        match chance.randrange(3):
            case 0:
                data[place] = chance.choice(b"\n\r\x00 :_-a1\xff")
            case 1:
                del data[place : place + chance.randrange(40)]
            case _:
                data[place:place] = data[place : place + chance.randrange(40)]
        data = data or bytearray(b"\x00")
    return bytes(data)


def loop(seconds: float, seed: int) -> int:
    """Try random inputs for so long; return how many. The failing input is in the error."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    count = 0
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        data = mutated(chance)
        try:
            one_input(data)
        except Exception as error:
            raise AssertionError(f"input {count} of seed {seed}: {data!r}") from error
        count += 1
    return count


def main() -> None:
    """Fuzz with atheris if it is there, else by the random loop."""
    if find_spec("atheris") is not None:
        atheris = import_module("atheris")
        atheris.instrument_all()
        atheris.Setup(sys.argv, one_input)
        atheris.Fuzz()
        return
    parser = argparse.ArgumentParser(description="Fuzz the AGI codec without atheris.")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options, _ = parser.parse_known_args()
    count = loop(options.seconds, options.seed)
    sys.stdout.write(f"agi: {count} inputs, seed {options.seed}, nothing found\n")


if __name__ == "__main__":
    main()
