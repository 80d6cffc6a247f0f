"""From TOML to rulebooks: every file is checked as a whole before any of it counts."""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel, Field, ValidationError

from vaglio.errors import InputError
from vaglio.rules.families.consent import ConsentParams
from vaglio.rules.families.params import PARAMS, params_of
from vaglio.rules.families.register import RegisterParams
from vaglio.rules.jurisdiction import zone_named
from vaglio.rules.rule import STRICT, Family, Rule, Text
from vaglio.rules.rulebook import FRAME, Rulebook

JURISDICTIONS = ("it", "fr", "gb", "us", "es", "de", "ca")
COMMON = "common"
MAX_BYTES = 1_048_576
"""The largest file read."""

_DIRECTORY = "rulebooks"
Model = TypeVar("Model", bound=BaseModel)
Name = Annotated[str, Field(pattern=r"^[a-z]{2}$")]


class BookFile(BaseModel):
    """A national rulebook, or the common one, as its file says it."""

    model_config = STRICT

    jurisdiction: Name | Literal["common"]
    name: Text
    zone: Text
    """The main zone."""
    counts_in: Literal["called-zone", "main-zone"] = "called-zone"
    """Whether hours and days are those of the called person's place or always those of the main zone."""
    valid_from: date
    rule: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One file, checked, with the bytes that its version is made of."""

    name: str
    data: bytes
    book: BookFile


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, Source]:
    """The rulebooks that come with the software, by jurisdiction, and `common`."""
    directory = resources.files("vaglio.rules").joinpath(_DIRECTORY)
    return MappingProxyType(
        {
            name: read_book(f"{name}.toml", directory.joinpath(f"{name}.toml").read_bytes())
            for name in (COMMON, *JURISDICTIONS)
        }
    )


def read_file(path: Path) -> bytes:
    """The bytes of a file that a site names; raises InputError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES} bytes, which no file of rules is; check the path")
    return data


def parsed_toml(name: str, data: bytes) -> dict[str, object]:
    """The table that a file holds; raises InputError."""
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{name}: not TOML: {error}; mend the file") from error


def read_book(name: str, data: bytes) -> Source:
    """A rulebook's file, every rule and parameter checked; raises InputError naming file and key."""
    book = validated(BookFile, name, parsed_toml(name, data))
    if zone_named(book.zone) is None:
        raise InputError(f"{name}: key zone: no IANA zone {book.zone!r}; write one such as Europe/Rome")
    seen: set[str] = set()
    for rule in book.rule:
        if rule.id in seen:
            raise InputError(f"{name}: rule {rule.id}: the id is used twice; give each rule its own")
        seen.add(rule.id)
        check_rule(name, rule)
    return Source(name, data, book)


def check_rule(name: str, rule: Rule) -> None:
    """Read a rule's parameters; raises InputError naming file, rule and key."""
    try:
        params_of(rule, PARAMS[rule.family])
    except ValidationError as error:
        raise InputError(f"{name}: rule {rule.id}: {_told(error, ('params',))}") from error


def validated(kind: type[Model], name: str, table: dict[str, object]) -> Model:
    """A table in the words of its model; raises InputError naming file and key."""
    try:
        return kind.model_validate_json(orjson.dumps(table))
    except (ValidationError, TypeError) as error:
        told = _told(error, (), table) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{name}: {told}") from error


def _told(error: ValidationError, inside: tuple[str, ...], table: Mapping[str, object] | None = None) -> str:
    """The first thing wrong, with the rule it is in by its id where it has one."""
    first = error.errors(include_url=False)[0]
    place: list[str | int] = [*inside, *first["loc"]]
    where = ""
    if table is not None and len(place) > 1 and place[0] in ("rule", "change") and isinstance(place[1], int):
        rows = table.get(str(place[0]))
        row = rows[place[1]] if isinstance(rows, list) and place[1] < len(rows) else None
        named = row.get("id") or row.get("rule") if isinstance(row, dict) else None
        where = f"{place[0]} {named if isinstance(named, str) else place[1] + 1}: "
        place = place[2:]
    key = ".".join(str(part) for part in place)
    return f"{where}key {key}: {first['msg'].removeprefix('Value error, ')}; mend it as docs/regulation.md says"


def built(common: Source, national: Source | None, extra: Sequence[Rule], site: bytes) -> Rulebook:
    """The rulebook of a jurisdiction from its files; of the common rules alone where there is no national one.

    `extra` are all its rules after a site's changes, common ones included; `site` the bytes of the site's file.
    """
    source = national or common
    book = source.book
    parts = (common.data, b"" if national is None else national.data, site)
    digest = hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()
    name = COMMON if national is None else book.jurisdiction
    _consistent(source.name, extra)
    return Rulebook(
        jurisdiction=None if national is None else book.jurisdiction,
        name=book.name,
        version=f"{name}@{digest[:12]}",
        zone=ZoneInfo(book.zone),
        fixed_zone=book.counts_in == "main-zone",
        valid_from=book.valid_from,
        rules=extra,
    )


def _consistent(name: str, rules: Sequence[Rule]) -> None:
    """What no single rule shows; raises InputError."""
    for family in FRAME:
        count = sum(1 for rule in rules if rule.family is family and rule.enabled)
        if count != 1:
            raise InputError(f"{name}: {count} rules of family {family}; there must be exactly one")
    voiding = {
        params_of(rule, ConsentParams).voided_by
        for rule in rules
        if rule.family is Family.CONSENT and rule.enabled
    }
    for rule in rules:
        if rule.family is Family.REGISTER and rule.enabled:
            params = params_of(rule, RegisterParams)
            if params.consent_beats_unusable and params.register_name in voiding:
                raise InputError(
                    f"{name}: rule {rule.id}: key params.consent_beats_unusable: {params.register_name} voids "
                    "consents, so that none can be relied on while its answer is unusable; set it to false"
                )
