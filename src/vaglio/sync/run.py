"""One run of the sources: look, fetch what is new, import it as any file is imported, remember how it went.

Several runs at once are safe: each source is one run's at a time.
"""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from vaglio.changes import Change, Changes
from vaglio.clock import Clock
from vaglio.clock import now as present
from vaglio.errors import NotFoundError, StoreError, VaglioError
from vaglio.index.definitions import RegisterDefinition
from vaglio.index.imports import OnProgress, import_campaigns, import_facts
from vaglio.index.instants import to_micros
from vaglio.index.records import FactKind
from vaglio.index.rows import ImportSummary
from vaglio.index.snapshots import RegisterSummary, import_list
from vaglio.index.store import Store
from vaglio.sync.fetch import Fetched, Place, Remote, UnavailableError
from vaglio.sync.sources import CAMPAIGNS, KINDS, Source, secrets
from vaglio.turn import alone

_BACKOFF: Final = 4.0
"""Each wait is so many times as long as the one before; the first is a second."""
_CHANGES: Final[Mapping[FactKind, Change]] = {
    FactKind.OPPOSITION: Change.OPPOSITION_IMPORT,
    FactKind.CONSENT: Change.CONSENT_IMPORT,
    FactKind.WITHDRAWAL: Change.WITHDRAWAL_IMPORT,
    FactKind.RELATIONSHIP: Change.RELATIONSHIP_IMPORT,
    FactKind.CONTACT: Change.CONTACT_IMPORT,
}

