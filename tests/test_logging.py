import json
import subprocess
import sys
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaglio.redaction import redact

START = """
import logging
import structlog
from vaglio.config import Log
from vaglio.logging import configure

configure(Log(format="json"))
log = structlog.get_logger("vaglio")
"""


def logged(program: str) -> str:
    """What a process logs, its standard error."""
    done = subprocess.run(
        [sys.executable, "-c", START + dedent(program)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr


def test_no_number_is_logged_beyond_its_last_three_digits() -> None:
    """Text, values, nested values, integers and exceptions all pass the redaction."""
    text = logged("""
        log.info("call to +39 333 123 4567", a="0039-333-1234567", b={"x": ["(333) 123.4567"]}, c=393331234567)
        try:
            raise ValueError("bad number 3331234567")
        except ValueError:
            log.exception("failed")
    """)
    assert "4567" not in text
    assert "333" not in text
    assert text.count("…567") == 5


def test_other_libraries_loggers_are_redacted_too() -> None:
    """The AMI library logs dial strings; they come out masked and as JSON."""
    event = json.loads(logged('logging.getLogger("panoramisk").warning("Dial %s", "PJSIP/33912345678@trunk")'))
    assert event["event"] == "Dial PJSIP/…678@trunk"
    assert event["logger"] == "panoramisk"


def test_a_line_break_in_a_value_makes_no_second_log_line() -> None:
    """Hostile channel data cannot forge a log line."""
    assert len(logged("""log.info("peer", name='x"' + chr(10) + '{"event": "forged"}')""").splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    ["2026-11-23T10:11:12.123456Z", "2026-11-23", "01JDABCDEF0123456789012345", "took 123456 µs", "port 4573"],
)
def test_times_identifiers_and_small_figures_stay_readable(text: str) -> None:
    """Redaction leaves alone what cannot be a number."""
    assert redact(text) == text


@given(st.text(alphabet="0123456789", min_size=7, max_size=15), st.sampled_from(["", "+", "00"]))
def test_any_run_of_seven_digits_is_masked(digits: str, prefix: str) -> None:
    """Whatever the country, at most three digits remain."""
    assert redact(f"to {prefix}{digits} now") == f"to …{digits[-3:]} now"
