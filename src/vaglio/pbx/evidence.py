"""What the log holds for a pass: allows of the standby, of this service before its start, calls handed over.

Reads by key, some tens of microseconds: short enough for the event loop.
"""

from collections.abc import Collection

import structlog

from vaglio.audit import Record
from vaglio.errors import NotFoundError, VaglioError
from vaglio.pbx.events import Pass
from vaglio.pbx.guard import Allow
from vaglio.screening import Screener

_SHORT = 6
"""Digits of the longest number that has no E.164 form."""


def allow_in_log(screener: Screener, claim: Pass, peers: Collection[str]) -> Allow | None:
    """The allow that the claimed pass names, if it stands in the log for that channel and that number."""
    if claim.kind != "allow" or not claim.decision:
        return None
    try:
        record = screener.log.show(claim.decision)
    except NotFoundError:
        return None
    body = record.body
    if record.kind != "decision" or body.get("verdict") != "allow":
        return None
    return _borne_out(screener, claim, record, peers)


def failopen_in_log(screener: Screener, claim: Pass, peers: Collection[str]) -> Allow | None:
    """The entry of the call the failure policy let out, if it was handed over by now."""
    for peer in peers:
        for record in screener.log.failopens(peer, claim.unique_id):
            found = _borne_out(screener, claim, record, peers)
            if found is not None:
                return found
    return None


def _borne_out(screener: Screener, claim: Pass, record: Record, peers: Collection[str]) -> Allow | None:
    body = record.body
    if body.get("uniqueid") != claim.unique_id or body.get("pbx") not in peers:
        return None
    campaign = str(body.get("campaign") or "")
    if not _same_number(screener, claim.digits, campaign, record):
        return None
    return Allow(record.id, claim.unique_id, claim.digits, campaign)


def _same_number(screener: Screener, digits: str, campaign: str, record: Record) -> bool:
    sealed = screener.log.sealed(record.id)
    if sealed is None:
        # Short numbers have no side row; an erased one is not being called.
        told = record.body.get("number", {})
        return len(digits) <= _SHORT and "commitment" not in told and told.get("last3") == digits[-3:]
    try:
        e164 = screener.keys.unseal(sealed, record.id)
    except VaglioError as error:
        structlog.get_logger("vaglio.guard").error("entry not readable", entry=record.id, error=str(error))
        return False
    return any(screener.number(text, campaign).e164 == e164 for text in (f"+{digits}", digits))
