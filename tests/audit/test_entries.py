"""Bodies, their canonical bytes, and what never stands in them."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaglio.audit import EntryKind, decision_entry, delivery_entry, failopen_entry, make, outcome_entry
from vaglio.audit.canonical import MAX_BODY, canonical, leaf_hash, new_id, time_of, timestamp
from vaglio.errors import InputError
from vaglio.model import Call, CallOutcome, Decision, Facts, Finding, FindingOutcome, Reason, Verdict

AT = datetime(2026, 3, 2, 9, 0, 0, 5, tzinfo=UTC)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=6,
)

if TYPE_CHECKING:
    from tests.audit.conftest import Site


@settings(max_examples=50)
@given(st.dictionaries(st.text(st.characters(codec="ascii")), VALUES))
def test_canonical_bytes_are_what_any_json_library_writes_sorted_and_compact(body: dict[str, object]) -> None:
    """Python's own json module, told to sort, not to indent and not to escape, rebuilds the same bytes."""
    expected = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert canonical(body) == expected


@pytest.mark.parametrize("value", [2**53, "\ud800", object()])
def test_a_value_without_canonical_form_is_refused(value: object) -> None:
    """Integers beyond 53 bits, lone surrogates and foreign objects never reach the log."""
    with pytest.raises(InputError, match="no canonical form"):
        canonical({"kind": "config", "value": value})


def test_an_entry_larger_than_its_bound_is_refused() -> None:
    """An entry has at most 64 KiB."""
    with pytest.raises(InputError, match="at most"):
        make(EntryKind.CONFIG, AT, {"text": "x" * MAX_BODY})


def test_a_leaf_is_hashed_as_rfc_6962_says() -> None:
    """The empty leaf of RFC 6962's own test data."""
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def test_ids_are_ulids_of_their_instant() -> None:
    """26 characters of Crockford's base 32 that sort by time."""
    early, late = new_id(1_772_442_000_000_000), new_id(1_772_442_000_001_000)
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", early)
    assert early[:10] < late[:10]
    assert early != new_id(1_772_442_000_000_000)


def test_times_have_one_form() -> None:
    """UTC, six digits, `Z`, whatever zone they came in."""
    elsewhere = datetime(2026, 3, 2, 10, tzinfo=timezone(timedelta(hours=1)))
    assert timestamp(elsewhere) == "2026-03-02T09:00:00.000000Z"
    assert timestamp(time_of(1_772_442_000_000_005)) == "2026-03-02T09:00:00.000005Z"


def test_a_decision_is_complete(site: Site) -> None:
    """Question, facts, findings, answer, versions and timings all stand in the body."""
    body = orjson.loads(site.decision(call="1772442000.77").body)
    assert body["campaign"] == "spring"
    assert body["controller"] == "acme"
    assert (body["verdict"], body["reason"], body["would_be"]) == ("allow", "CONSENT", None)
    assert (body["pbx"], body["uniqueid"], body["caller_id"]) == ("pbx", "1772442000.77", "+390612345678")
    assert (body["jurisdiction"], body["rulebook"], body["generation"]) == ("it", "it@0a", 12)
    assert body["local_times"] == {"Europe/Rome": "2026-03-02T10:00:00+01:00"}
    assert body["findings"] == [
        {
            "rule": "IT-COC-02",
            "outcome": "pass",
            "detail": "consent of 2026-01-03",
            "evidence": "entry:7",
        }
    ]
    assert body["facts"]["campaign"]["purpose"] == "marketing"
    assert body["timings"] == {"rules": 100}
    assert body["v"] == 1


def test_the_called_number_stands_in_a_body_only_as_a_commitment(site: Site) -> None:
    """HMAC-SHA256 under the side table's salt, beside the last three digits, the country and the kind."""
    entry = site.decision("+393401234567")
    number = orjson.loads(entry.body)["number"]
    assert entry.subject is not None
    expected = hmac.new(entry.subject.salt, b"+393401234567", hashlib.sha256).hexdigest()
    assert number == {"commitment": expected, "country": "IT", "kind": "mobile", "last3": "567"}
    assert b"3401234567" not in entry.body
    assert "3401234567" not in repr(entry)


def test_an_undeclared_caller_id_is_masked(site: Site) -> None:
    """Only the campaign's own declared number stands in clear."""
    call = Call(site.number("+393401234567"), "3401234568", "+393409999999", AT, "pbx", "1772442000.1")
    finding = Finding("X", FindingOutcome.BLOCK, Reason.CAMPAIGN_UNKNOWN, "no campaign 3401234568")
    decided = Decision(Verdict.BLOCK, Reason.CAMPAIGN_UNKNOWN, (finding,), None, {}, None)
    body = orjson.loads(decision_entry(call, Facts(1), decided, {}).body)
    assert body["caller_id"] == "…999"
    assert body["campaign"] == "…568"
    assert body["findings"][0]["detail"] == "no campaign …568"


def test_an_emergency_call_leaves_no_side_row(site: Site) -> None:
    """112 is nobody's number."""
    call = Call(site.number("112"), "spring", None, AT, "pbx", "1772442000.1")
    decided = Decision(Verdict.ALLOW, Reason.EMERGENCY_NUMBER, (), None, {}, None)
    assert decision_entry(call, Facts(1), decided, {}).subject is None


def test_what_follows_a_decision_refers_to_it(site: Site) -> None:
    """Delivery and outcome name the decision; texts of the PBX are redacted."""
    delivered = delivery_entry("01JNAAAAAAAAAAAAAAAAAAAAAA", AT, 1500)
    became = outcome_entry(
        "01JNAAAAAAAAAAAAAAAAAAAAAA", AT, CallOutcome.BUSY, {"cause": 17, "channel": "SIP/t_393401234567-01"}
    )
    assert delivered.ref == became.ref == "01JNAAAAAAAAAAAAAAAAAAAAAA"
    assert orjson.loads(became.body)["details"]["channel"] == "SIP/t_…701"
    out = failopen_entry(site.number("+393401234567"), None, "spring", "pbx", "1772442000.5", AT)
    assert out.kind is EntryKind.FAILOPEN
    assert out.subject is not None
