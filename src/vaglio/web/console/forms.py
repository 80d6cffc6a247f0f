"""What comes in by a form: sent from a page of ours, and bounded."""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request

from vaglio.web.access.sessions import is_form_token
from vaglio.web.problems import ProblemError

TOKEN: Final = "token"  # noqa: S105 - a field's name
_FIELDS: Final = 64
_FIELD_BYTES: Final = 65_536
LONGEST: Final = 500
"""Characters of a field, unless a page asks for another bound."""


def check_origin(request: Request) -> None:
    """Refuse what no page of this console has sent: by Sec-Fetch-Site, or, where a browser has none, by Origin.

    Raises:
        ProblemError: 403.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "")
    host = request.headers.get("host", "").lower()
    same = site == "same-origin" if site is not None else bool(host) and urlsplit(origin).netloc.lower() == host
    if not same:
        raise ProblemError(HTTPStatus.FORBIDDEN, "a form may only be sent from a page of this console")


async def read_form(request: Request, cookie: str, *, files: int = 0) -> FormData:
    """The fields of a form that a page of this session sent.

    Raises:
        ProblemError: 403 when it did not, 400 when it is no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected a form")
    form = await request.form(max_files=files, max_fields=_FIELDS, max_part_size=_FIELD_BYTES)
    if not is_form_token(cookie, text_of(form, TOKEN, most=128)):
        raise ProblemError(
            HTTPStatus.FORBIDDEN, "this form belongs to a session that is over; open the page again and resend"
        )
    return form


def text_of(form: FormData, name: str, *, most: int = LONGEST) -> str:
    """A field's text without spaces around it; empty when it was not sent.

    Raises:
        ProblemError: 422 when it is longer than `most` characters, or a file.
    """
    value = form.get(name, "")
    if not isinstance(value, str):
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}: expected a text, not a file")
    if len(value) > most:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}: expected at most {most} characters")
    return value.strip()
