"""One installation: its configuration, and the rooms opened from it, for the service and for every command."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vaglio import config
from vaglio.audit import Keys, Writer, create_log
from vaglio.audit import Reader as LogReader
from vaglio.audit.anchors import Anchor, load_anchors
from vaglio.changes import Changes
from vaglio.clock import now
from vaglio.config import Settings
from vaglio.errors import ConfigError, InputError
from vaglio.index import database
from vaglio.index.definitions import definitions
from vaglio.index.reader import Reader as IndexReader
from vaglio.index.store import Store
from vaglio.model import Campaign
from vaglio.numbers import emergency_numbers
from vaglio.rules import Rulebooks, load
from vaglio.rules.jurisdiction import rulebook_of_region
from vaglio.rules.load import read_file, shipped
from vaglio.screening import Screener
from vaglio.sync.sources import Source, sources

CONFIGURATION = """\
# Vaglio's configuration; docs/operating.md describes every key. Paths are relative to this file.

[fastagi]
listen = "127.0.0.1:4573"

[health]
listen = "127.0.0.1:9573"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """An installation by its configuration; nothing is open until asked for."""

    settings: Settings

    @classmethod
    def at(cls, file: Path | None) -> "Site":
        """The installation that this configuration file, or else the usual one, describes.

        Raises:
            ConfigError: when there is none, or something in it is wrong.
        """
        return cls(config.load(file))

    @property
    def index_file(self) -> Path:
        """Where index.db is."""
        return self.settings.path(self.settings.index.file)

    @property
    def log_file(self) -> Path:
        """Where audit.db is."""
        return self.settings.path(self.settings.audit.file)

    @property
    def accounts_file(self) -> Path:
        """Where accounts.db is."""
        return self.settings.path(self.settings.web.accounts)

    @property
    def policy_directory(self) -> Path:
        """Where the dialplan reads failure policies."""
        return self.settings.path(self.settings.failure_policy.directory)

    def keys(self) -> Keys:
        """The keys of the log.

        Raises:
            ConfigError: when they cannot be used.
        """
        return Keys.load(self.settings.path(self.settings.audit.keys))

    @property
    def anchors_directory(self) -> Path:
        """Where receipts of anchors are kept, and how each stands."""
        return self.settings.path(self.settings.audit.anchors)

    def anchors(self) -> tuple[Anchor, ...]:
        """Where checkpoints go.

        Raises:
            ConfigError: naming anchor and key.
        """
        return load_anchors(self.settings.anchors, self.settings.file.parent)

    def sources(self) -> dict[str, Source]:
        """Where files come from by themselves, by name.

        Raises:
            ConfigError: naming source and key.
        """
        return sources(self.settings.sources, definitions(self.settings.registers))

    def rulebooks(self, tried: Path | None = None) -> Rulebooks:
        """The law in force here; with a file to try, that in place of the rulebook or site file it stands for.

        Raises:
            InputError: when a file is not as it must be; it names file and key.
        """
        site_file = self.settings.rules.site_file
        return load(self.settings.path(site_file) if site_file else None, rulebook_file=tried)

    def rulebook_files(self) -> dict[str, bytes]:
        """The rulebooks as shipped, and the site's own file: what the decisions' versions are hashes of.

        Raises:
            InputError: when the site's file cannot be read.
        """
        site_file = self.settings.rules.site_file
        own = {} if site_file is None else {"site.toml": read_file(self.settings.path(site_file))}
        return {one.name: one.data for one in shipped().values()} | own

    def campaigns_asking(self, at: datetime) -> dict[str, list[str]]:
        """Register → the campaigns that run at that time and in whose region a rulebook may ask it."""
        with IndexReader.open(self.index_file) as index:
            return asking(self.rulebooks(), index.campaigns(), at)

    def emergency(self) -> frozenset[str]:
        """The numbers that always pass.

        Raises:
            ConfigError: when a configured region does not exist.
        """
        try:
            return emergency_numbers(self.settings.rules.emergency_regions)
        except ValueError as error:
            raise ConfigError(f"rules.emergency_regions: {error}") from error

    @contextmanager
    def screener(self) -> Iterator[Screener]:
        """A screener that reads both databases."""
        with IndexReader.open(self.index_file) as index, LogReader(self.log_file) as log:
            yield Screener(index, log, self.keys(), self.rulebooks(), self.emergency())

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[tuple[Changes, Store]]:
        """The way to change facts, and the index they stand in."""
        async with Writer(self.log_file, self.keys()) as writer, await Store.open(self.index_file) as store:
            yield Changes(store, writer), store


def asking(rulebooks: Rulebooks, campaigns: Iterable[Campaign], at: datetime) -> dict[str, list[str]]:
    """Register → the campaigns that run at that time and in whose region a rulebook may ask it."""
    found: dict[str, list[str]] = {}
    for one in campaigns:
        if one.ends is not None and one.ends < at.date():
            continue
        jurisdiction = rulebook_of_region(one.region) or one.fallback_jurisdiction
        for name in rulebooks.registers(jurisdiction, at):
            found.setdefault(name, []).append(one.id)
    return found


def init(directory: Path) -> Site:
    """Make an installation in a new or empty directory.

    Raises:
        InputError: when the directory holds something or cannot be made.
    """
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise InputError(f"{directory}: not empty; name a new or an empty directory")
        file = directory / "vaglio.toml"
        file.write_text(CONFIGURATION, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{directory}: cannot be made ({error.strerror}); name a directory you may write"
        ) from error
    site = Site.at(file)
    keys = Keys.create(site.settings.path(site.settings.audit.keys))
    database.create(site.index_file)
    create_log(site.log_file, keys, now())
    return site
