"""Signed notes and checkpoints, byte for byte as specified."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from vaglio.audit.checkpoint import Checkpoint, signed_checkpoint
from vaglio.audit.note import Note, Verifier, sign
from vaglio.errors import VerificationError

GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of Go's golang.org/x/mod/sumdb/note, where the format comes from."""
SPECIFICATION_CHECKPOINT = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+"
    "zyWE+xeMcTOAYQ8=\n"
)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
ROOT = bytes(range(32))


def test_the_published_note_verifies() -> None:
    """Its key is read, its signature checked, its bytes written again."""
    note = Note.parse(GO_NOTE.encode())
    verifier = Verifier.parse(GO_VERIFIER)
    assert verifier.vkey == GO_VERIFIER
    assert note.verified_by([verifier]) == (verifier,)
    assert note.raw == GO_NOTE.encode()


def test_a_changed_note_does_not_verify() -> None:
    """One letter of the text is enough."""
    note = Note.parse(GO_NOTE.replace("answer", "Answer").encode())
    with pytest.raises(VerificationError, match="does not verify"):
        note.verified_by([Verifier.parse(GO_VERIFIER)])


def test_the_specifications_checkpoint_is_read() -> None:
    """Origin, size and root; written again it is the same bytes."""
    checkpoint = Checkpoint.parse(SPECIFICATION_CHECKPOINT.encode())
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert checkpoint.raw == SPECIFICATION_CHECKPOINT.encode()


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])), st.integers(0, 2**62))
def test_what_is_signed_is_verified(text: str, size: int) -> None:
    """Any text without control characters; signatures of unknown keys are passed over."""
    other = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
    note = Note.parse(sign(f"{text}\n", "example.org/log", KEY, other).raw)
    assert note.verified_by([Verifier.of("example.org/log", KEY)])
    checkpoint = Checkpoint.parse(signed_checkpoint("example.org/log", size, ROOT, KEY).raw)
    assert (checkpoint.size, checkpoint.root) == (size, ROOT)


def test_another_key_or_another_log_is_refused() -> None:
    """A checkpoint counts only under the key and the name one was given."""
    made = signed_checkpoint("example.org/log", 5, ROOT, KEY)
    with pytest.raises(VerificationError, match="not signed by"):
        made.verified_by(Verifier("example.org/log", bytes(32)))
    with pytest.raises(VerificationError, match="another log"):
        made.verified_by(Verifier.of("example.org/other", KEY))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\n- name AAAAAAAA\n",
        "text\n\n— name\n".encode(),
        "text\n\n— name !!!!\n".encode(),
        "text\n\n— name AAAA\n".encode(),
        "text\n\n— name AAAAAAAA".encode(),
        "te\x07xt\n\n— name AAAAAAAA\n".encode(),
        "text\n\n— na+me AAAAAAAA\n".encode(),
        b"\xff\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"x" * 1_000_001,
        ("text\n\n" + "— name AAAAAAAA\n" * 101).encode(),
    ],
)
def test_what_is_no_note_is_refused(raw: bytes) -> None:
    """Unformed, unbounded, with control characters: nothing is guessed."""
    with pytest.raises(VerificationError, match="signed note"):
        Note.parse(raw)


@pytest.mark.parametrize("size", ["05", "-1", "1.0", "", "\u0665", "9" * 20])
def test_a_size_in_another_form_is_refused(size: str) -> None:
    """Decimal, without leading zeroes."""
    raw = SPECIFICATION_CHECKPOINT.replace("20852163", size)
    with pytest.raises(VerificationError):
        Checkpoint.parse(raw.encode())


@pytest.mark.parametrize("root", ["AAAA", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=", "!"])
def test_a_root_in_another_form_is_refused(root: str) -> None:
    """The one base64 of 32 bytes."""
    raw = SPECIFICATION_CHECKPOINT.replace("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", root)
    with pytest.raises(VerificationError, match="root"):
        Checkpoint.parse(raw.encode())


@pytest.mark.parametrize("vkey", ["", "name", "name+c74f20a3+AAAA", GO_VERIFIER.replace("c74f20a3", "00000000")])
def test_what_is_no_verifier_key_is_refused(vkey: str) -> None:
    """Name, key id and key must fit one another."""
    with pytest.raises(VerificationError, match="verifier key"):
        Verifier.parse(vkey)
