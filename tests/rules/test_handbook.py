"""The page about the law is written from the law."""

from pathlib import Path

import pytest

from vaglio.model import Reason
from vaglio.rules import LANGUAGES, load, reason_text
from vaglio.rules.handbook import BEGIN, page, sources

PAGE = Path(__file__).parents[2] / "docs" / "regulation.md"


def test_the_page_is_current() -> None:
    """docs/regulation.md holds every rule as the data has it; scripts/regulation-page writes it anew."""
    written = PAGE.read_text(encoding="utf-8")
    assert written[written.index(BEGIN) :] == page(load())


def test_the_page_explains_every_reason() -> None:
    """Every reason code of the public face stands on the page."""
    written = PAGE.read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"`{reason}`" not in written] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_a_sentence(language: str) -> None:
    """A reason can be said in each language, and no two reasons sound the same."""
    texts = [reason_text(reason, language) for reason in Reason]
    assert all(text.endswith(".") for text in texts)
    assert len(set(texts)) == len(texts)


def test_a_locale_chooses_the_language() -> None:
    """A locale's name chooses its language; one that is not there speaks English."""
    assert reason_text(Reason.NO_CONSENT, "it_IT.UTF-8") == reason_text(Reason.NO_CONSENT, "it")
    assert (
        reason_text(Reason.NO_CONSENT, "de")
        == reason_text(Reason.NO_CONSENT)
        != reason_text(Reason.NO_CONSENT, "fr")
    )


def test_every_source_is_resolved() -> None:
    """A tag in a rule's sources says where it was read, and no source is listed that none uses."""
    used = {tag for book in load().books.values() for rule in book.rules for tag in rule.sources}
    assert used == set(sources())
