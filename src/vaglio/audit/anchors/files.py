"""Checkpoints as files elsewhere: a mounted directory, or any store that fsspec reaches."""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import fsspec

from vaglio.audit.anchors.definition import Anchor
from vaglio.audit.anchors.failure import AnchorConflictError, AnchorError
from vaglio.audit.checkpoint import Checkpoint

_MAX: Final = 1 << 20


def deliver_file(anchor: Anchor, checkpoint: Checkpoint, at: datetime) -> None:
    """Write `YYYY/MM/DD/<size, 20 digits>.checkpoint` below the anchor's directory; nothing is written over.

    Raises:
        AnchorError: when it cannot be written.
        AnchorConflictError: when another checkpoint of that size stands there.
    """
    name = f"{at:%Y/%m/%d}/{checkpoint.size:020d}.checkpoint"
    scheme = urlsplit(anchor.url).scheme
    if scheme in {"", "file"}:
        _local(anchor.path(Path(anchor.url.removeprefix("file://"))) / name, checkpoint.raw)
    else:
        _remote(f"{anchor.url.rstrip('/')}/{name}", checkpoint.raw)


def _local(target: Path, raw: bytes) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            _same(target.read_bytes()[:_MAX], raw)
            return
        try:
            with partial.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise AnchorError(f"{target.parent}: cannot be written ({error.strerror})") from error


def _remote(url: str, raw: bytes) -> None:
    try:
        store, path = fsspec.core.url_to_fs(url)
        if store.exists(path):
            _same(bytes(store.cat_file(path, end=_MAX)), raw)
            return
        store.makedirs(path.rpartition("/")[0], exist_ok=True)
        store.pipe_file(path, raw)
    except AnchorError:
        raise
    except Exception as error:  # each store has exceptions of its own
        raise AnchorError(f"{urlsplit(url).scheme}: cannot be written ({type(error).__name__})") from error


def _same(there: bytes, raw: bytes) -> None:
    if there != raw and Checkpoint.parse(there).note.text != Checkpoint.parse(raw).note.text:
        raise AnchorConflictError("another checkpoint of that size stands there: the log was rewritten")
