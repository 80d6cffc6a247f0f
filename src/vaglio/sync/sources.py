"""What a source is: where files come from, what they hold, how often to look. `[[source]]` in the configuration.

Credentials never stand in it: it names the files or environment variables that hold them.
"""

import os
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vaglio.errors import ConfigError
from vaglio.index.definitions import RegisterDefinition, RegisterKind
from vaglio.index.records import FactKind

KINDS: Final[Mapping[str, FactKind]] = {
    "oppositions": FactKind.OPPOSITION,
    "consents": FactKind.CONSENT,
    "withdrawals": FactKind.WITHDRAWAL,
    "relationships": FactKind.RELATIONSHIP,
    "contacts": FactKind.CONTACT,
}
REGISTER: Final = "register"
CAMPAIGNS: Final = "campaigns"

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_EVERY: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")


def _duration(text: str) -> str:
    if not _EVERY.fullmatch(text):
        raise ValueError("expected a number and s, m, h or d, such as 15m or 1d")
    return text


def _without_credentials(url: str) -> str:
    if "@" in urlsplit(url).netloc:
        raise ValueError("holds credentials; take them out and name them in secret_files or secret_env")
    return url


class Source(BaseModel):
    """One source; every key can stand in `[[source]]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    kind: str
    """What the files hold: oppositions, consents, withdrawals, relationships, contacts, campaigns, or a register
    by its name (or `register`, with its name as `mapping`)."""
    url: Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_without_credentials)]
    """A path, or a URL of http(s), sftp, s3 or any other that fsspec knows; the last part may hold * and ?."""
    every: Annotated[str, AfterValidator(_duration)] = "1d"
    mapping: str | None = None
    """The `[[register]]` that says how a register's files are written."""
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    """Whose numbers bare digits in files of facts are."""
    areas: tuple[str, ...] = ()
    change: bool = False
    """A register's files are lists of changes."""
    settle_seconds: Annotated[int, Field(ge=0, le=3600)] = 30
    """A file changed more recently may still be being written."""
    max_bytes: Annotated[int, Field(ge=1)] = 16 * 1024**3
    tries: Annotated[int, Field(ge=1, le=10)] = 3
    options: dict[str, str | int | bool] = Field(default_factory=dict)
    """Passed on to the protocol's filesystem, such as `username` or `client_kwargs`."""
    secret_files: dict[str, Path] = Field(default_factory=dict)
    """Options whose value is a file's content, such as password = "keys/sftp-password"."""
    secret_env: dict[str, str] = Field(default_factory=dict)
    """Options whose value is an environment variable's."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == REGISTER and self.mapping is None:
            raise ValueError("kind register needs mapping, the register's name")
        return self

    @property
    def interval(self) -> timedelta:
        """How long to wait from one look to the next."""
        amount, unit = self.every[:-1], self.every[-1]
        return timedelta(seconds=int(amount) * _UNITS[unit])

    @property
    def register_name(self) -> str | None:
        """The register that the files are of; None for facts and campaigns."""
        if self.kind in KINDS or self.kind == CAMPAIGNS:
            return None
        return self.mapping or self.kind


def sources(
    configured: Iterable[Mapping[str, Any]], registers: Mapping[str, RegisterDefinition]
) -> dict[str, Source]:
    """All sources by name.

    Raises ConfigError naming source and key.
    """
    found: dict[str, Source] = {}
    for place, table in enumerate(configured, start=1):
        label = table.get("name") if isinstance(table.get("name"), str) else f"number {place}"
        try:
            source = Source.model_validate(table)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(str(part) for part in problem["loc"])
            message = (
                "unknown key; docs/registers.md lists the known ones"
                if problem["type"] == "extra_forbidden"
                else problem["msg"].removeprefix("Value error, ")
            )
            raise ConfigError(f"[[source]] {label}: {key}{': ' if key else ''}{message}") from error
        if source.name in found:
            raise ConfigError(f"[[source]] {source.name}: stands there twice; keep one")
        register = source.register_name
        if register is not None:
            known = registers.get(register)
            if known is None:
                lists = sorted(name for name, one in registers.items() if one.kind is RegisterKind.LIST)
                raise ConfigError(
                    f"[[source]] {source.name}: kind: expected {', '.join((*KINDS, CAMPAIGNS))} "
                    f"or a register: {', '.join(lists)}"
                )
            if known.kind is not RegisterKind.LIST:
                raise ConfigError(
                    f"[[source]] {source.name}: {register} is asked, not handed over; import its answers with "
                    f"vaglio register import {register} FILE --controller C --batch ID"
                )
        found[source.name] = source
    return found


def secrets(source: Source, directory: Path) -> dict[str, str]:
    """The options that are secret, read now; files relative to the configuration's directory.

    Raises ConfigError when one cannot be had; the message never holds its value.
    """
    found: dict[str, str] = {}
    for option, file in source.secret_files.items():
        try:
            found[option] = (directory / file).read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise ConfigError(
                f"[[source]] {source.name}: secret_files.{option}: {file} cannot be read ({reason})"
            ) from None
    for option, variable in source.secret_env.items():
        if variable not in os.environ:
            raise ConfigError(f"[[source]] {source.name}: secret_env.{option}: {variable} is not set")
        found[option] = os.environ[variable]
    return found
