"""A proof checked step by step, for people: every hash it takes, and whether each step holds."""

from dataclasses import dataclass

from vaglio.audit.canonical import leaf_hash
from vaglio.audit.merkle import root_from_inclusion
from vaglio.audit.note import Verifier
from vaglio.audit.proof import Proof
from vaglio.errors import VerificationError


@dataclass(frozen=True, slots=True)
class Examined:
    """What the bytes of one `.tlog-proof` show."""

    entry: str
    """Id of the entry."""
    index: int
    """Its place in the log, from 0."""
    size: int
    """Entries that the checkpoint covers."""
    origin: str
    leaf: str
    """SHA-256(0x00 || entry), hexadecimal."""
    path: tuple[str, ...]
    """The hashes from the leaf up, hexadecimal."""
    reached: str | None
    """The root they lead to; None when they lead nowhere."""
    root: str
    """The root that was signed."""
    signed_by: str | None
    """The public key whose signature is good; None when none is."""
    key: str
    """The public key it was checked with."""
    problem: str | None
    """Why it proves nothing, in English; None when it proves the entry."""

    @property
    def same_root(self) -> bool:
        """Whether the way from the entry ends at the signed root."""
        return self.reached == self.root

    @property
    def proven(self) -> bool:
        """Whether every step holds."""
        return self.problem is None


def examined(raw: bytes, trusted: Verifier) -> Examined:
    """Check the bytes as an auditor would: with nothing but the public key.

    Raises:
        VerificationError: when they are no proof at all.
    """
    proof = Proof.parse(raw)
    leaf = leaf_hash(proof.body)
    reached = root_from_inclusion(leaf, proof.index, proof.checkpoint.size, proof.hashes)
    try:
        signed_by = proof.checkpoint.verified_by(trusted)[0].vkey
    except VerificationError:
        signed_by = None
    try:
        proof.verify((trusted,))
        problem = None
    except VerificationError as error:
        problem = str(error)
    return Examined(
        entry=str(proof.record["id"]),
        index=proof.index,
        size=proof.checkpoint.size,
        origin=proof.checkpoint.origin,
        leaf=leaf.hex(),
        path=tuple(one.hex() for one in proof.hashes),
        reached=reached.hex() if reached is not None else None,
        root=proof.checkpoint.root.hex(),
        signed_by=signed_by,
        key=trusted.vkey,
        problem=problem,
    )
