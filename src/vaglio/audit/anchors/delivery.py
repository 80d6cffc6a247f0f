"""One checkpoint to one anchor, once, and what comes back kept as a receipt."""

import os
from datetime import datetime
from pathlib import Path
from typing import Final, assert_never

from vaglio.audit.anchors.definition import Anchor, AnchorKind
from vaglio.audit.anchors.failure import AnchorError
from vaglio.audit.anchors.files import deliver_file
from vaglio.audit.anchors.mail import deliver_mail
from vaglio.audit.anchors.post import post
from vaglio.audit.anchors.timestamp import deliver_timestamp
from vaglio.audit.anchors.witness import deliver_witness
from vaglio.audit.checkpoint import Checkpoint

__all__ = ["AnchorError", "deliver"]

_TEXT: Final = "text/plain; charset=utf-8"


def deliver(anchor: Anchor, checkpoint: Checkpoint, log: Path, receipts: Path, at: datetime, seen: int) -> None:
    """Hand a checkpoint over; blocks for as long as the anchor's time-outs allow, so never on the event loop.

    Args:
        anchor: where to.
        checkpoint: what.
        log: audit.db.
        receipts: directory in which a cosigned checkpoint or a time stamp is kept, one below it an anchor.
        at: now.
        seen: size of the last checkpoint that reached the anchor.

    Raises:
        AnchorError, ConfigError: when it was not taken; the text holds no secret.
    """
    match anchor.kind:
        case AnchorKind.FILE:
            deliver_file(anchor, checkpoint, at)
        case AnchorKind.HTTP:
            _deliver_http(anchor, checkpoint)
        case AnchorKind.MAIL:
            deliver_mail(anchor, checkpoint, at)
        case AnchorKind.WITNESS:
            _keep(receipts / anchor.name, checkpoint, deliver_witness(anchor, checkpoint, log, seen))
        case AnchorKind.TIMESTAMP:
            stamp = deliver_timestamp(anchor, checkpoint)
            _keep(receipts / anchor.name, checkpoint, checkpoint.raw, stamp)
        case never:
            assert_never(never)


def _deliver_http(anchor: Anchor, checkpoint: Checkpoint) -> None:
    secret = anchor.secret()
    authorization = f"Bearer {secret}" if secret else None
    answer = post(anchor.url, checkpoint.raw, _TEXT, anchor.timeout_seconds, authorization)
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's range of success
        raise AnchorError(f"answered {answer.status}")


def _keep(directory: Path, checkpoint: Checkpoint, note: bytes, stamp: bytes | None = None) -> None:
    """Keep `<size>.checkpoint`, and `<size>.tsr` beside it."""
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        for suffix, content in ((".tsr", stamp), (".checkpoint", note)):
            if content is not None:
                target = directory / f"{checkpoint.size:020d}{suffix}"
                partial = target.with_name(f".{target.name}.{os.getpid()}.part")
                partial.write_bytes(content)
                partial.replace(target)
    except OSError as error:
        raise AnchorError(f"{directory}: the receipt cannot be kept ({error.strerror})") from error
