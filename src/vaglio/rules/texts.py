"""What a reason means, in a sentence for people, in English, Italian and French."""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

from vaglio.model import Reason

LANGUAGES = ("en", "it", "fr")


def reason_text(reason: Reason, language: str = "en") -> str:
    """The sentence for a reason; English where the language (`it`, `it_IT.UTF-8`) is none of `LANGUAGES`."""
    code = language[:2].lower()
    return _texts(code if code in LANGUAGES else "en")[reason]


@lru_cache(maxsize=len(LANGUAGES))
def _texts(language: str) -> Mapping[Reason, str]:
    text = resources.files("vaglio.rules").joinpath("texts", f"{language}.toml").read_text(encoding="utf-8")
    return MappingProxyType({Reason(code): sentence for code, sentence in tomllib.loads(text).items()})
