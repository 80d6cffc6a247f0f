"""The last verification of the whole log: what it found, when, and at whose request; kept for whoever asks later.

As a program, `python -m vaglio.reports.verification FILE BY VIA` verifies the log of the installation that the
configuration file describes, tells its progress in lines `DONE TOTAL` on standard output, and keeps the result. It
is run so by the web process, whose other work must not wait; it ends when nobody reads its lines any more.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson

from vaglio.audit.damage import Damage, DamageKind, Verification
from vaglio.audit.verify import verify_log
from vaglio.clock import now
from vaglio.errors import StoreError, VaglioError
from vaglio.redaction import redact
from vaglio.site import Site

_FILE: Final = "verification.json"
_VERSION: Final = 1
_MOST_DAMAGES: Final = 200
_MOST_BYTES: Final = 1 << 20
_NICE: Final = 10


@dataclass(frozen=True, slots=True)
class LastVerification:
    """A verification that came to its end."""

    began: datetime
    ended: datetime
    by: str
    """The account's or the shell user's name."""
    via: str
    """`console` or `shell`."""
    key: str
    """The public key that was trusted."""
    found: Verification
    """With the first `_MOST_DAMAGES` damages."""
    damages: int
    """How many there are."""


def verified(
    site: Site, by: str, via: str, progress: Callable[[int, int], None] | None = None
) -> LastVerification:
    """Verify the whole log with the site's own keys, and keep what was found.

    Raises:
        VaglioError: when the log or the keys cannot be read, or the result cannot be kept.
    """
    began, keys = now(), site.keys()
    found = verify_log(site.log_file, keys.verifier, keys=keys, progress=progress)
    last = LastVerification(began, now(), by, via, keys.verifier.vkey, found, len(found.damages))
    keep(site, last)
    return last


def keep(site: Site, last: LastVerification) -> None:
    """Put a result in the place of the last one.

    Raises:
        StoreError: when the file cannot be written.
    """
    found = asdict(last.found) | {"damages": [asdict(one) for one in last.found.damages[:_MOST_DAMAGES]]}
    file = _file(site)
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{_FILE}-")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(orjson.dumps({"v": _VERSION, **asdict(last), "found": found}))
                os.fchmod(stream.fileno(), 0o644)  # it holds no number, and another user may read it
            os.replace(name, file)  # noqa: PTH105 - in one step, over what was there
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108 - the name is mkstemp's
            raise
    except OSError as error:
        raise StoreError(f"{file}: cannot be written ({error.strerror}); see to its directory") from error


def last_verification(site: Site) -> LastVerification | None:
    """The last result kept; None when none was, or the file is not one of this release."""
    try:
        with _file(site).open("rb") as stream:
            told = orjson.loads(stream.read(_MOST_BYTES))
        if told["v"] != _VERSION:
            return None
        found = told["found"]
        damages = tuple(Damage(one["seq"], DamageKind(one["kind"]), one["detail"]) for one in found["damages"])
        return LastVerification(
            datetime.fromisoformat(told["began"]),
            datetime.fromisoformat(told["ended"]),
            str(told["by"]),
            str(told["via"]),
            str(told["key"]),
            Verification(**{**found, "damages": damages}),
            int(told["damages"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file(site: Site) -> Path:
    return site.accounts_file.with_name(_FILE)


def main(arguments: list[str]) -> int:
    """Verify as a program of its own: 0 when a result was kept, else 2 and a line on standard error."""
    file, by, via = arguments
    os.nice(_NICE)

    def told(done: int, total: int) -> None:
        sys.stdout.write(f"{done} {total}\n")
        sys.stdout.flush()

    try:
        verified(Site.at(Path(file)), by, via, told)
    except BrokenPipeError:
        return 2
    except VaglioError as error:
        sys.stderr.write(redact(str(error)) + "\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
