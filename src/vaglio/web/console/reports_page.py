"""The page of reports: what a form may ask for, and the page itself with what was typed."""

from datetime import timedelta
from http import HTTPStatus
from typing import Final

from fastapi.responses import Response

from vaglio.clock import now
from vaglio.errors import InputError
from vaglio.model import ANY
from vaglio.reports.ledger import Period
from vaglio.reports.pack import MOST_SAMPLED
from vaglio.rules.texts import LANGUAGES
from vaglio.web.console.typed import typed_moment
from vaglio.web.console.visit import Visit
from vaglio.web.problems import ProblemError

DPIA: Final = "dpia"
PRINCIPAL: Final = "principal:"
LONGEST_SEED: Final = 120


def language_of(visit: Visit) -> str:
    """The language that a form chose.

    Raises:
        ProblemError: 422 when it is none of the form's.
    """
    language = visit.text("language", most=80)
    if language not in LANGUAGES:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "language: expected one of the form's choices")
    return language


def period_of(visit: Visit) -> Period:
    """The days that a form chose, in the person's zone.

    Raises:
        InputError: in the person's language, when they are none or the last is before the first.
    """
    since = typed_moment(visit.text("since"), visit.look)
    until = typed_moment(visit.text("until"), visit.look, end=True)
    if since is None or until is None or since >= until:
        raise InputError(visit.look.say("reports.no_period"))
    return Period(since, until)


def reports_of(visit: Visit) -> list[tuple[str, str]]:
    """What reports can be of: each principal that exists for the caller, and the whole installation."""
    own = [(f"{PRINCIPAL}{one}", told) for one, told in _principals(visit)]
    return own if visit.caller.controller is not None else [*own, (DPIA, visit.look.say("reports.of_dpia"))]


def packs_of(visit: Visit) -> list[tuple[str, str]]:
    """What a pack can hold: the whole installation (`*`) for who sees it, or one principal's calls."""
    own = _principals(visit)
    return own if visit.caller.controller is not None else [(ANY, visit.look.say("reports.pack_of_all")), *own]


def page(visit: Visit, *, problem: str = "", of_pack: bool = False, without_pdf: bool = False) -> Response:
    """The page; with a problem of the report, or of the pack, that was asked for.

    With `without_pdf` the pack is offered without PDFs too.
    """
    last = visit.look.local(now()).date().replace(day=1) - timedelta(days=1)
    return visit.page(
        "reports.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        problem=problem,
        of_pack=of_pack,
        without_pdf=without_pdf,
        choices=reports_of(visit),
        packs=packs_of(visit),
        of=visit.text("of", most=80),
        sample=visit.text("sample", most=80),
        seed=visit.text("seed", most=LONGEST_SEED),
        most_sampled=MOST_SAMPLED,
        longest_seed=LONGEST_SEED,
        since=visit.text("since") or last.replace(day=1).isoformat(),
        until=visit.text("until") or last.isoformat(),
        language=visit.text("language", most=8) or visit.look.language,
    )


def _principals(visit: Visit) -> list[tuple[str, str]]:
    say = visit.look.say
    return [
        (one.id, say("reports.of_principal", name=f"{one.name} ({one.id})"))
        for one in visit.rooms.index.controllers()
        if visit.caller.sees(one.id)
    ]
