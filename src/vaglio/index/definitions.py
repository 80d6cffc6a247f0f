"""What a register is: its kind, how its files look, what it covers and how long an answer of it holds.

The known ones are here; `[[register]]` in the configuration adds own lists and changes single keys of the known.
Layouts that no source confirms are defaults to be changed there (docs/registers.md says which).
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Self

import phonenumbers
from phonenumbers import PhoneMetadata
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vaglio.errors import ConfigError


class RegisterKind(StrEnum):
    """Whether the list is handed over, or questions are."""

    LIST = "list"
    QUERY = "query"


class Layout(StrEnum):
    """How a list's file is written."""

    LINES = "lines"
    """One number a line; anything but digits, `+` and separators is a reject. Fixed-width files are such too."""
    CSV = "csv"
    XML = "xml"


class NumberForm(StrEnum):
    """How numbers are written."""

    E164 = "e164"
    """`+…` or `00…`; in files written here, `+…`."""
    INTERNATIONAL = "international"
    """With the country's calling code, `+` or `00` in front or not."""
    NATIONAL = "national"
    """As dialled within the register's region, leading zero and all; `+…` and `00…` are read too."""


class AnswerLayout(StrEnum):
    """How a query register's answer tells its verdicts."""

    FLAGGED = "flagged"
    """A row a number: number, status, consents void until."""
    CLEANSED = "cleansed"
    """The numbers that are not opposed; what was asked and is missing is opposed."""


def _known_region(code: str) -> str:
    metadata = PhoneMetadata.metadata_for_region(code.upper(), None)
    if metadata is None:
        raise ValueError("expected two letters of ISO 3166 such as IT or GB")
    return code.upper()


