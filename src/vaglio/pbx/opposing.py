"""An objection made in a call, however it came: by the route `oppose`, a key, an IVR, a dialler's event.

It names a number, or the decision of a call; then the campaign need not be named, and the call is the evidence.
"""

from vaglio.audit import Record, outcome_entry
from vaglio.errors import InputError, NotFoundError
from vaglio.index.records import OppositionRecord
from vaglio.model import ANY, CallOutcome
from vaglio.numbers import Number
from vaglio.pbx.parts import Parts

_ULID_CHARACTERS = 26


async def oppose(parts: Parts, told: str, campaign_id: str, unique_id: str) -> str:
    """Record an opposition to the campaign's controller, all purposes; the id of its entry.

    It binds from the next question on.

    Args:
        parts: what the service works with.
        told: the called number as dialled, or the decision id of the call.
        campaign_id: may be empty where `told` is a decision.
        unique_id: of the channel it came from.

    Raises:
        InputError: no such campaign, or no number.
        StoreError: it could not be recorded.
    """
    call = call_of(parts, told)
    campaign = parts.screener.index.campaign(campaign_id or (str(call.body.get("campaign", "")) if call else ""))
    if campaign is None:
        raise InputError("oppose: no such campaign; the opposition names the controller by it")
    number = _number(parts, told, campaign.id)
    if number.e164 is None:
        raise InputError(f"oppose: {number.masked} is no number; pass the called number or its decision id")
    evidence = f"decision:{call.id}" if call else None
    record = OppositionRecord(number.key, campaign.controller, ANY, parts.clock(), "call", evidence)
    origin = {"campaign": campaign.id, "uniqueid": unique_id}
    announced, _ = await parts.changes.oppose(record, number, origin)
    return announced.id


async def refuse(parts: Parts, decision: str) -> None:
    """The called person refused in conversation: the call's outcome, which lock-outs rest on.

    Raises:
        InputError: no such decision.
        StoreError: it could not be recorded.
    """
    call = call_of(parts, decision)
    if call is None:
        raise InputError("refusal: no such decision; pass VAGLIO_DECISION of the call")
    await parts.writer.append(outcome_entry(call.id, parts.clock(), CallOutcome.REFUSED, {"told": "event"}))


def call_of(parts: Parts, told: str) -> Record | None:
    """The entry of the call that a decision id names."""
    if len(told) != _ULID_CHARACTERS:
        return None
    try:
        record = parts.screener.log.show(told)
    except NotFoundError:
        return None
    return record if record.kind in {"decision", "failopen"} else None


def _number(parts: Parts, told: str, campaign_id: str) -> Number:
    screener = parts.screener
    sealed = screener.log.sealed(told) if len(told) == _ULID_CHARACTERS else None
    if sealed is not None:
        told = screener.keys.unseal(sealed, told)
    return screener.number(told, campaign_id)
