"""Recorded calls decided again: the same question and facts, under the law in force or one that is to be tried.

What a decision's record holds is taken from it: instant, caller id, campaign as it was, what each register said.
The person's own facts (oppositions, consents, relationships, contact) are read from the index as they stood at
that instant. A call whose number was erased or has expired cannot be decided again, and is counted as such.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from vaglio.audit import Record
from vaglio.model import (
    Attempt,
    Call,
    Campaign,
    CampaignMode,
    Decision,
    DialMode,
    Facts,
    Purpose,
    Reason,
    RegisterState,
    RegisterStatus,
    Verdict,
)
from vaglio.numbers import Number, parse_e164
from vaglio.rules import Rulebooks
from vaglio.screening import Screener


@dataclass(frozen=True, slots=True)
class Replayed:
    """One recorded decision and what it would be now."""

    decision: str
    """Id of the recorded decision."""
    at: datetime
    campaign: str
    last3: str
    verdict: Verdict
    reason: Reason
    again: Decision | None
    """None when the number behind the record is gone."""

    @property
    def changed(self) -> bool:
        """Whether the call would have been decided otherwise, or for another reason."""
        return self.again is not None and (self.again.verdict, self.again.reason) != (self.verdict, self.reason)


def replay(
    screener: Screener, rulebooks: Rulebooks, since: datetime, until: datetime | None
) -> Iterator[Replayed]:
    """Decide the calls of a time again, oldest first.

    Raises:
        StoreError: when a database cannot be read.
        VerificationError: when a sealed number does not open with the sealing key.
    """
    for record in screener.log.between(since, until):
        if record.kind == "decision":
            yield _again(screener, rulebooks, record)


def _again(screener: Screener, rulebooks: Rulebooks, record: Record) -> Replayed:
    body = record.body
    campaign = _campaign(screener.index.campaign(body["campaign"]), body["facts"].get("campaign"))
    number = _number(screener, record, body["number"])
    again = None
    if number is not None:
        call = Call(number, body["campaign"], body["caller_id"], record.at, body["pbx"], body["uniqueid"])
        again = rulebooks.evaluate(call, campaign, _facts(screener, rulebooks, call, campaign, body))
    return Replayed(
        record.id,
        record.at,
        body["campaign"],
        body["number"]["last3"],
        Verdict(body["verdict"]),
        Reason(body["reason"]),
        again,
    )


def _number(screener: Screener, record: Record, told: Mapping[str, Any]) -> Number | None:
    """The number behind a record; one without E.164 (emergency, short, invalid) is known by its kind alone."""
    if "commitment" not in told:
        kind = screener.number("", "").kind.__class__(told["kind"])
        return replace(screener.number("", ""), kind=kind, country=told["country"], digits=told["last3"])
    sealed = screener.log.sealed(record.id)
    return None if sealed is None else parse_e164(screener.keys.unseal(sealed, record.id))


def _campaign(known: Campaign | None, told: Mapping[str, str] | None) -> Campaign | None:
    """The campaign as it was decided: what the record tells of it over what it is today."""
    if known is None or told is None:
        return None
    return replace(
        known,
        purpose=Purpose(told["purpose"]),
        sector=told["sector"],
        dial_mode=DialMode(told["dial_mode"]),
        mode=CampaignMode(told["mode"]),
        region=told["region"],
    )


def _facts(
    screener: Screener, rulebooks: Rulebooks, call: Call, campaign: Campaign | None, body: Mapping[str, Any]
) -> Facts:
    if campaign is None or call.number.e164 is None:
        return Facts(generation=body["generation"], campaign=campaign)
    recorded = {name: _status(name, told) for name, told in body["facts"].get("registers", {}).items()}
    facts = screener.index.facts(call.number, campaign, (), call.at)
    jurisdiction = rulebooks.jurisdiction_of(call.number, facts.contact, campaign)
    asked = rulebooks.registers(jurisdiction, call.at)
    unrecorded = [name for name in asked if name not in recorded]
    found = screener.index.facts(call.number, campaign, unrecorded, call.at).registers if unrecorded else {}
    window = rulebooks.attempt_window(jurisdiction, call.at, campaign)
    attempts: tuple[Attempt, ...] = ()
    if window is not None:
        counted = screener.log.attempts(
            screener.keys.token(call.number.e164),
            campaign.controller,
            call.at - window,
            now=call.at,
            call=(call.pbx, call.uniqueid),
        )
        attempts = tuple(attempt for attempt in counted if attempt.at < call.at)
    return replace(facts, registers={**found, **recorded}, attempts=attempts)


def _status(name: str, told: Mapping[str, str | None]) -> RegisterStatus:
    as_of, void = told["as_of"], told["void_until"]
    return RegisterStatus(
        name,
        RegisterState(str(told["state"])),
        datetime.fromisoformat(as_of) if as_of else None,
        told["source"],
        date.fromisoformat(void) if void else None,
    )
