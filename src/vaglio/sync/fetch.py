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
from urllib.parse import quote, urlsplit

import fsspec

from vaglio.errors import InputError, StoreError
from vaglio.redaction import redact
from vaglio.sync.sources import Source

_PIECE: Final = 1024 * 1024
_MOST_FILES: Final = 10_000
_UNFINISHED: Final = (
    ".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".swp", "~", ".rejects.csv",
)  # fmt: skip
_TELLING_LINE: Final = 8
"""Shorter lines of a secret of several stand in innocent texts too."""
_USERINFO: Final = re.compile(r"://[^/@\s]*@")
_T = TypeVar("_T")
_TAG_KEYS: Final = ("ETag", "etag")
_TIME_KEYS: Final = ("Last-Modified", "LastModified", "mtime", "created")
_SFTP: Final = frozenset({"sftp", "ssh"})
_EXTRAS: Final = frozenset({"s3", "sftp"})


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

    def close(self) -> None:
        """End the connection, if the protocol keeps one."""
        client = getattr(self._fs, "client", None)
        if client is not None and self._protocol in _SFTP:
            self._guarded(client.close)

    @property
    def _protocol(self) -> str:
        return self._source.url.partition("://")[0]

    def _open(self) -> tuple[Any, str]:
        if self._local:
            return fsspec.filesystem("file", use_listings_cache=False), self._url
        options = {**self._source.options, **self._secret}
        if self._protocol in _SFTP:
            from vaglio.sync import sftp  # noqa: PLC0415 - its package is an extra

            fs, path = fsspec.core.url_to_fs(
                self._url, skip_instance_cache=True, **sftp.connection(self._source.name, options)
            )
            sftp.bound(fs)
            return fs, path or "/"
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
        # S3 tells times more exactly in a listing than for one object: where there is a tag, no time is looked at.
        told = _present(info, _TAG_KEYS) or _present(info, _TIME_KEYS)
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
            package = "vaglio" if self._protocol in _EXTRAS else "fsspec"
            raise InputError(
                f"source {self._source.name}: {self._protocol} needs a package that is not installed "
                f"({error.name}); install it beside vaglio, such as: pip install '{package}[{self._protocol}]'"
            ) from None
        except Exception as error:  # noqa: BLE001 - every protocol brings its own
            raise UnavailableError(
                f"source {self._source.name}: {self._source.url}: {type(error).__name__}: {self._told(error)}"
            ) from None

    def _told(self, error: Exception) -> str:
        text = " ".join(str(error).split())
        for secret in self._secret.values():
            for form in _forms(secret):
                text = text.replace(form, "…")
        # Cut last: of a secret cut in two, the first half would not be found.
        return redact(_USERINFO.sub("://…@", text))[:300] or "no reason given"


def _present(info: Mapping[str, Any], keys: tuple[str, ...]) -> list[str]:
    return [f"{key}={info[key]}" for key in keys if info.get(key) is not None]


def _forms(secret: str) -> list[str]:
    """How an error may quote a secret: as it is, on one line, escaped, in a URL, a key's lines; longest first."""
    lines = [line for line in secret.splitlines() if len(line) >= _TELLING_LINE]
    forms = {secret, " ".join(secret.split()), repr(secret)[1:-1], quote(secret, safe=""), quote(secret), *lines}
    return sorted(forms - {""}, key=len, reverse=True)


def _unfinished(name: str) -> bool:
    return name.startswith(".") or name.lower().endswith(_UNFINISHED)


def _safe(name: str) -> str:
    """A file name that leads nowhere and fits anywhere."""
    plain = "".join(char if char.isalnum() or char in "._-" else "_" for char in name)[-120:]
    return plain if plain.strip("._") else "file"