class RegisterDefinition(BaseModel):
    """One register; every key can stand in `[[register]]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    kind: RegisterKind = RegisterKind.LIST
    max_age_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Shown by `register list`, and by which query registers ask again; the law's own limit is in the rulebook."""
    layout: Layout = Layout.LINES
    number_form: NumberForm = NumberForm.E164
    region: Annotated[str, AfterValidator(_known_region)] | None = None
    """Whose numbering plan national numbers are of, and which country a query register answers for."""
    coverage: tuple[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,14}$")], ...] = ()
    """E.164 prefixes, without plus, that the list covers; empty: every number."""
    by_area: bool = False
    """Whether the list covers the area codes it was fetched for, and no other (+1)."""
    max_size_change: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Share by which a list may grow or shrink from one snapshot to the next without being forced."""
    max_rejects: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of unreadable rows beyond which a file is taken for one of another layout, and refused."""
    encoding: str = "utf-8"
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    header: bool = False
    column: str | Annotated[int, Field(ge=1, le=64)] = 1
    """CSV: the number's column, by its name in the header or its place from 1."""
    area_column: str | Annotated[int, Field(ge=1, le=64)] | None = None
    """CSV and change lists: the area code's column, where it stands apart from the number."""
    change_column: str | Annotated[int, Field(ge=1, le=64)] | None = None
    """Change lists: the column that says what happened."""
    added: str = "A"
    deleted: str = "D"
    element: str = "ph"
    """XML: the element of a number; its value stands in the attribute `attribute`, else in its text."""
    attribute: str = "val"
    area_element: str = "ac"
    """XML: the element of an area code around numbers of seven digits."""
    change_attribute: str = "action"
    answer: AnswerLayout = AnswerLayout.FLAGGED
    """Query registers: how answers come, where --layout does not say."""
    number_column: str | Annotated[int, Field(ge=1, le=64)] = "number"
    """Flagged answers: columns by name in the header, or by place where there is none."""
    status_column: str | Annotated[int, Field(ge=1, le=64)] = "status"
    void_column: str | Annotated[int, Field(ge=1, le=64)] | None = "consents_void_until"
    opposed_words: tuple[str, ...] = ("opposed",)
    clear_words: tuple[str, ...] = ("clear",)
    timezone: str = "Europe/Rome"
    """Query registers: the zone in which a verdict's date is a day."""
    max_rows: Annotated[int, Field(ge=1, le=100_000_000)] = 1_000_000
    """Query registers: numbers a file; the rest goes to further files."""
    request_header: str | None = None
    """Query registers: first line of a file that is sent."""
    due_days: Annotated[int, Field(ge=0, le=365)] = 5
    """Query registers: ask again when a verdict has this many days left, or fewer."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.number_form is NumberForm.NATIONAL:
            if self.region is None:
                raise ValueError("number_form national needs region")
            metadata = PhoneMetadata.metadata_for_region(self.region, None)
            if metadata is None or metadata.national_prefix_transform_rule:
                raise ValueError(
                    f"national numbers of {self.region} cannot be read one by one: its prefixes change them; "
                    "have the list in international form"
                )
        if self.kind is RegisterKind.QUERY and self.region is None:
            raise ValueError("a query register needs the region whose numbers it answers for")
        return self

    @property
    def trunk_zero(self) -> bool:
        """Whether a 0 that is no part of the number is dialled in front of it within the region."""
        metadata = PhoneMetadata.metadata_for_region(self.region, None) if self.region else None
        return metadata is not None and metadata.national_prefix == "0"

    @property
    def calling_code(self) -> int:
        """Of the region; 0 without one."""
        return phonenumbers.country_code_for_region(self.region) if self.region else 0


_NANP: Final[Mapping[str, Any]] = {"number_form": "national", "max_age_days": 31, "by_area": True}

_KNOWN: Final[tuple[Mapping[str, Any], ...]] = (
    {"name": "tps", "region": "GB", "number_form": "national", "max_age_days": 28, "coverage": ("44",)},
    {"name": "ctps", "region": "GB", "number_form": "national", "max_age_days": 28, "coverage": ("44",)},
    {**_NANP, "name": "us-dnc", "region": "US", "area_column": 1, "column": 2, "change_column": 4},
    {**_NANP, "name": "ca-dncl", "region": "CA", "area_column": 1, "column": 2, "change_column": 4},
    {"name": "es-robinson", "region": "ES", "number_form": "national", "max_age_days": 30, "coverage": ("34",)},
    {"name": "rpo", "kind": "query", "region": "IT", "max_age_days": 15},
    {
        "name": "bloctel",
        "kind": "query",
        "region": "FR",
        "max_age_days": 30,
        "answer": "cleansed",
        "timezone": "Europe/Paris",
    },
)


def definitions(configured: Iterable[Mapping[str, Any]] = ()) -> dict[str, RegisterDefinition]:
    """All registers by name: the known ones, changed and added to by the `[[register]]` tables.

    Raises ConfigError naming register and key.
    """
    tables: dict[str, Mapping[str, Any]] = {str(table["name"]): table for table in _KNOWN}
    seen: set[str] = set()
    for place, table in enumerate(configured, start=1):
        name = table.get("name")
        if not isinstance(name, str):
            raise ConfigError(f"[[register]] number {place}: name: missing; add it")
        if name in seen:
            raise ConfigError(f"[[register]] {name}: stands there twice; keep one")
        seen.add(name)
        tables[name] = {**tables.get(name, {}), **table}
    return {name: _definition(name, table) for name, table in tables.items()}


def definition(name: str, configured: Iterable[Mapping[str, Any]] = ()) -> RegisterDefinition:
    """One register by its name.

    Raises ConfigError when it is not known, naming those that are.
    """
    known = definitions(configured)
    if name not in known:
        raise ConfigError(
            f"register {name!r}: unknown; known are {', '.join(sorted(known))}; add others as [[register]]"
        )
    return known[name]


def _definition(name: str, table: Mapping[str, Any]) -> RegisterDefinition:
    try:
        return RegisterDefinition.model_validate(table)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in problem["loc"])
        message = (
            "unknown key; docs/registers.md lists the known ones"
            if problem["type"] == "extra_forbidden"
            else problem["msg"].removeprefix("Value error, ")
        )
        raise ConfigError(f"[[register]] {name}: {key}{': ' if key else ''}{message}") from error
