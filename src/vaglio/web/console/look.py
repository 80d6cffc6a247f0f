"""How one person wants the console to look: language, light or dark, time zone; kept in cookies of the browser."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from vaglio.rules.texts import LANGUAGES
from vaglio.web.console.texts import accepted_language, said

_YEAR_SECONDS: Final = 365 * 86_400
_LANGUAGE: Final = "__Host-vaglio-language"
_THEME: Final = "__Host-vaglio-theme"
_ZONE: Final = "__Host-vaglio-zone"
ZONES: Final = (
    "UTC",
    "Europe/Rome",
    "Europe/Paris",
    "Europe/London",
    "Europe/Madrid",
    "Europe/Berlin",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Toronto",
)
"""In which times can be shown and typed."""


class Theme(StrEnum):
    """Light or dark, or as the system is set."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Look:
    """What a page is drawn for."""

    language: str
    theme: Theme
    zone: str

    def say(self, key: str, **values: object) -> str:
        """A text in the language; see `texts.said`."""
        return said(self.language, key, **values)

    @property
    def tz(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.zone)

    def local(self, at: datetime) -> datetime:
        """An instant in the zone."""
        return at.astimezone(self.tz)


def look_of(request: Request) -> Look:
    """What the browser's cookies say; else its Accept-Language, the system's theme, UTC."""
    cookies = request.cookies
    language = cookies.get(_LANGUAGE, "")
    if language not in LANGUAGES:
        language = accepted_language(request.headers.get("accept-language", ""))
    return Look(language, _theme(cookies.get(_THEME, "")), _zone(cookies))


def keep(response: Response, language: str, theme: str, zone: str) -> None:
    """Have the browser remember a choice; what is none of ours is left as it was."""
    wished = ((_LANGUAGE, language, LANGUAGES), (_THEME, theme, tuple(Theme)), (_ZONE, zone, ZONES))
    for name, value, known in wished:
        if value in known:
            response.set_cookie(
                name, value, max_age=_YEAR_SECONDS, path="/", secure=True, httponly=True, samesite="lax"
            )


def _theme(text: str) -> Theme:
    return Theme(text) if text in tuple(Theme) else Theme.SYSTEM


def _zone(cookies: Mapping[str, str]) -> str:
    zone = cookies.get(_ZONE, "")
    return zone if zone in ZONES else "UTC"
