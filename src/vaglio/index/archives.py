"""A register's file as it comes: plain, gzip or zip, told by its first bytes; read as a stream, never unpacked.

Hostile archives are refused: a member whose name leads elsewhere, an encrypted or nested one, one that unpacks to
far more than it weighs.
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from vaglio.errors import InputError

MAX_MEMBERS: Final = 4096
MAX_BYTES: Final = 64 * 1024**3
"""Of one file, unpacked."""
MAX_RATIO: Final = 100
_RATIO_FROM: Final = 64 * 1024**2
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP: Final = b"\x1f\x8b"


class _Guarded(io.RawIOBase):
    """A stream that stops a bomb: counts what comes out against what the archive weighs."""

    def __init__(self, file: Path, stream: BinaryIO, weight: int, told: Callable[[], None]) -> None:
        super().__init__()
        self._file = file
        self._stream = stream
        self._weight = max(weight, 1)
        self._told = told
        self._out = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # narrower than the base
        """Fill the buffer; raises InputError for a broken archive or a bomb."""
        try:
            piece = self._stream.read(len(buffer))
        except (EOFError, zipfile.BadZipFile, zlib.error, OSError, NotImplementedError) as error:
            raise InputError(f"{self._file}: broken or cut off ({error}); fetch it again") from error
        self._out += len(piece)
        if self._out > MAX_BYTES or (self._out > _RATIO_FROM and self._out > self._weight * MAX_RATIO):
            raise InputError(
                f"{self._file}: unpacks to more than {MAX_RATIO} times its size; it is no register's file"
            )
        self._told()
        buffer[: len(piece)] = piece
        return len(piece)


def members(file: Path, on_bytes: Callable[[int, int], None] | None = None) -> Iterator[tuple[str, BinaryIO]]:
    """Each text in a file, by name: the file itself, or what a gzip or zip holds. Read one before taking the next.

    `on_bytes` is told how many bytes of the file were read, and its size. Raises InputError for a file that cannot
    be read and for a hostile archive.
    """
    try:
        with file.open("rb") as raw:
            size = file.stat().st_size
            head = raw.read(4)
            raw.seek(0)

            def told() -> None:
                if on_bytes is not None:
                    on_bytes(raw.tell(), size)

            if head in _ZIP:
                yield from _zip_members(file, raw, told)
            elif head.startswith(_GZIP):
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield file.name.removesuffix(".gz"), _buffered(_Guarded(file, stream, size, told))  # type: ignore[arg-type] # a file in all but name
            else:
                yield file.name, _buffered(_Guarded(file, raw, size, told))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); name a file that can") from error


def _zip_members(file: Path, raw: BinaryIO, told: Callable[[], None]) -> Iterator[tuple[str, BinaryIO]]:
    try:
        archive = zipfile.ZipFile(raw)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InputError(f"{file}: broken or cut off ({error}); fetch it again") from error
    with archive:
        inside = [member for member in archive.infolist() if not member.is_dir()]
        if not inside or len(inside) > MAX_MEMBERS:
            raise InputError(f"{file}: holds {len(inside)} files; expected 1 to {MAX_MEMBERS}")
        for member in inside:
            _refuse_hostile(file, member)
        for member in inside:
            try:
                stream = archive.open(member)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                raise InputError(f"{file}: broken or cut off ({error}); fetch it again") from error
            with stream:
                guarded = _Guarded(file, stream, member.compress_size, told)  # type: ignore[arg-type] # as above
                yield PurePosixPath(member.filename).name, _buffered(guarded)


def _refuse_hostile(file: Path, member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in member.filename:
        raise InputError(f"{file}: a name within it leads out of the archive; it is no register's file")
    if member.flag_bits & 0x1:
        raise InputError(f"{file}: is encrypted; unpack it with its password first")
    if path.suffix.lower() in {".zip", ".gz", ".7z", ".rar"}:
        raise InputError(f"{file}: holds an archive within the archive; unpack it first")
    if member.file_size > MAX_BYTES:
        raise InputError(f"{file}: unpacks to more than {MAX_BYTES} bytes; it is no register's file")


def _buffered(guarded: _Guarded) -> BinaryIO:
    return io.BufferedReader(guarded, 1024 * 1024)
