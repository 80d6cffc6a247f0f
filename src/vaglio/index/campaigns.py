"""campaigns.toml: principals and campaigns, validated whole before anything of them is stored.

Unknown keys are errors: a misspelt `mode` must not pass for an absent one.
"""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Self

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from vaglio.errors import InputError
from vaglio.model import Campaign, CampaignMode, Controller, DialMode, OnFailure, Purpose
from vaglio.numbers import Kind, country_zones, parse_e164

MAX_BYTES: Final = 8 * 1024 * 1024
_SHORTEST_CODE: Final = 3
_LONGEST_CODE: Final = 6

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""Of controllers and campaigns: safe in a dialplan, a file name and a URL."""


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("expected printable text without spaces around it")
    return text


Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]


def _region(code: str) -> str:
    region = code.upper()
    if not country_zones(region):
        raise ValueError("expected two letters of ISO 3166 such as IT or GB")
    return region


class _Controller(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Identifier
    name: Text


class CampaignDefinition(BaseModel):
    """A campaign as a person writes it; `campaign_from` makes one of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Identifier
    controller: Identifier
    caller_org: Text
    purpose: Purpose
    sector: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    dial_mode: DialMode
    region: Annotated[str, AfterValidator(_region)]
    caller_ids: Annotated[tuple[str, ...], Field(max_length=10_000)] = ()
    starts: date | None = None
    ends: date | None = None
    script_version: Text | None = None
    notice_version: Text | None = None
    mode: CampaignMode = CampaignMode.ENFORCE
    on_failure: OnFailure = OnFailure.BLOCK
    accepted_risk: Text | None = None
    trunk_prefix: Annotated[str, Field(pattern=r"^[0-9*#+]{1,8}$")] | None = None
    fallback_jurisdiction: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z0-9]{1,8})?$")] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.starts and self.ends and self.ends < self.starts:
            raise ValueError("ends: expected a day not before starts")
        risky = self.on_failure is OnFailure.ALLOW and self.purpose is not Purpose.SERVICE
        if risky and self.accepted_risk is None:
            raise ValueError(
                "on_failure: allow lets calls out unscreened; for a purpose other than service "
                'add accepted_risk = "the reason", or use block'
            )
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    controller: tuple[_Controller, ...] = ()
    campaign: tuple[CampaignDefinition, ...] = ()


@dataclass(frozen=True, slots=True)
class CampaignFile:
    """What a campaigns.toml defines, in its order."""

    controllers: tuple[Controller, ...]
    campaigns: tuple[Campaign, ...]


def load(file: Path, *, known_controllers: Collection[str] = ()) -> CampaignFile:
    """Read and validate a campaigns.toml; campaigns may name its controllers or the known ones.

    Raises InputError naming file, key, what was expected and the next step.
    """
    data = _toml(file)
    try:
        content = _File.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{file}: {_first(error, data)}") from error
    _reject_twice(file, "controller", [one.id for one in content.controller])
    _reject_twice(file, "campaign", [one.id for one in content.campaign])
    known = {*known_controllers, *(one.id for one in content.controller)}
    for one in content.campaign:
        if one.controller not in known:
            raise InputError(
                f"{file}: campaign {one.id}: controller {one.controller!r} is not known; "
                "add a [[controller]] with that id"
            )
    return CampaignFile(
        tuple(Controller(one.id, one.name) for one in content.controller),
        tuple(campaign_from(one, f"{file}: ") for one in content.campaign),
    )


def definition_json(campaign: Campaign) -> str:
    """The campaign as index.db holds it."""
    return orjson.dumps(asdict(campaign)).decode()


def campaign_of(definition: str) -> Campaign:
    """The campaign that `definition_json` wrote.

    Raises ValueError when the text is none.
    """
    return _STORED.validate_json(definition)


_STORED: Final = TypeAdapter(Campaign)


def _toml(file: Path) -> dict[str, object]:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); name a file that can") from error
    if len(raw) > MAX_BYTES:
        raise InputError(f"{file}: larger than {MAX_BYTES} bytes; split it into several files")
    try:
        return tomllib.loads(raw.decode("utf-8-sig").replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{file}: not valid TOML: {error}; mend it and import it again") from error


def _first(error: ValidationError, data: Mapping[str, object]) -> str:
    """The first problem in one line: the table and its id, the key, what was expected."""
    problem = error.errors(include_url=False, include_input=False)[0]
    where, key = _place(problem["loc"], data)
    if problem["type"] == "extra_forbidden":
        known = _KNOWN_KEYS.get(problem["loc"][0] if len(problem["loc"]) > 1 else "", ("controller", "campaign"))
        return f"{where}{key}: unknown key; known are {', '.join(known)}"
    if problem["type"] == "missing":
        return f"{where}{key}: missing; add it"
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    return f"{where}{key}: {message}" if key else f"{where}{message}"


def _place(location: tuple[int | str, ...], data: Mapping[str, object]) -> tuple[str, str]:
    keys = [str(part) for part in location]
    match location:
        case (str() as table, int() as index, *_):
            rows = data.get(table)
            row = rows[index] if isinstance(rows, list) else None
            name = row.get("id") if isinstance(row, dict) else None
            label = name if isinstance(name, str) and name.isprintable() else f"number {index + 1}"
            return f"{table} {label[:64]}: ", ".".join(keys[2:])
        case _:
            return "", ".".join(keys)


_KNOWN_KEYS: Final[Mapping[int | str, tuple[str, ...]]] = {
    "controller": tuple(_Controller.model_fields),
    "campaign": tuple(CampaignDefinition.model_fields),
}


def _reject_twice(file: Path, table: str, ids: list[str]) -> None:
    twice = next((one for one in ids if ids.count(one) > 1), None) if len(set(ids)) < len(ids) else None
    if twice is not None:
        raise InputError(f"{file}: {table} {twice}: stands there twice; keep one")


def campaign_from(definition: CampaignDefinition, place: str = "") -> Campaign:
    """The campaign that a definition describes, its caller ids as E.164.

    Raises InputError, whose text begins with `place`, for a caller id that is none.
    """
    values = {name: getattr(definition, name) for name in CampaignDefinition.model_fields}
    values["caller_ids"] = tuple(_caller_id(place, definition, text) for text in definition.caller_ids)
    return Campaign(**values)


def _caller_id(place: str, one: CampaignDefinition, text: str) -> str:
    """E.164, or a short code of the region as it stands (three digits since AGCOM 21/26/CIR)."""
    number = parse_e164(text, region=one.region)
    if number.e164 is not None:
        return number.e164
    short = text.isascii() and text.isdigit() and _SHORTEST_CODE <= len(text) <= _LONGEST_CODE
    if short or number.kind is Kind.SHORT:
        return number.digits
    raise InputError(
        f"{place}campaign {one.id}: caller_ids: {number.masked} is no number of E.164 and no short code; "
        "write it as +…"
    )
