"""Files of a source, brought here whole or not at all.

Whatever looks unfinished is left for the next run: a name that says so, a file changed a moment ago, one whose
size or version is another after it was read. Errors tell the protocol's own words with every secret taken out.
"""

import fnmatch
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import fsspec

from vaglio.errors import InputError, StoreError
from vaglio.redaction import redact
from vaglio.sync.sources import Source

_PIECE: Final = 1024 * 1024
_MOST_FILES: Final = 10_000
_UNFINISHED: Final = (
    ".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".swp", "~", ".rejects.csv",
)  # fmt: skip
_USERINFO: Final = re.compile(r"://[^/@\s]*@")
_T = TypeVar("_T")
_VERSION_KEYS: Final = ("ETag", "etag", "Last-Modified", "LastModified", "mtime", "created")


class UnavailableError(InputError):
    """A source that does not answer now, and may on the next try."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file at the source."""

    path: str
    name: str
    size: int | None
    version: str
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file brought here."""

    file: Path
    sha256: str
    size: int
    version: str


class Place:
    """Where a source's files are; made for one run. All methods block: call them in a thread."""

    def __init__(self, source: Source, directory: Path, secret: Mapping[str, str]) -> None:
        self._source = source
        self._secret = secret
        self._local = "://" not in source.url
        url = str(directory / source.url) if self._local else source.url
        head, _, last = url.rpartition("/")
        self._pattern = last if any(mark in last for mark in "*?[") else None
        self._url = head if self._pattern else url
        self._fs, self._path = self._guarded(self._open)

    def files(self) -> list[Remote]:
        """The files to look at, by name; unfinished ones left out."""
        found = self._guarded(self._list)
        if len(found) > _MOST_FILES:
            raise InputError(f"source {self._source.name}: more than {_MOST_FILES} files; narrow its url")
        return sorted((one for one in found if not _unfinished(one.name)), key=lambda one: one.name)

    def settled(self, remote: Remote, now: datetime) -> bool:
        """Whether nobody is writing the file any more, as far as its time tells."""
        if remote.changed_at is None:
            return True
        return now - remote.changed_at >= timedelta(seconds=self._source.settle_seconds)

    def fetch(self, remote: Remote, into: Path, on_bytes: Callable[[int, int | None], None]) -> Fetched | None:
        """Bring a file here; None when it changed meanwhile.

        Raises InputError when it cannot be had, or is larger than the source allows.
        """
        draft = into / ".fetching"
        file = into / remote.name
        digest = hashlib.sha256()
        size = 0

        def copy() -> None:
            nonlocal size
            with self._fs.open(remote.path, "rb") as stream, draft.open("wb") as out:
                while piece := stream.read(_PIECE):
                    size += len(piece)
                    if size > self._source.max_bytes:
                        raise InputError(
                            f"source {self._source.name}: {remote.name} is larger than max_bytes allows"
                        )
                    digest.update(piece)
                    out.write(piece)
                    on_bytes(size, remote.size)
                out.flush()
                os.fsync(out.fileno())

        self._guarded(copy)
        after = self._guarded(lambda: self._remote(self._fs.info(remote.path)))
        if after.version != remote.version or (after.size is not None and after.size != size):
            draft.unlink()
            return None
        draft.rename(file)
        return Fetched(file, digest.hexdigest(), size, remote.version)

    def _open(self) -> tuple[Any, str]:
        if self._local:
            return fsspec.filesystem("file", use_listings_cache=False), self._url
        options = {**self._source.options, **self._secret}
        fs, path = fsspec.core.url_to_fs(self._url, use_listings_cache=False, skip_instance_cache=True, **options)
        return fs, path

    def _list(self) -> list[Remote]:
        if self._pattern is None:
            info = self._fs.info(self._path)
            if info.get("type") != "directory":
                return [self._remote(info)]
        entries = self._fs.ls(self._path, detail=True)
        pattern = self._pattern or "*"
        files = [self._remote(entry) for entry in entries if entry.get("type") == "file"]
        return [one for one in files if fnmatch.fnmatchcase(one.name, pattern)]

    def _remote(self, info: Mapping[str, Any]) -> Remote:
        path = str(info["name"])
        name = PurePosixPath(urlsplit(path).path if "://" in path else path).name or "file"
        changed = info.get("mtime") or info.get("LastModified")
        if isinstance(changed, int | float):
            changed = datetime.fromtimestamp(changed, UTC)
        elif isinstance(changed, datetime) and changed.tzinfo is None:
            changed = changed.replace(tzinfo=UTC)
        told = [f"{key}={info[key]}" for key in _VERSION_KEYS if info.get(key) is not None]
        version = f"size={info.get('size')};{';'.join(told)}"
        return Remote(
            path, _safe(name), info.get("size"), version, changed if isinstance(changed, datetime) else None
        )

    def _guarded(self, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except (InputError, StoreError):
            raise
        except ImportError as error:
            protocol = self._url.partition("://")[0]
            raise InputError(
                f"source {self._source.name}: {protocol} needs a package that is not installed ({error.name}); "
                f"install it beside vaglio, such as: pip install 'fsspec[{protocol}]'"
            ) from None
        except Exception as error:  # noqa: BLE001 - every protocol brings its own
            raise UnavailableError(
                f"source {self._source.name}: {self._source.url}: {type(error).__name__}: {self._told(error)}"
            ) from None

    def _told(self, error: Exception) -> str:
        text = " ".join(str(error).split())[:300]
        for secret in self._secret.values():
            if secret:
                text = text.replace(secret, "…")
        return redact(_USERINFO.sub("://…@", text)) or "no reason given"


def _unfinished(name: str) -> bool:
    return name.startswith(".") or name.lower().endswith(_UNFINISHED)


def _safe(name: str) -> str:
    """A file name that leads nowhere and fits anywhere."""
    plain = "".join(char if char.isalnum() or char in "._-" else "_" for char in name)[-120:]
    return plain if plain.strip("._") else "file"
