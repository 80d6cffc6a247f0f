"""How long one decision takes under the Italian rulebook, with a full set of facts, warm."""

import statistics
from datetime import UTC, date, datetime, timedelta
from time import perf_counter_ns

from vaglio.model import (
    Attempt,
    Call,
    CallOutcome,
    Campaign,
    Consent,
    ConsentChannel,
    Contact,
    DialMode,
    Facts,
    Opposition,
    Purpose,
    RegisterState,
    RegisterStatus,
    Relationship,
    RelationshipKind,
    SubjectType,
)
from vaglio.numbers import parse_e164
from vaglio.rules import Rulebooks, load

AT = datetime(2026, 4, 22, 9, 30, tzinfo=UTC)
ROUNDS = 20_000
TARGET_US = 40


def question() -> tuple[Call, Campaign, Facts]:
    """An energy call to an enrolled mobile number: consents, relationships, oppositions and attempts on record."""
    campaign = Campaign(
        id="luce",
        controller="acme",
        caller_org="centro",
        purpose=Purpose.MARKETING,
        sector="telecom",
        dial_mode=DialMode.PREDICTIVE,
        region="IT",
        caller_ids=("+390612345678", "+390612345679"),
        starts=date(2026, 1, 1),
        ends=date(2026, 12, 31),
        script_version="s-4",
        notice_version="n-2",
    )
    facts = Facts(
        generation=7,
        campaign=campaign,
        oppositions=(Opposition("acme", "market-research", AT - timedelta(days=80), None, None, 11),),
        consents=tuple(
            Consent(
                controller="acme",
                purpose="marketing",
                given_at=AT - timedelta(days=days),
                channel=ConsentChannel.ANY,
                sector=None,
                expires_at=None,
                withdrawn_at=None,
                method="web form",
                evidence_uri="s3://evidence/1",
                evidence_sha256=None,
                notice_id="n-2",
                collected_by="a7",
                entry=20 + days,
            )
            for days in (10, 400)
        ),
        relationships=tuple(
            Relationship("acme", kind, AT - timedelta(days=90), AT - timedelta(days=60), None, False, 30)
            for kind in (RelationshipKind.CONTRACT, RelationshipKind.CALLBACK)
        ),
        contact=Contact("acme", False, "IT", None, None, SubjectType.NATURAL, 40),
        registers={
            "rpo": RegisterStatus(
                "rpo", RegisterState.OPPOSED, AT - timedelta(days=3), "batch:77", (AT - timedelta(days=40)).date()
            )
        },
        attempts=tuple(
            Attempt(AT - timedelta(days=days), CallOutcome.NO_ANSWER, f"01J{days:023}") for days in (2, 9, 30)
        ),
    )
    return Call(parse_e164("+393331234567"), "luce", "+390612345678", AT), campaign, facts


def measured(rulebooks: Rulebooks) -> list[int]:
    """Nanoseconds of each round, warm."""
    call, campaign, facts = question()
    for _ in range(1000):
        rulebooks.evaluate(call, campaign, facts)
    taken = []
    for _ in range(ROUNDS):
        started = perf_counter_ns()
        rulebooks.evaluate(call, campaign, facts)
        taken.append(perf_counter_ns() - started)
    return taken


def main() -> None:
    """Print median and tails, and how long loading takes."""
    started = perf_counter_ns()
    rulebooks = load()
    loaded = (perf_counter_ns() - started) / 1e6
    started = perf_counter_ns()
    rulebooks.warm(AT)
    warmed = (perf_counter_ns() - started) / 1e6
    decision = rulebooks.evaluate(*question())
    cuts = statistics.quantiles(measured(rulebooks), n=1000)
    print(f"load all rulebooks {loaded:.0f} ms, public holidays of three years {warmed:.0f} ms")
    print(
        f"one decision ({decision.rulebook}: {decision.reason}, {len(decision.findings)} findings): "
        f"p50 {cuts[499] / 1000:.1f} µs, p99 {cuts[989] / 1000:.1f} µs, p99.9 {cuts[998] / 1000:.1f} µs "
        f"(target p50 ≤ {TARGET_US} µs)"
    )


if __name__ == "__main__":
    main()