_KNOWN_VERSION: Final = "SELECT 1 FROM loaded_file WHERE source = ? AND name = ? AND version = ?"
_KNOWN_FILE: Final = "SELECT 1 FROM loaded_file WHERE source = ? AND sha256 = ?"
_LOADED: Final = """
INSERT INTO loaded_file (source, sha256, name, version, loaded_at, entry) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (source, sha256) DO UPDATE SET name = excluded.name, version = excluded.version
"""
_SEEN_AGAIN: Final = "UPDATE loaded_file SET name = ?, version = ? WHERE source = ? AND sha256 = ?"
_WENT_WELL: Final = """
INSERT INTO source_state (source, tried_at, succeeded_at, failures, last_error) VALUES (?1, ?2, ?2, 0, NULL)
ON CONFLICT (source) DO UPDATE SET tried_at = ?2, succeeded_at = ?2, failures = 0, last_error = NULL
"""
_FAILED: Final = """
INSERT INTO source_state (source, tried_at, succeeded_at, failures, last_error) VALUES (?1, ?2, NULL, 1, ?3)
ON CONFLICT (source) DO UPDATE SET tried_at = ?2, failures = failures + 1, last_error = ?3
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One file that a run imported."""

    file: str
    entry: int
    summary: ImportSummary | RegisterSummary


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run of a source did."""

    source: str
    loaded: tuple[Loaded, ...]
    known: int
    """Files that had been loaded before."""
    unfinished: int
    """Files left for the next run: somebody was still writing them."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Runner:
    """What runs need: the way to change facts, the registers' definitions, a directory for files on their way."""

    changes: Changes
    store: Store
    registers: Mapping[str, RegisterDefinition]
    directory: Path
    """The configuration's, for relative paths."""
    spool: Path
    """Files on their way in, and rejects; made if it is not there."""
    clock: Clock = present
    on_progress: OnProgress | None = None
    pause: float = 1.0
    """Seconds before the first retry."""

    async def run(self, known: Mapping[str, Source], only: str | None = None) -> list[RunReport]:
        """Run all sources, or one by its name; a source that fails does not stop the others.

        Raises NotFoundError for a name that no source has.
        """
        if only is not None and only not in known:
            raise NotFoundError(
                f"source {only!r}: not configured; known are {', '.join(sorted(known)) or 'none'}: see [[source]]"
            )
        return [await self.run_source(known[name]) for name in ([only] if only else sorted(known))]

    async def run_source(self, source: Source) -> RunReport:
        """One source: every file that is new and finished; the outcome is remembered."""
        with alone(Path(f"{self.store.path}.sync-{source.name}")) as ours:
            if not ours:
                return RunReport(source.name, (), 0, 0, "another run of it is under way; wait for it")
            try:
                report = await self._run(source)
            except VaglioError as error:
                report = RunReport(source.name, (), 0, 0, str(error))
            tried = to_micros(self.clock())
            if report.error is None:
                await self.store.note(_WENT_WELL, (source.name, tried))
            else:
                await self.store.note(_FAILED, (source.name, tried, report.error))
            return report

    async def _run(self, source: Source) -> RunReport:
        secret = secrets(source, self.directory)
        place = await self._persist(source, lambda: Place(source, self.directory, secret))
        try:
            return await self._take_all(source, place)
        finally:
            await asyncio.to_thread(place.close)

    async def _take_all(self, source: Source, place: Place) -> RunReport:
        loaded: list[Loaded] = []
        known = unfinished = 0
        for remote in await self._persist(source, place.files):
            if await self.store.rows(_KNOWN_VERSION, (source.name, remote.name, remote.version)):
                known += 1
                continue
            if not place.settled(remote, self.clock()):
                unfinished += 1
                continue
            try:
                outcome = await self._take(source, place, remote)
            except VaglioError as error:
                return RunReport(source.name, tuple(loaded), known, unfinished, f"{remote.name}: {error}")
            if outcome is None:
                unfinished += 1
            elif isinstance(outcome, Loaded):
                loaded.append(outcome)
            else:
                known += 1
        return RunReport(source.name, tuple(loaded), known, unfinished)

    async def _take(self, source: Source, place: Place, remote: Remote) -> Loaded | bool | None:
        """Fetch and import one file; True when its content was loaded before, None when it is not finished."""
        folder = self.spool / source.name
        await asyncio.to_thread(_make_private, folder)
        fetched = await self._persist(source, lambda: place.fetch(remote, folder, lambda _done, _total: None))
        if fetched is None:
            return None
        try:
            if await self.store.rows(_KNOWN_FILE, (source.name, fetched.sha256)):
                await self.store.note(_SEEN_AGAIN, (remote.name, fetched.version, source.name, fetched.sha256))
                return True
            entry, summary = await self._load(source, fetched)
        finally:
            await asyncio.to_thread(fetched.file.unlink, missing_ok=True)
        when = to_micros(self.clock())
        await self.store.note(_LOADED, (source.name, fetched.sha256, remote.name, fetched.version, when, entry))
        return Loaded(remote.name, entry, summary)

    async def _load(self, source: Source, fetched: Fetched) -> tuple[int, ImportSummary | RegisterSummary]:
        """Import as any file is imported: announced, made, confirmed."""
        fields = {"source": source.name, "file": fetched.file.name, "sha256": fetched.sha256}
        register = source.register_name
        if register is not None:
            announced, listed = await self.changes.make(
                Change.REGISTER_IMPORT,
                {**fields, "register": register},
                lambda entry: import_list(
                    self.store, self.registers[register], fetched.file, entry=entry, areas=source.areas,
                    change=source.change, on_progress=self.on_progress,
                ),
                result=_told,
            )  # fmt: skip
            return announced.entry, listed
        if source.kind == CAMPAIGNS:
            announced, summary = await self.changes.make(
                Change.CAMPAIGNS,
                fields,
                lambda entry: import_campaigns(self.store, fetched.file, entry=entry),
                result=_told,
            )
            return announced.entry, summary
        kind = KINDS[source.kind]
        announced, summary = await self.changes.make(
            _CHANGES[kind],
            fields,
            lambda entry: import_facts(
                self.store, kind, fetched.file, entry=entry, region=source.region, on_progress=self.on_progress
            ),
            result=_told,
        )
        return announced.entry, summary

    async def _persist(self, source: Source, action: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the action gives
        """Try again, each time after a longer pause; the last failure counts."""
        pause = self.pause
        for _ in range(source.tries - 1):
            try:
                return await asyncio.to_thread(action)
            except UnavailableError:
                await asyncio.sleep(pause)
                pause *= _BACKOFF
        return await asyncio.to_thread(action)


def _told(summary: ImportSummary | RegisterSummary) -> dict[str, object]:
    told: dict[str, object] = orjson.loads(
        orjson.dumps(asdict(summary))
    )  # times and tuples as an entry holds them
    return told


def _make_private(folder: Path) -> None:
    """Files on their way hold numbers: nobody else may read them. What a killed run left is taken away."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in folder.iterdir():
            if not old.name.endswith(".rejects.csv"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
    except OSError as error:
        raise StoreError(f"{folder}: cannot be used ({error.strerror}); give it to the service's user") from error
