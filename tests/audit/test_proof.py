"""Proofs of one entry, checked with the public key alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from vaglio.audit import Keys
from vaglio.audit.proof import Proof, prove, verify_proof
from vaglio.audit.sealing import Sealer
from vaglio.errors import NotFoundError, VerificationError

if TYPE_CHECKING:
    from tests.audit.conftest import Site


@pytest.fixture
def ids(site: Site) -> list[str]:
    """600 decisions under two checkpoints."""
    entries = [site.decision() for _ in range(600)]
    with site.log() as log, Sealer(site.path, site.keys, now=site.clock) as sealer:
        log.append_many(entries[:300])
        sealer.step(now=True)
        site.now += timedelta(minutes=1)
        log.append_many(entries[300:])
        sealer.step(now=True)
    return [entry.id for entry in entries]


def test_every_entry_can_be_proven(site: Site, ids: list[str]) -> None:
    """Written, read and checked with nothing but the public key; the record comes with it."""
    for name in ids[::37]:
        proof = verify_proof(prove(site.path, name).raw, site.keys.verifier)
        assert proof.record["id"] == name
        assert proof.record["verdict"] == "allow"


def test_a_proof_has_the_form_of_the_specification(site: Site, ids: list[str]) -> None:
    """Header, extra, index, hashes, an empty line, the checkpoint as signed."""
    proof = prove(site.path, ids[0])
    lines = proof.raw.decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1].startswith("extra ")
    assert lines[2] == "index 1"
    assert lines[3 + len(proof.hashes)] == ""
    assert proof.raw.endswith(proof.checkpoint.raw)
    assert Proof.parse(proof.raw) == proof


def test_the_first_covering_or_the_newest_checkpoint_is_taken(site: Site, ids: list[str]) -> None:
    """An early checkpoint tells most of the time; the newest is what an auditor may hold."""
    assert prove(site.path, ids[0]).checkpoint.size == 302
    newest = prove(site.path, ids[0], newest=True)
    assert newest.checkpoint.size == 603
    newest.verify([site.keys.verifier])


def test_a_proof_holds_under_the_old_key_and_the_new(site: Site, ids: list[str]) -> None:
    """Of an entry from before a rotation: whoever has either public key can check it."""
    with Sealer(site.path, site.keys, now=site.clock) as sealer:
        renewed = sealer.rotate()
        sealer.step(now=True)
    raw = prove(site.path, ids[3]).raw
    for verifier in (site.keys.verifier, renewed.verifier):
        assert verify_proof(raw, verifier).record["id"] == ids[3]


def test_an_entry_without_checkpoint_cannot_be_proven_yet(site: Site, ids: list[str]) -> None:
    """The message says what to do; an unknown id is not found."""
    assert ids
    fresh = site.decision()
    with site.log() as log:
        log.append(fresh)
    with pytest.raises(NotFoundError, match="vaglio audit checkpoint"):
        prove(site.path, fresh.id)
    with pytest.raises(NotFoundError, match="no entry"):
        prove(site.path, "01JN0000000000000000000000")


def test_a_changed_proof_proves_nothing(site: Site, ids: list[str]) -> None:
    """Whatever byte is changed, the proof fails or still tells the same record under the same checkpoint."""
    raw = prove(site.path, ids[5]).raw
    good = verify_proof(raw, site.keys.verifier)
    for place in range(0, len(raw), 7):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        try:
            proof = verify_proof(changed, site.keys.verifier)
        except VerificationError:
            continue
        assert (proof.body, proof.index, proof.checkpoint.root) == (good.body, good.index, good.checkpoint.root)


def test_a_proof_of_another_log_is_refused(site: Site, ids: list[str]) -> None:
    """The key decides which log is meant."""
    other = Keys.create(site.directory / "other", site.keys.origin)
    with pytest.raises(VerificationError, match="not signed by"):
        verify_proof(prove(site.path, ids[0]).raw, other.verifier)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"c2sp.org/tlog-proof@v1\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 1\n\nx",
        b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 01\n\nx",
        b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 1\nAAAA\n\nx",
        b"c2sp.org/tlog-proof@v1\nextra !\nindex 1\n\nx",
        b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 1\n" + b"A" * 43 + b"=\n" * 99 + b"\n\nx",
        b"x" * 10_000_000,
    ],
)
def test_what_is_no_proof_is_refused(raw: bytes, site: Site) -> None:
    """Unformed or unbounded: nothing is guessed."""
    with pytest.raises(VerificationError):
        verify_proof(raw, site.keys.verifier)
