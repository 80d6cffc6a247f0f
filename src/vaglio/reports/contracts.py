"""The file of contracts to settle: contract_id, number, controller, signed_at, decision_id?."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from vaglio.index.facts import IDENTIFIER, number
from vaglio.index.instants import parse_instant
from vaglio.index.rows import Columns, Lines, Progress, Reject, Rejects, fields, header, named, open_input
from vaglio.numbers import Number, parse_e164

COLUMNS: Final = Columns(("contract_id", "number", "controller", "signed_at"), ("decision_id",))

_CONTRACT: Final = re.compile(r"[^\W_][^\x00-\x1f\x7f]{0,99}")
_CONTROLLER: Final = re.compile(IDENTIFIER)
_DECISION: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_TELL_EVERY: Final = 256


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract as the principal reports it."""

    id: str
    number: Number
    controller: str
    signed_at: datetime
    decision: str | None = None
    """The call it is said to come from; None when any call to the number may be it."""


def read_contracts(
    file: Path, rejects: Rejects, region: str | None, on_progress: Callable[[Progress], None] | None = None
) -> Iterator[Contract]:
    """The contracts of a file, as they are taken; a row that is not as it must be goes to `rejects`.

    Args:
        file: UTF-8 CSV with a header.
        rejects: told line, field and reason, never the number.
        region: in whose form bare digits are read; None rejects them.
        on_progress: told how far it is.

    Raises:
        InputError: when the file cannot be read, or its header is not as it must be.
    """
    with open_input(file) as stream:
        total = file.stat().st_size
        lines = Lines(stream)
        names = header(file, lines, COLUMNS)
        seen: set[str] = set()
        for line, content in lines:
            try:
                if isinstance(content, Reject):
                    raise content
                contract = _contract(named(fields(content), names), region, seen)
            except Reject as reject:
                rejects.add(line, reject)
                continue
            seen.add(contract.id)
            yield contract
            if on_progress is not None and len(seen) % _TELL_EVERY == 0:
                on_progress(Progress(lines.position, total, len(seen)))


def _contract(row: Mapping[str, str], region: str | None, seen: Collection[str]) -> Contract:
    if not _CONTRACT.fullmatch(row["contract_id"]):
        raise Reject("contract_id", "expected 1 to 100 characters, a letter or a digit first")
    if row["contract_id"] in seen:
        raise Reject("contract_id", "stands in an earlier line too")
    key = number(row, region)
    if not _CONTROLLER.fullmatch(row["controller"]):
        raise Reject("controller", "expected an id of letters, digits, _ . and -, at most 64")
    try:
        signed_at = parse_instant(row["signed_at"])
    except ValueError as error:
        raise Reject("signed_at", str(error)) from None
    decision = row.get("decision_id", "").upper()
    if decision and not _DECISION.fullmatch(decision):
        raise Reject("decision_id", "expected the 26 characters of a decision id")
    return Contract(row["contract_id"], parse_e164(f"+{key}"), row["controller"], signed_at, decision or None)
