"""What the log holds for a pass: allows of the standby, of this service before its start, calls handed over.

Reads by key, some tens of microseconds: short enough for the event loop.
"""

from dataclasses import dataclass

import structlog

from vaglio.audit import Record
from vaglio.errors import NotFoundError, VaglioError
from vaglio.pbx.events import Pass
from vaglio.pbx.guard import Allow
from vaglio.screening import Screener

_SHORT = 6
"""Digits of the longest number that has no E.164 form."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A pass that the log bears out, and the address the question came from."""

    allow: Allow
    peer: str


def allow_in_log(screener: Screener, claim: Pass) -> Proven | None:
    """The allow that the claimed pass names, if it stands in the log for that channel and that number."""
    if claim.kind != "allow" or not claim.decision:
        return None
    try:
        record = screener.log.show(claim.decision)
    except NotFoundError:
        return None
    if record.kind != "decision" or record.body.get("verdict") != "allow":
        return None
    return _borne_out(screener, claim, record)


def failopen_in_log(screener: Screener, claim: Pass) -> Proven | None:
    """The entry of the call the failure policy let out, if it was handed over by now."""
    records = screener.log.failopens(claim.unique_id)
    return next((found for record in records if (found := _borne_out(screener, claim, record))), None)


def _borne_out(screener: Screener, claim: Pass, record: Record) -> Proven | None:
    body = record.body
    campaign = str(body.get("campaign") or "")
    if body.get("uniqueid") != claim.unique_id or not _same_number(screener, claim.digits, campaign, record):
        return None
    return Proven(Allow(record.id, claim.unique_id, claim.digits, campaign), str(body.get("pbx", "")))


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
