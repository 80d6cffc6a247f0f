"""The configuration: one typed object, read from `vaglio.toml`, overridden by `VAGLIO_SECTION__KEY`.

Paths are relative to the file they stand in. Every key is described in `docs/operating.md`; a test holds that.
"""

import hashlib
import os
import tomllib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, IPvAnyAddress, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from vaglio.errors import ConfigError

SEARCHED = (Path("vaglio.toml"), Path("/etc/vaglio/vaglio.toml"))
"""Where a configuration is looked for when neither `--config` nor `VAGLIO_CONFIG` names one."""


def _address(value: object) -> object:
    """`HOST:PORT`, the host a literal address (a name would cost a blocking look-up)."""
    if not isinstance(value, str):
        return value
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:  # noqa: PLR2004 - TCP's range
        raise ValueError("expected ADDRESS:PORT, such as 127.0.0.1:4573")
    return host.strip("[]"), int(port)


ListenAddress = Annotated[tuple[str, int], NoDecode, BeforeValidator(_address)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FastAgi(_Section):
    """The listener the dialplan asks."""

    listen: ListenAddress = ("127.0.0.1", 4573)
    peers: tuple[IPv4Network | IPv6Network, ...] = (IPv4Network("127.0.0.0/8"),)
    """Who may connect; anybody else is closed at once."""
    secret_file: Path | None = None
    """Shared secret, the last argument of every request; required off loopback."""
    sessions: int = Field(default=2048, ge=1, le=65536)
    """Conversations at once; beyond, the answer is `failure`."""
    deadline_ms: int = Field(default=250, ge=10, le=450)
    """The longest a verdict may take; then the answer is `failure`. Below the dialplan's watchdog of 500."""
    real_time: bool = False
    """Whether the service runs ahead of all that is not real-time."""


class Standby(_Section):
    """The second listener, in a process of its own."""

    listen: ListenAddress = ("127.0.0.1", 4574)
    health: ListenAddress = ("127.0.0.1", 9574)
    """Its own liveness, readiness and metrics."""


class Health(_Section):
    """Liveness, readiness and metrics over HTTP."""

    listen: ListenAddress = ("127.0.0.1", 9573)


class Web(_Section):
    """The HTTP API and the console."""

    listen: ListenAddress = ("127.0.0.1", 8080)
    accounts: Path = Path("accounts.db")
    """Who may come in: accounts, API keys, sessions."""
    tls_certificate: Path | None = None
    """PEM, the chain included; off loopback this or a trusted proxy is needed."""
    tls_key: Path | None = None
    trusted_proxies: tuple[IPvAnyAddress, ...] = ()
    """Reverse proxies that speak TLS; their `X-Forwarded-For` is believed, and nobody else may connect."""
    hosts: tuple[str, ...] = ()
    """Names by which browsers reach it, beside its own address and localhost."""
    upload_mb: int = Field(default=64, ge=1, le=1024)
    """The largest list that may be uploaded, in 10^6 bytes."""


class Index(_Section):
    """The facts about numbers."""

    file: Path = Path("index.db")


class Audit(_Section):
    """The log of decisions."""

    file: Path = Path("audit.db")
    keys: Path = Path("keys")
    """Directory of the signing, search and sealing keys; outside the backups of the data."""
    checkpoint_minutes: float = Field(default=1.0, gt=0, le=60)
    """A checkpoint is signed at least this often."""
    anchors: Path = Path("anchors")
    """Directory in which receipts of anchors are kept, and how each stands."""
    retention_days: dict[str, int] = Field(default_factory=dict)
    """By country, lower case; how long the number behind an entry can be unsealed."""


class Rules(_Section):
    """The law in force here."""

    site_file: Path | None = None
    """A site's own rules, which tighten the shipped ones or add to them."""
    emergency_regions: tuple[str, ...] = ("IT", "FR", "GB", "US", "ES", "DE", "CA")
    """Regions whose emergency numbers pass before any policy is asked; 112 always does."""


class FailurePolicy(_Section):
    """What the dialplan reads while the service is down."""

    directory: Path = Path("failure-policy")
    """One file a campaign, holding `allow` or `block`; the dialplan's `VAGLIO_POLICY_DIR`."""


class Log(_Section):
    """The service's own log, not the decision log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    """`auto`: readable at a terminal, JSON elsewhere."""


class Pbx(_Section):
    """One Asterisk, watched over its manager interface (AMI) where a username is set."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    host: str = "127.0.0.1"
    port: int = Field(default=5038, ge=1, le=65535)
    username: str | None = None
    secret_file: Path | None = None
    tls: bool = False
    tls_ca_file: Path | None = None
    """Whom to trust; without it the machine's own authorities."""
    asks_from: tuple[IPvAnyAddress, ...] = ()
    """Addresses its FastAGI questions come from; without any, `host`."""
    trunks: tuple[str, ...] = ()
    """Channel names of the trunks: `PJSIP/carrier`, `DAHDI/i1`; a bare peer name stands for any technology."""
    hang_up_unscreened: bool = False
    agent_within_seconds: float = Field(default=2.0, gt=0, le=60)
    """An answered call is silent when no agent speaks within these seconds."""
    doctor_username: str | None = None
    """The account `vaglio doctor` asks with; without it the PBX is not examined."""
    doctor_secret_file: Path | None = None

    @property
    def peers(self) -> frozenset[str]:
        """The addresses its questions come from."""
        return frozenset(str(address) for address in self.asks_from) or frozenset({self.host})


class Settings(BaseSettings):
    """The whole configuration; build it with `load`."""

    model_config = SettingsConfigDict(
        env_prefix="VAGLIO_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )
    fastagi: FastAgi = FastAgi()
    standby: Standby = Standby()
    health: Health = Health()
    web: Web = Web()
    index: Index = Index()
    audit: Audit = Audit()
    rules: Rules = Rules()
    failure_policy: FailurePolicy = FailurePolicy()
    log: Log = Log()
    pbxs: tuple[Pbx, ...] = Field(default=(), alias="pbx")
    registers: tuple[dict[str, Any], ...] = Field(default=(), alias="register")
    sources: tuple[dict[str, Any], ...] = Field(default=(), alias="source")
    anchors: tuple[dict[str, Any], ...] = Field(default=(), alias="anchor")
    file: Path = Path("vaglio.toml")
    """The configuration file itself; set by `load`, not by the file."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment overrides the file."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    def path(self, relative: Path) -> Path:
        """A configured path, from the configuration's own directory."""
        return self.file.parent / relative

    @property
    def digest(self) -> str:
        """SHA-256 of all that is configured, for the log: it tells that something changed, not what."""
        return hashlib.sha256(self.model_dump_json(exclude={"file"}).encode()).hexdigest()


def find(given: Path | None) -> Path:
    """The configuration file to use: `--config`, else `VAGLIO_CONFIG`, else the usual places.

    Raises:
        ConfigError: when there is none.
    """
    named = given or (Path(os.environ["VAGLIO_CONFIG"]) if os.environ.get("VAGLIO_CONFIG") else None)
    if named is not None:
        return named
    for candidate in SEARCHED:
        if candidate.is_file():
            return candidate
    raise ConfigError(
        "no configuration: looked for ./vaglio.toml and /etc/vaglio/vaglio.toml; "
        "name one with --config, or make one with: vaglio init DIR"
    )


def load(given: Path | None = None) -> Settings:
    """Read and check the whole configuration.

    Raises:
        ConfigError: one line naming file and key, what was expected, and what to do.
    """
    file = find(given)
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); name another with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}; mend it and start again") from error
    try:
        return Settings(**data, file=file.absolute())
    except (ValidationError, TypeError) as error:
        raise ConfigError(f"{file}: {_first(error)}") from error


def _first(error: ValidationError | TypeError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; docs/operating.md lists the known ones"
    return f"{key}: {problem['msg'].removeprefix('Value error, ')}"


def read_secret(settings: Settings, file: Path | None) -> str | None:
    """The secret in a file, without its line end; `None` when no file is configured.

    Raises:
        ConfigError: when the file cannot be read or is empty.
    """
    if file is None:
        return None
    path = settings.path(file)
    try:
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: the secret cannot be read ({error}); it must hold one line of ASCII"
        ) from error
    if not secret or "," in secret or not secret.isprintable():
        raise ConfigError(f"{path}: expected one line of printable ASCII without a comma")
    return secret
