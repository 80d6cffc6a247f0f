"""Free text on its way into the log."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaglio.audit.redact import MAX_TEXT, redacted, redacted_reference, redacted_unique_id

SEPARATORS = ("", " ", ".", "-", "/", ") ", " - ", "_")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+39 340 123 4567", "…567"),
        ("rec_393401234567.wav", "rec_…567.wav"),
        ("tel:393401234567", "tel:…567"),
        ("SIP/t393401234567x", "SIP/t…567x"),
        ("(340) 123-4567 called", "(…567 called"),
        ("https://h/r/3401234567?x=1", "https://h/r/…567?x=1"),
        ("٣٤٠١٢٣٤٥٦٧", "…567"),
    ],
)
def test_a_number_in_any_dress_is_masked(text: str, expected: str) -> None:
    """Together or parted, inside words, in other scripts' digits."""
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "given on 2026-03-02",
        "at 2026-03-02T09:00:00.000005Z in Rome",
        "from 2026-03-02 09:00 to 21:00",
        "decision 01JNABCDEFGHJKMNPQRSTVWXYZ",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "3 attempts in 30 days, cap 123456",
    ],
)
def test_dates_ids_and_digests_are_kept(text: str) -> None:
    """An explanation stays readable."""
    assert redacted(text) == text


@given(st.text(), st.from_regex(r"[0-9]{7,15}", fullmatch=True), st.sampled_from(SEPARATORS), st.text())
def test_no_run_of_seven_digits_survives(before: str, digits: str, separator: str, after: str) -> None:
    """Whatever stands around them, and whatever parts them."""
    made = redacted(f"{before}|{separator.join(digits)}|{after}")
    assert f"|{separator.join(digits)}|" not in made


def test_a_text_is_cut_to_its_bound() -> None:
    """An entry keeps at most so many characters of a free text."""
    assert len(redacted("x" * 10_000)) == MAX_TEXT


def test_structural_ids_are_kept_only_in_their_own_form() -> None:
    """A number passed off as a channel id or a reference is masked."""
    assert redacted_unique_id("1772442000.77") == "1772442000.77"
    assert redacted_unique_id("pbx-1772442000.77") == "pbx-1772442000.77"
    assert redacted_unique_id("393401234567") == "…567"
    assert redacted_reference("entry:1234567") == "entry:1234567"
    assert not re.search(r"\d{7}", redacted_reference("file:/r/393401234567.pdf"))
