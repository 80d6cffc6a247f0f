"""Numbers are forgotten, entries are not, and every proof still holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from vaglio.audit import EntryKind, Reader, delivery_entry, make
from vaglio.audit.erasing import OBJECTION, erase, purge
from vaglio.audit.proof import prove, verify_proof
from vaglio.audit.sealing import Sealer
from vaglio.audit.verify import verify_log

if TYPE_CHECKING:
    from tests.audit.conftest import Site

PERSON = "+393401234567"


def side_rows(site: Site) -> list[int]:
    with Reader(site.path) as reader:
        return [row[0] for row in reader._connection.execute("SELECT seq FROM subject ORDER BY seq")]


def bytes_of(site: Site) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(site.directory.glob("audit.db*")))


def test_what_has_expired_is_purged_and_the_log_verifies(site: Site) -> None:
    """Side rows and attempts go by their country's term; a purge entry says so; proofs hold."""
    old = site.decision("+393401234567")
    german = site.decision("+4915112345678")
    with site.log() as log, Sealer(site.path, site.keys, now=site.clock) as sealer:
        log.append_many([old, german])
        log.append(delivery_entry(old.id, site.now, 900))
        sealer.step(now=True)
        site.now += timedelta(days=800)
        log.append(site.decision("+393401234567"))
        assert purge(site.path, site.keys, {}, site.now) == 1
        sealer.step(now=True)
    assert side_rows(site) == [3, 6]
    found = verify_log(site.path, site.keys.verifier, keys=site.keys)
    assert (found.damages, found.removed, found.numbers) == ((), 1, 2)
    verify_proof(prove(site.path, old.id).raw, site.keys.verifier)
    assert purge(site.path, site.keys, {}, site.now) == 0


def test_a_term_can_be_set_for_a_country_and_for_all_others(site: Site) -> None:
    """The configuration's days win over the defaults."""
    with site.log() as log:
        log.append_many([site.decision("+393401234567"), site.decision("+4915112345678")])
    site.now += timedelta(days=31)
    assert purge(site.path, site.keys, {"de": 30}, site.now) == 1
    assert side_rows(site) == [2]
    assert purge(site.path, site.keys, {"*": 30}, site.now) == 1
    assert verify_log(site.path, site.keys.verifier, keys=site.keys).intact


def test_an_erased_person_leaves_no_trace_to_search_by(site: Site) -> None:
    """Token, salt and sealed number are gone from the file; the objection stays, and is told."""
    with site.log() as log:
        log.append_many([site.decision(PERSON) for _ in range(5)])
        kept = make(EntryKind.CHANGE_ANNOUNCED, site.now, {"change": "opposition"}, number=site.number(PERSON))
        log.append(kept)
        log.append(site.decision("+393401234568"))
    token = site.keys.token(PERSON)
    done = erase(site.path, site.keys, PERSON, site.now)
    assert done.erased == (2, 3, 4, 5, 6)
    assert done.kept == {7: OBJECTION}
    assert side_rows(site) == [7, 8]
    assert verify_log(site.path, site.keys.verifier, keys=site.keys).damages == ()
    erase(site.path, site.keys, PERSON, site.now, keep=lambda _: None)
    assert token not in bytes_of(site)
    assert not erase(site.path, site.keys, PERSON, site.now).erased


def test_a_side_row_deleted_without_an_entry_is_damage(site: Site) -> None:
    """Erasing behind the log's back is found, also when somebody else was erased properly."""
    with site.log() as log:
        log.append_many([site.decision(PERSON), site.decision("+393401234568")])
        erase(site.path, site.keys, PERSON, site.now)
        log._connection.execute("DELETE FROM subject")
        log._connection.execute("DELETE FROM attempt")
    found = verify_log(site.path, site.keys.verifier, keys=site.keys)
    assert [(damage.seq, damage.kind.value) for damage in found.damages] == [(3, "side table")]


def test_thousands_of_rows_are_purged_in_short_turns(site: Site) -> None:
    """Nothing is left behind between two transactions."""
    with site.log() as log:
        log.append_many([site.decision(f"+3934012{last:05}") for last in range(1500)])
    site.now += timedelta(days=731)
    assert purge(site.path, site.keys, {}, site.now) == 1500
    assert side_rows(site) == []
    assert verify_log(site.path, site.keys.verifier, keys=site.keys).removed == 1500


def test_no_number_stands_in_clear_in_the_file(site: Site) -> None:
    """Neither in rows nor in the write-ahead log nor in the keys' directory."""
    with site.log() as log, Sealer(site.path, site.keys, now=site.clock) as sealer:
        log.append_many([site.decision(PERSON) for _ in range(20)])
        sealer.step(now=True)
    found = bytes_of(site) + b"".join(file.read_bytes() for file in site.keys.directory.iterdir())
    assert b"3401234567" not in found
