"""Drawing a page: a template of `templates/`, escaped, with what every page has.

Every template has, beside its own values:
- `t(key, …)`: a text of the person's language, plain, escaped where it is put;
- `caller`, `may(permission)`: who looks, None at the door; `entries`, `here`: navigation and the path;
- `look`: language, theme, zone; `asset(name)`: address of a static file;
- `same(values)`, `said(values, "kind.")`: options of a choice, told as they are or by their texts;
- `form_token()`: the hidden field that every POST form must have;
- filters `when` (date and time in the person's zone, as `<time>`), `day`, `count` (1,234), `share` (12.3 %),
  `seconds`, `reason` (what a reason means), `last3` (`…567`).
Macros for tables, figures, fields and notices stand in `templates/macros.html`; the page's frame is `frame.html`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from vaglio import __version__
from vaglio.rules.texts import LANGUAGES
from vaglio.web.access import Permission
from vaglio.web.access.caller import Caller
from vaglio.web.access.sessions import form_token
from vaglio.web.console.formats import FILTERS
from vaglio.web.console.forms import TOKEN
from vaglio.web.console.look import ZONES, Look, Theme
from vaglio.web.console.navigation import entries_for
from vaglio.web.console.texts import NAMES

_TYPES: Final[Mapping[str, str]] = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
_STATIC_SECONDS: Final = 86_400


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("vaglio.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    made.globals.update(
        {
            "asset": asset,
            "languages": {code: NAMES[code] for code in LANGUAGES},
            "themes": tuple(Theme),
            "zones": ZONES,
            "version": __version__,
            "same": _same,
        }
    )
    return made


def _same(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(one, one) for one in values]


def rendered(
    request: Request,
    look: Look,
    template: str,
    values: Mapping[str, object],
    *,
    caller: Caller | None = None,
    cookie: str = "",
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page; its values may hide none of what every page has."""

    def hidden() -> Markup:
        return Markup('<input type="hidden" name="{}" value="{}">').format(TOKEN, form_token(cookie))

    text = (
        _environment()
        .get_template(template)
        .render(
            {
                **values,
                "look": look,
                "t": look.say,
                "said": (lambda values, prefix: [(one, look.say(f"{prefix}{one}")) for one in values]),
                "caller": caller,
                "may": (lambda permission: caller is not None and caller.may(Permission(permission))),
                "entries": entries_for(caller) if caller is not None else (),
                "here": request.url.path,
                "form_token": hidden,
            }
        )
    )
    return HTMLResponse(text, status, headers={"content-language": look.language, **(headers or {})})


@cache
def _static(name: str) -> tuple[bytes, str, str] | None:
    """Bytes, type and fingerprint of a static file; None when there is none of that name."""
    known = {one.name: one for one in resources.files("vaglio.web.console").joinpath("static").iterdir()}
    kind = _TYPES.get(name.rpartition(".")[2])
    if kind is None or name not in known:
        return None
    content = known[name].read_bytes()
    return content, kind, hashlib.sha256(content).hexdigest()[:12]


def asset(name: str) -> str:
    """The address of a static file, which changes with its content."""
    found = _static(name)
    if found is None:
        raise LookupError(f"no static file {name}")
    return f"/static/{found[2]}/{name}"


def static_response(fingerprint: str, name: str) -> Response | None:
    """A static file, kept by browsers for a day; None when there is none so called."""
    known = {"console.css", "progress.js"}
    found = _static(name) if name in known else None
    if found is None or fingerprint != found[2]:
        return None
    return Response(
        found[0], media_type=found[1], headers={"cache-control": f"public, max-age={_STATIC_SECONDS}, immutable"}
    )
