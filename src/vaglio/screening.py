"""The screen: index → rules → log. The only room that ties the three.

`Screener.judge` decides and writes nothing: `vaglio check`, a replay and the API use it. `Screener.screen` judges
and makes the decision durable before it returns: the call's path. Both are the same code.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from time import perf_counter_ns

from vaglio.audit import AttemptTaken, Claim, Keys, Writer, decision_entry
from vaglio.audit import Reader as LogReader
from vaglio.clock import Clock, now
from vaglio.errors import StoreError
from vaglio.index.reader import Reader as IndexReader
from vaglio.model import Call, Campaign, Decision, Facts
from vaglio.numbers import Kind, Number, parse
from vaglio.rules import Rulebooks

_TRIES = 8
"""How often a decision is made again because another call took the attempt it counted on."""
_NO_REGION = "IT"
"""Whose national form a number is read in when the campaign is unknown: it only decides what the log can say."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision with the question and the facts it rests on."""

    call: Call
    facts: Facts
    decision: Decision
    facts_us: int
    """Microseconds for number and facts."""
    rules_us: int


@dataclass(frozen=True, slots=True)
class Screened:
    """A durable decision."""

    id: str
    """ULID of its entry: the decision id on the channel, the CDR and the trunk's INVITE."""
    entry: int
    """Sequence number of its entry."""
    judgement: Judgement


class Screener:
    """Answers calls from one index, one set of rulebooks, into one log."""

    def __init__(
        self,
        index: IndexReader,
        log: LogReader,
        keys: Keys,
        rulebooks: Rulebooks,
        emergency: frozenset[str],
        clock: Clock = now,
    ) -> None:
        self.index = index
        self.log = log
        self.keys = keys
        self.rulebooks = rulebooks
        self.emergency = emergency
        self.clock = clock

    def judge(
        self,
        dialled: str,
        campaign_id: str,
        caller_id: str,
        *,
        at: datetime | None = None,
        pbx: str = "",
        uniqueid: str = "",
        controller: str | None = None,
    ) -> Judgement:
        """Decide without writing anything; short enough for the event loop.

        `dialled` is what the dialplan passed, `caller_id` is empty when withheld. With `at`, only facts dated up
        to it count and every age is measured at it; without, the clock is read once. With `controller`, campaigns
        of any other are unknown.

        Raises:
            StoreError: when the index or the log cannot be read.
        """
        started = perf_counter_ns()
        while True:
            last_read = self.index.campaign_last_read(campaign_id)
            campaign = last_read if controller is None or _of(last_read, controller) else None
            number = self._number(dialled, campaign)
            region = campaign.region if campaign else _NO_REGION
            call = Call(number, campaign_id, _caller_id(caller_id, region), at or self.clock(), pbx, uniqueid)
            facts = self._facts(call, campaign, dated=at)
            if self.index.campaign_last_read(campaign_id) is last_read:
                break  # else the campaigns changed, which reading the facts has shown
        known = perf_counter_ns()
        decision = self.rulebooks.evaluate(call, campaign, facts)
        return Judgement(call, facts, decision, (known - started) // 1000, (perf_counter_ns() - known) // 1000)

    def number(self, dialled: str, campaign_id: str) -> Number:
        """What the dialplan dialled, read in the campaign's region and behind its trunk prefix."""
        return self._number(dialled, self.index.campaign(campaign_id))

    async def screen(
        self, writer: Writer, dialled: str, campaign_id: str, caller_id: str, *, pbx: str, uniqueid: str
    ) -> Screened:
        """Decide and make the decision durable; only then is there a verdict.

        Raises:
            StoreError: when a database cannot be read or written. There is no verdict then.
        """
        for _ in range(_TRIES):
            judgement = self.judge(dialled, campaign_id, caller_id, pbx=pbx, uniqueid=uniqueid)
            decision, facts = judgement.decision, judgement.facts
            entry = decision_entry(
                judgement.call, facts, decision, {"facts": judgement.facts_us, "rules": judgement.rules_us}
            )
            claim = None
            if decision.attempt_window is not None:
                claim = Claim(decision.attempt_window, frozenset(attempt.decision for attempt in facts.attempts))
            try:
                return Screened(entry.id, await writer.append(entry, claim=claim), judgement)
            except AttemptTaken:
                continue
        raise StoreError(
            f"{_TRIES} other calls to the same number took each attempt first; no verdict for this one"
        )

    def _number(self, dialled: str, campaign: Campaign | None) -> Number:
        if campaign is None:
            return parse(dialled, region=_NO_REGION, emergency=self.emergency)
        return parse(dialled, region=campaign.region, trunk_prefix=campaign.trunk_prefix, emergency=self.emergency)

    def _facts(self, call: Call, campaign: Campaign | None, *, dated: datetime | None) -> Facts:
        if campaign is None or call.number.e164 is None:
            return Facts(generation=self.index.generation(), campaign=campaign)
        jurisdiction = self.rulebooks.jurisdiction_of(call.number, None, campaign)
        registers = self.rulebooks.registers(jurisdiction, call.at) if jurisdiction else ()
        facts = self.index.facts(call.number, campaign, registers, dated)
        if facts.contact is not None and facts.contact.region is not None:
            actual = self.rulebooks.jurisdiction_of(call.number, facts.contact, campaign)
            if (
                actual != jurisdiction
            ):  # the contact says that the number is used elsewhere: ask that law's registers
                jurisdiction = actual
                registers = self.rulebooks.registers(jurisdiction, call.at) if jurisdiction else ()
                facts = self.index.facts(call.number, campaign, registers, dated)
        window = self.rulebooks.attempt_window(jurisdiction, call.at, campaign) if jurisdiction else None
        if window is None:
            return facts
        attempts = self.log.attempts(
            self.keys.token(call.number.e164),
            campaign.controller,
            call.at - window,
            now=call.at,
            call=(call.pbx, call.uniqueid),
        )
        return replace(facts, attempts=attempts) if attempts else facts


def _of(campaign: Campaign | None, controller: str) -> bool:
    return campaign is not None and campaign.controller == controller


@lru_cache(maxsize=4096)
def _caller_id(text: str, region: str) -> str | None:
    """The caller id as declared numbers are written: E.164, or the digits of a short code; None when withheld."""
    number = parse(text, region=region, emergency=frozenset())
    if number.kind is Kind.INVALID and not number.digits:
        return None
    return number.e164 or number.digits
