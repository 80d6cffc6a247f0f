"""Anchors: checkpoints kept where the log's owner cannot change them afterwards.

Without one, who holds the signing key can write another past and sign it. With one, somebody else holds what was
signed, and at what time: files elsewhere, an HTTP endpoint, a mailbox, a C2SP witness, an RFC 3161 time-stamp
authority.
"""

from vaglio.audit.anchors.definition import Anchor, AnchorKind, load_anchors
from vaglio.audit.anchors.delivery import AnchorError, deliver
from vaglio.audit.anchors.sending import Anchoring
from vaglio.audit.anchors.state import AnchorState, read_state

__all__ = [
    "Anchor",
    "AnchorError",
    "AnchorKind",
    "AnchorState",
    "Anchoring",
    "deliver",
    "load_anchors",
    "read_state",
]
