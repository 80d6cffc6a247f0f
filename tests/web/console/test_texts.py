"""The texts of the three languages belong together."""

import re
from importlib import resources

import pytest

from vaglio.rules.texts import LANGUAGES
from vaglio.web.console.texts import accepted_language, texts

_PLACE = re.compile(r"\{(\w+)\}")
_USED = re.compile(r"""\bt\(\s*["']([a-z_]+\.[a-z0-9_-]+)["']\s*[,)]""")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_languages_have_the_same_keys_and_places(language: str) -> None:
    """Nothing is missing in one, nothing too many, and each fills in the same values."""
    english, other = texts("en"), texts(language)
    assert english.keys() == other.keys()
    for key, text in english.items():
        assert sorted(_PLACE.findall(text)) == sorted(_PLACE.findall(other[key])), key
        assert other[key].strip(), key


@pytest.mark.parametrize("language", ["it", "fr"])
def test_nothing_is_left_in_english(language: str) -> None:
    """A sentence of three words or more that reads the same in both was not translated."""
    same = [key for key, text in texts("en").items() if len(text.split()) > 2 and text == texts(language)[key]]
    assert not same


def test_every_text_a_template_asks_for_is_there() -> None:
    """Keys written out in templates; those put together are met by the browser's tests."""
    known = texts("en")
    for template in resources.files("vaglio.web.console").joinpath("templates").iterdir():
        missing = [key for key in _USED.findall(template.read_text(encoding="utf-8")) if key not in known]
        assert not missing, template.name


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("it", "it"),
        ("de-DE,de;q=0.9,fr;q=0.7,en;q=0.3", "fr"),
        ("en;q=0.1, it;q=0.9", "it"),
        ("fr;q=0", "en"),
        ("fr;q=high", "en"),
        ("it" * 10_000, "it"),
        (";;;,,q=", "en"),
    ],
)
def test_the_browsers_first_known_language_is_taken(header: str, language: str) -> None:
    """By preference, whatever the header holds."""
    assert accepted_language(header) == language
