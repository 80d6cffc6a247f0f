"""Which entries of the log exist for a caller: all, or those of one controller."""

from vaglio.audit import Reader, Record
from vaglio.errors import NotFoundError
from vaglio.web.access.caller import Caller


def visible(caller: Caller, log: Reader, record: Record) -> bool:
    """Whether the entry exists for the caller.

    To somebody with one controller only entries that name it do, and those that speak of such an entry: a
    delivery, an outcome. Entries that name none (an import, a start) exist for callers without that bound.
    """
    if caller.controller is None:
        return True
    body = record.body
    if "controller" in body:
        return body["controller"] is not None and caller.sees(body["controller"])
    ref = body.get("ref")
    if not isinstance(ref, str):
        return False
    try:
        spoken_of = log.show(ref).body
    except NotFoundError:
        return False
    return spoken_of.get("controller") is not None and caller.sees(spoken_of["controller"])
