"""The two lists that come out: every record as it came in, with what was advised behind it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from vaglio.errors import InputError
from vaglio.reports.cells import neutral
from vaglio.reports.scrub.judging import Advice

COLUMNS: Final = ("vaglio_verdict", "vaglio_reason", "vaglio_rule", "vaglio_next", "vaglio_would_be")
"""Added behind the last column, in order; docs/scrub.md describes each."""
_MINUTE: Final = timedelta(minutes=1)


@dataclass(slots=True)
class Results:
    """`allowed.csv` and `blocked.csv` while they are written."""

    allowed: BinaryIO
    blocked: BinaryIO
    delimiter: bytes
    end: bytes
    """Line end of a record that has none of its own: the file's last."""

    def begin(self, mark: bytes, header: bytes | None) -> None:
        """The byte order mark and the header, where the list has them."""
        for target in (self.allowed, self.blocked):
            target.write(mark)
            if header is not None:
                target.write(self._with(header, self._joined(COLUMNS)))

    def add(self, batch: Sequence[bytes], advised: Sequence[Advice]) -> None:
        """Records with the advice on each."""
        allowed: list[bytes] = []
        blocked: list[bytes] = []
        tails: dict[Advice, tuple[bytes, list[bytes]]] = {}
        for record, advice in zip(batch, advised, strict=True):
            known = tails.get(advice)
            if known is None:
                known = (self._joined(_told(advice)), allowed if advice.allowed else blocked)
                tails[advice] = known
            tail, target = known
            if record[-2:] == b"\r\n":
                target += (record[:-2], tail, b"\r\n")
            elif record[-1:] == b"\n":
                target += (record[:-1], tail, b"\n")
            else:
                target += (record, tail, self.end)
        self.allowed.write(b"".join(allowed))
        self.blocked.write(b"".join(blocked))

    def _with(self, record: bytes, tail: bytes) -> bytes:
        if record.endswith(b"\r\n"):
            return record[:-2] + tail + b"\r\n"
        return record[:-1] + tail + b"\n" if record.endswith(b"\n") else record + tail + self.end

    def _joined(self, values: Sequence[str]) -> bytes:
        cells = (value.encode() for value in map(neutral, values))
        return b"".join(self.delimiter + cell for cell in cells)


def _told(advice: Advice) -> tuple[str, ...]:
    decision = advice.decision
    return (
        decision.verdict.value,
        decision.reason.value,
        advice.rule,
        "" if advice.next is None else moment_text(advice.next),
        "" if decision.would_be is None else decision.would_be.value,
    )


def moment_text(moment: datetime) -> str:
    """An instant to the minute, in UTC, never too early."""
    whole = moment.replace(second=0, microsecond=0)
    return (whole if whole == moment else whole + _MINUTE).strftime("%Y-%m-%dT%H:%MZ")


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the two lists go."""

    allowed: Path
    blocked: Path


@contextmanager
def opened(folder: Path, source: Path) -> Iterator[tuple[Targets, BinaryIO, BinaryIO]]:
    """Both lists open; they are there whole at the end, or not at all.

    Raises:
        InputError: when they cannot be written, or one of them is the list itself.
    """
    targets = Targets(folder / "allowed.csv", folder / "blocked.csv")
    if source.resolve() in (targets.allowed.resolve(), targets.blocked.resolve()):
        raise InputError(f"{source}: would be written over; name another directory with --out")
    parts: list[tuple[Path, Path]] = []
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        with ExitStack() as stack:
            streams = []
            for target in (targets.allowed, targets.blocked):
                part = target.with_name(f".{target.name}.{os.getpid()}.part")
                descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
                parts.append((part, target))
                streams.append(stack.enter_context(os.fdopen(descriptor, "wb", buffering=1 << 20)))
            yield targets, streams[0], streams[1]
        for part, target in parts:
            part.replace(target)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); name another with --out") from error
    finally:
        for part, _ in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)
