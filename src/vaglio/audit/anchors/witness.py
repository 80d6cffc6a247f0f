"""A witness (c2sp.org/tlog-witness): it cosigns only what continues the last checkpoint it saw of this log."""

import re
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Final

from vaglio.audit.anchors.cosignature import WitnessKey, cosigned
from vaglio.audit.anchors.definition import Anchor
from vaglio.audit.anchors.failure import AnchorConflictError, AnchorError
from vaglio.audit.anchors.post import Answer, post
from vaglio.audit.checkpoint import Checkpoint
from vaglio.audit.merkle import consistency_proof
from vaglio.audit.store import explained, open_reading
from vaglio.audit.tiles import MissingTile, fetcher
from vaglio.audit.tree import tile_reader
from vaglio.errors import StoreError, VerificationError

_OK, _FORBIDDEN, _UNKNOWN, _CONFLICT, _INCONSISTENT = 200, 403, 404, 409, 422
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n", re.ASCII)
_REFUSED: Final = {
    _FORBIDDEN: "does not know this log's signing key; give it the line in keys/signing.vkey",
    _UNKNOWN: "does not know this log; have it add the log's origin and the line in keys/signing.vkey",
}


def deliver_witness(anchor: Anchor, checkpoint: Checkpoint, log: Path, seen: int) -> bytes:
    """Have the checkpoint cosigned; returns it with the cosignature.

    Args:
        anchor: of kind witness.
        checkpoint: of the log.
        log: audit.db, for the consistency proof.
        seen: size of the last checkpoint that the witness is known to have cosigned; 0 when none is.

    Raises:
        AnchorError: when there is no valid cosignature.
        AnchorConflictError: when the witness has seen what this log does not continue.
    """
    if seen > checkpoint.size:
        raise AnchorConflictError(_larger(seen, checkpoint))
    answer = _asked(anchor, checkpoint, log, seen)
    if answer.status == _CONFLICT:
        latest = _SIZE.fullmatch(answer.body)
        if latest is None or int(latest[1]) == seen:
            raise AnchorConflictError(f"has cosigned another tree of {seen} entries: the log was rewritten")
        if int(latest[1]) > checkpoint.size:
            raise AnchorConflictError(_larger(int(latest[1]), checkpoint))
        answer = _asked(anchor, checkpoint, log, int(latest[1]))
    if answer.status == _INCONSISTENT:
        raise AnchorConflictError("says that the log does not continue what it cosigned: the log was rewritten")
    if answer.status != _OK:
        raise AnchorError(_REFUSED.get(answer.status, f"answered {answer.status}"))
    try:
        return cosigned(checkpoint, answer.body, WitnessKey.parse(anchor.key or "")).note.raw
    except VerificationError as error:
        raise AnchorError(str(error)) from error


def _asked(anchor: Anchor, checkpoint: Checkpoint, log: Path, old: int) -> Answer:
    proof = _proof(log, old, checkpoint.size)
    lines = [f"old {old}", *(b64encode(one).decode("ascii") for one in proof), "", ""]
    body = "\n".join(lines).encode("ascii") + checkpoint.raw
    return post(f"{anchor.url.rstrip('/')}/add-checkpoint", body, "text/plain", anchor.timeout_seconds)


def _proof(log: Path, old: int, new: int) -> list[bytes]:
    try:
        with closing(open_reading(log)) as connection, explained(log):
            return consistency_proof(fetcher(tile_reader(connection)), old, new)
    except (MissingTile, StoreError) as error:
        raise AnchorError(f"no consistency proof could be made ({error})") from error


def _larger(seen: int, checkpoint: Checkpoint) -> str:
    return f"has cosigned {seen} entries, the log has {checkpoint.size}: an older file was put back"
