"""The words and forms of reports, in the languages of `vaglio.rules.texts`."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

from vaglio.model import Reason
from vaglio.rules.texts import LANGUAGES, reason_text

NOTHING = "\N{EN DASH}"
"""What stands where there is no figure."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Wording:
    """One language: texts by key (`principal.title`), numbers, times, reasons.

    A language that is none of `LANGUAGES` is English.
    """

    def __init__(self, language: str) -> None:
        code = language[:2].lower()
        self.language = code if code in LANGUAGES else "en"
        self._texts = texts(self.language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key, with the values in their places."""
        text = self._texts[key]
        return text.format(**values) if values else text

    def term(self, group: str, value: str | None) -> str:
        """The word for a value of a vocabulary; the value itself where there is none."""
        return self._texts.get(f"{group}.{value}", value or self("general.not_told"))

    def reason(self, code: str) -> str:
        """The sentence for a reason; the code itself where it is none of ours."""
        return reason_text(Reason(code), self.language) if code in Reason.__members__ else code

    def number(self, value: float | None, digits: int = 0) -> str:
        """A number with separators; a dash where there is none."""
        if value is None:
            return NOTHING
        thousands, decimal = self("format.thousands"), self("format.decimal")
        return f"{value:,.{digits}f}".translate({ord(","): thousands, ord("."): decimal})

    def percent(self, part: float, whole: float) -> str:
        """A share of a whole; a dash of nothing."""
        return f"{self.number(100 * part / whole, 1)}{self('format.percent')}" if whole else NOTHING

    def when(self, at: datetime | None) -> str:
        """An instant to the minute, in UTC, in the form that every reader reads alike."""
        return NOTHING if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    def days(self, value: float | None) -> str:
        """A number of days."""
        return NOTHING if value is None else self("unit.days", value=self.number(value, 1))

    def duration(self, seconds: float | None) -> str:
        """A time in the unit that suits it."""
        if seconds is None:
            return NOTHING
        if seconds < _MINUTE:
            return self("unit.seconds", value=self.number(seconds, 3))
        if seconds < _HOUR:
            return self("unit.minutes", value=self.number(seconds / _MINUTE, 1))
        if seconds < _DAY:
            return self("unit.hours", value=self.number(seconds / _HOUR, 1))
        return self.days(seconds / _DAY)


@lru_cache(maxsize=len(LANGUAGES))
def texts(language: str) -> Mapping[str, str]:
    """All texts of a language by key, the section in front."""
    data = resources.files("vaglio.reports").joinpath("texts", f"{language}.toml").read_text(encoding="utf-8")
    return MappingProxyType(
        {f"{section}.{key}": text for section, some in tomllib.loads(data).items() for key, text in some.items()}
    )
