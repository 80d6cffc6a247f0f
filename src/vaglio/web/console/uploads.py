"""Files that a form brings: kept in a private directory for as long as they are used."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

from starlette.datastructures import UploadFile

from vaglio.errors import VaglioError
from vaglio.web.console.visit import Visit
from vaglio.web.problems import ProblemError

_LONGEST_NAME: Final = 120


def uploaded(visit: Visit, name: str) -> UploadFile | None:
    """The file of a field; None when none was chosen."""
    value = visit.form.get(name)
    return value if isinstance(value, UploadFile) and value.filename else None


def name_of(upload: UploadFile) -> str:
    """How the person calls the file, without directories and what cannot be seen."""
    base = (upload.filename or "").replace("\\", "/").rpartition("/")[2]
    base = base.replace("%22", '"')  # as browsers write a quote in a form (WHATWG, multipart/form-data)
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in base)[:_LONGEST_NAME]


async def keep(upload: UploadFile, target: Path) -> None:
    """Write the file where only this service reads it.

    Raises:
        ProblemError: 503 when it cannot be written.
    """
    try:
        await asyncio.to_thread(_copied, upload.file, target)
    except OSError as error:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE, f"the upload cannot be kept ({error.strerror}); free some disk space"
        ) from error
    finally:
        await upload.close()


@asynccontextmanager
async def kept(upload: UploadFile) -> AsyncIterator[Path]:
    """The file on disk while the block runs."""
    with TemporaryDirectory(prefix="vaglio-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "upload"
        await keep(upload, path)
        yield path


def told(error: VaglioError, path: Path, name: str) -> str:
    """An error's text with the file called as the person calls it."""
    return str(error).replace(str(path), name)


def _copied(source: BinaryIO, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        source.seek(0)
        shutil.copyfileobj(source, file, 1 << 20)
