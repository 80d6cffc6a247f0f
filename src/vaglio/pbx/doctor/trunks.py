"""Whether what is dialled is a configured trunk, as far as the dialplan's text tells."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from vaglio.pbx.doctor.patterns import is_open, overlap
from vaglio.pbx.doctor.steps import parts

VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_EXTENSION: Final = "${EXTEN}"


class Reach(StrEnum):
    """Where a leg goes."""

    TRUNK = "trunk"
    UNKNOWN = "unknown"
    """Only the running call knows."""
    HOST = "host"
    """To an address, past every peer."""
    ELSEWHERE = "elsewhere"


def reach(
    destination: str, extension: str, trunks: Iterable[str], variables: Mapping[str, str] | None = None
) -> Reach:
    """Where a destination leads: `PJSIP/${NUMBER}@carrier`, `SIP/carrier/…`, `DAHDI/g1/…`.

    Args:
        destination: as `Dial` was given it.
        extension: the extension it stands in, which `${EXTEN}` cannot leave.
        trunks: as in `[[pbx]] trunks`: `PJSIP/carrier`, or the bare peer.
        variables: the PBX's global variables, where they are known.
    """
    for name, value in (variables or {}).items():
        destination = destination.replace(f"${{{name}}}", value)
    technology, _, rest = destination.partition("/")
    if "${" in technology:
        return Reach.UNKNOWN
    peer = _peer(rest)
    known = [trunk.rpartition("/")[2] for trunk in trunks if _same_technology(trunk, technology)]
    if peer == _EXTENSION and extension and not is_open(extension):
        return Reach.UNKNOWN if any(overlap(extension, one) for one in known) else Reach.ELSEWHERE
    # A group of DAHDI channels (g1) has another name than its channels.
    if peer in known or (technology.upper() == "DAHDI" and known):
        return Reach.TRUNK
    if "${" in peer or "$[" in peer:
        return Reach.UNKNOWN
    return Reach.HOST if technology.upper() in {"SIP", "IAX2"} and "." in peer else Reach.ELSEWHERE


def number_in(destination: str) -> str:
    """The part that is the number, for the line that mends the dialplan: `${EXTEN}` where none is seen."""
    rest = destination.partition("/")[2]
    user, at, _ = _cut(rest, "@")
    if at and "/" not in VARIABLE.sub("", user):
        return user or _EXTENSION
    behind = parts(rest, "/")[-1] if len(parts(rest, "/")) > 1 else rest
    return behind.removeprefix("sip:").partition("@")[0] or _EXTENSION


def _peer(rest: str) -> str:
    first = parts(rest, "/")[0]
    user, at, host = _cut(first, "@")
    return (host if at else user).partition(":")[0] if "${" not in (host if at else user) else (host or user)


def _cut(text: str, separator: str) -> tuple[str, str, str]:
    """As `str.rpartition`, outside brackets; without a separator all is the first part."""
    pieces = parts(text, separator)
    if len(pieces) == 1:
        return text, "", ""
    return separator.join(pieces[:-1]), separator, pieces[-1]


def _same_technology(trunk: str, technology: str) -> bool:
    before, slash, _ = trunk.partition("/")
    return not slash or before.upper() == technology.upper()
