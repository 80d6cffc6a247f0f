"""Anchors against real local servers: HTTP, SMTP, a witness after its specification, a time-stamp authority."""

import hashlib
import re
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vaglio.audit import EntryKind, Sealer, make
from vaglio.audit.anchors import Anchor, AnchorError, Anchoring, AnchorState, deliver, load_anchors, read_state
from vaglio.audit.checkpoint import Checkpoint, signed_checkpoint
from vaglio.audit.note import Note, Verifier
from vaglio.errors import ConfigError

Site = Any
Answer = tuple[int, str, bytes]
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def grow(site: Site, entries: int = 3) -> Checkpoint:
    """Append some entries and sign a checkpoint."""
    with site.log() as log:
        for _ in range(entries):
            log.append(make(EntryKind.CONFIG, site.now, {"version": "1"}))
    with Sealer(site.path, site.keys) as sealer:
        signed = sealer.step(now=True).checkpoint
    assert signed is not None
    return signed


def send(site: Site, table: dict[str, Any], checkpoint: Checkpoint, seen: int = 0) -> Anchor:
    """Hand a checkpoint over once."""
    (anchor,) = load_anchors([{"name": "there", **table}], site.directory)
    deliver(anchor, checkpoint, site.path, site.directory / "receipts", AT, seen)
    return anchor


class Endpoint:
    """An HTTP server that answers POST by a function and remembers what came."""

    def __init__(self, answer: Callable[[str, bytes], Answer]) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.requests.append((self.path, dict(self.headers.items()), body))
                status, kind, content = answer(self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                if status in {301, 302, 307}:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str, bytes], Answer]], Endpoint]]:
    """Starts endpoints and stops them at the end."""
    started: list[Endpoint] = []

    def start(answer: Callable[[str, bytes], Answer]) -> Endpoint:
        started.append(Endpoint(answer))
        return started[-1]

    yield start
    for endpoint in started:
        endpoint.close()


# Configuration


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"kind": "http"}, "anchor.there.url: Field required"),
        ({"kind": "fax", "url": "x"}, "anchor.there.kind"),
        ({"kind": "http", "url": "ftp://h/"}, "expected https://HOST[:PORT] or http://HOST[:PORT]"),
        ({"kind": "http", "url": "https://u:p@h/"}, "holds a user or a password"),
        ({"kind": "http", "url": "http://h.example/", "secret_file": "s"}, "over https alone"),
        ({"kind": "http", "url": "https://h/", "sender": "a@b"}, "sender is nothing an anchor of kind http has"),
        ({"kind": "mail", "url": "smtp://h", "sender": "a@b.example"}, "to is missing"),
        ({"kind": "mail", "url": "smtp://h", "sender": "a@b\nBcc: x", "to": ["c@d"]}, "mail addresses"),
        ({"kind": "witness", "url": "https://h", "key": "w+00+AA"}, "witness key"),
        ({"kind": "timestamp", "url": "https://h"}, "certificates is missing"),
        ({"kind": "file", "url": "d", "colour": 1}, "anchor.there.colour: unknown key"),
        ({"kind": "file", "url": "d", "base": "/"}, "anchor.there.base: unknown key"),
    ],
)
def test_a_wrong_anchor_is_named_with_its_key(tmp_path: Path, table: dict[str, Any], says: str) -> None:
    """The one line tells which anchor, which key, and what was expected; never a password."""
    with pytest.raises(ConfigError, match=re.escape(says)) as error:
        load_anchors([{"name": "there", **table}], tmp_path)
    assert "u:p" not in str(error.value)


def test_two_anchors_of_one_name_are_refused(tmp_path: Path) -> None:
    """Their receipts would be mixed."""
    table = {"name": "a", "kind": "file", "url": "x"}
    with pytest.raises(ConfigError, match="twice"):
        load_anchors([table, table], tmp_path)


# Files


def test_a_checkpoint_becomes_a_file_of_its_day_and_size(site: Site) -> None:
    """Byte for byte as signed, nothing beside it, the same again changes nothing."""
    checkpoint = grow(site)
    for _ in range(2):
        send(site, {"kind": "file", "url": "outside"}, checkpoint)
    (file,) = [path for path in (site.directory / "outside").rglob("*") if path.is_file()]
    assert file.relative_to(site.directory) == Path(f"outside/2026/03/02/{checkpoint.size:020d}.checkpoint")
    assert file.read_bytes() == checkpoint.raw


@pytest.mark.parametrize("url", ["outside", "memory://fork"])
def test_another_checkpoint_of_the_same_size_is_never_written_over(site: Site, url: str) -> None:
    """It is the proof that the log was rewritten."""
    checkpoint = grow(site)
    send(site, {"kind": "file", "url": url}, checkpoint)
    forged = signed_checkpoint(site.keys.origin, checkpoint.size, bytes(32), site.keys.signing)
    with pytest.raises(AnchorError, match="rewritten") as error:
        send(site, {"kind": "file", "url": url}, forged)
    assert error.value.conflict


def test_a_store_that_fsspec_reaches_takes_checkpoints_too(site: Site) -> None:
    """The same names below the URL."""
    checkpoint = grow(site)
    send(site, {"kind": "file", "url": "memory://auditor/log"}, checkpoint)
    store = fsspec.filesystem("memory")
    assert store.cat_file(f"/auditor/log/2026/03/02/{checkpoint.size:020d}.checkpoint") == checkpoint.raw


def test_a_directory_that_cannot_be_written_is_told(site: Site) -> None:
    """One line that names it."""
    (site.directory / "outside").write_text("a file")
    with pytest.raises(AnchorError, match=r"outside.*cannot be written"):
        send(site, {"kind": "file", "url": "outside"}, grow(site))


# HTTP


def test_an_endpoint_gets_the_checkpoint_and_the_token(site: Site, serve: Callable[..., Endpoint]) -> None:
    """A POST of the bytes as signed."""
    endpoint = serve(lambda *_: (201, "text/plain", b""))
    (site.directory / "token").write_text("s3cret\n")
    checkpoint = grow(site)
    send(site, {"kind": "http", "url": f"{endpoint.url}/in", "secret_file": "token"}, checkpoint)
    ((path, headers, body),) = endpoint.requests
    assert (path, body) == ("/in", checkpoint.raw)
    assert headers["Authorization"] == "Bearer s3cret"


def test_the_token_may_come_from_the_environment(
    site: Site, serve: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files are no place for secrets."""
    endpoint = serve(lambda *_: (200, "text/plain", b""))
    monkeypatch.setenv("VAGLIO_ANCHOR_THERE_SECRET", "fr0m-env")
    send(site, {"kind": "http", "url": endpoint.url}, grow(site))
    assert endpoint.requests[0][1]["Authorization"] == "Bearer fr0m-env"


@pytest.mark.parametrize("status", [302, 307, 400, 401, 500, 503])
def test_any_other_answer_is_a_failure_and_a_redirect_is_not_followed(
    site: Site, serve: Callable[..., Endpoint], status: int
) -> None:
    """The token goes nowhere but where it was meant to."""
    endpoint = serve(lambda *_: (status, "text/plain", b"s3cret"))
    (site.directory / "token").write_text("s3cret\n")
    with pytest.raises(AnchorError, match=f"answered {status}") as error:
        send(site, {"kind": "http", "url": endpoint.url, "secret_file": "token"}, grow(site))
    assert len(endpoint.requests) == 1
    assert "s3cret" not in str(error.value)


def test_nobody_there_and_a_secret_that_is_missing_are_told(site: Site) -> None:
    """Without the secret in the text."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as free:
        port = free.server_address[1]
    with pytest.raises(AnchorError, match="no answer"):
        send(site, {"kind": "http", "url": f"http://127.0.0.1:{port}"}, grow(site))
    with pytest.raises(ConfigError, match="secret of anchor there"):
        send(site, {"kind": "http", "url": f"http://127.0.0.1:{port}", "secret_file": "none"}, grow(site))


# Mail


class Mailbox(socketserver.ThreadingTCPServer):
    """An SMTP server (RFC 5321) that takes mail for @example.org and may ask for a password."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.tls = tls
        self.mails: list[tuple[list[str], bytes]] = []
        self.passwords: list[bytes] = []
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address


class _Smtp(socketserver.StreamRequestHandler):
    server: Mailbox

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        with suppress(OSError):  # a client that does not believe the certificate hangs up
            self.converse()

    def converse(self) -> None:
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.do_handshake()
        self.say("220 mailbox")
        recipients: list[str] = []
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            match line.split(" ")[0].upper():
                case "EHLO":
                    self.say("250-mailbox")
                    self.say("250 AUTH PLAIN")
                case "AUTH":
                    self.server.passwords.append(b64decode(line.split(" ")[2]))
                    self.say("235 ok")
                case "RCPT":
                    known = line.endswith("@example.org>")
                    recipients += [line] if known else []
                    self.say("250 ok" if known else "550 nobody here")
                case "DATA":
                    self.say("354 go on")
                    body = bytearray()
                    while (part := self.rfile.readline()) != b".\r\n":
                        body += part
                    self.server.mails.append((recipients, bytes(body)))
                    self.say("250 ok")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 ok")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mailbox without TLS."""
    with Mailbox() as server:
        yield server
        server.shutdown()


def mail(port: int, *to: str, scheme: str = "smtp", **more: str) -> dict[str, Any]:
    url = f"{scheme}://127.0.0.1:{port}"
    return {"kind": "mail", "url": url, "sender": "vaglio@call.example", "to": list(to), **more}


def test_a_mail_holds_the_checkpoint_whole(site: Site, mailbox: Mailbox) -> None:
    """Attached byte for byte, and in the text for who only reads."""
    checkpoint = grow(site)
    send(site, mail(mailbox.port, "auditor@example.org", "second@example.org"), checkpoint)
    ((recipients, raw),) = mailbox.mails
    assert len(recipients) == 2
    message = message_from_bytes(raw, policy=policy.default)
    assert str(checkpoint.size) in message["Subject"]
    (attached,) = message.iter_attachments()
    assert attached.get_content() == checkpoint.raw
    text = message.get_body()
    assert text is not None
    assert checkpoint.note.text in text.get_content().replace("\r\n", "\n")


def test_a_recipient_that_is_refused_is_a_failure(site: Site, mailbox: Mailbox) -> None:
    """Half a delivery would be taken for a whole one."""
    with pytest.raises(AnchorError, match="1 of 2 recipients"):
        send(site, mail(mailbox.port, "auditor@example.org", "gone@example.com"), grow(site))


def test_over_tls_the_password_is_sent_and_the_certificate_is_checked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the authority unknown there is no delivery."""
    authority, key, certificate = certify(site.directory, "subjectAltName=IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    (site.directory / "password").write_text("pa55\n")
    with Mailbox(context) as server:
        table = mail(server.port, "a@example.org", scheme="smtps", username="u", secret_file="password")
        with pytest.raises(AnchorError, match="not sent"):
            send(site, table, grow(site))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        send(site, table, grow(site))
        server.shutdown()
        assert server.passwords == [b"\0u\0pa55"]
        assert len(server.mails) == 1


# A witness, written after c2sp.org/tlog-witness and c2sp.org/tlog-cosignature


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2."""
    if old & (old - 1) == 0:
        proof = [old_root, *proof]
    if not proof:
        return False
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for node in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = sha(b"\1" + node + fr), sha(b"\1" + node + sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = sha(b"\1" + sr + node)
        fn, sn = fn >> 1, sn >> 1
    return (fr, sr, sn) == (old_root, new_root, 0)


class Witness:
    """Answers `add-checkpoint` for one log."""

    name = "witness.example/w1"

    def __init__(self, log: Verifier) -> None:
        self.log = log
        self.seen: tuple[int, bytes] = (0, b"")
        self.key = Ed25519PrivateKey.generate()
        self.public = b"\x04" + self.key.public_key().public_bytes_raw()
        self.key_id = sha(self.name.encode() + b"\n" + self.public)[:4]
        self.vkey = f"{self.name}+{self.key_id.hex()}+{b64encode(self.public).decode()}"
        self.told: list[int] = []

    def answer(self, path: str, body: bytes) -> Answer:
        status, kind, content = self._answer(path, body)
        self.told.append(status)
        return status, kind, content

    def _answer(self, path: str, body: bytes) -> Answer:
        head, _, note = body.partition(b"\n\n")
        first, *proof = head.decode("ascii").split("\n")
        old = int(first.removeprefix("old "))
        assert path == "/add-checkpoint"
        assert len(proof) <= 63
        text, _, signatures = note.decode().partition("\n\n")
        origin, size_text, root_text = text.split("\n")
        size, root = int(size_text), b64decode(root_text)
        if origin != self.log.name:
            return 404, "text/plain", b""
        signed = [line.split(" ") for line in signatures.splitlines()]
        if not any(self._signed(f"{text}\n".encode(), name, b64decode(sig)) for _, name, sig in signed):
            return 403, "text/plain", b""
        if old > size:
            return 400, "text/plain", b""
        if old != self.seen[0] or (old == size and root != self.seen[1]):
            return 409, "text/x.tlog.size", f"{self.seen[0]}\n".encode()
        nodes = [b64decode(line, validate=True) for line in proof]
        proven = not nodes if old in {0, size} else consistent(old, self.seen[1], size, root, nodes)
        if not proven:
            return 422, "text/plain", b""
        self.seen = (size, root)
        return 200, "text/plain", self.cosign(f"{text}\n")

    def _signed(self, text: bytes, name: str, signature: bytes) -> bool:
        if (name, signature[:4]) != (self.log.name, self.log.key_id):
            return False
        Ed25519PublicKey.from_public_bytes(self.log.public).verify(signature[4:], text)
        return True

    def cosign(self, text: str) -> bytes:
        at = int(AT.timestamp())
        signature = self.key.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        line = b64encode(self.key_id + at.to_bytes(8) + signature).decode()
        other = b64encode(b"\1\2\3\4" + bytes(72)).decode()
        return f"— someone.else {other}\n— {self.name} {line}\n".encode()


@pytest.fixture
def witness(site: Site) -> Witness:
    """A witness that knows this test's log."""
    return Witness(site.keys.verifier)


def test_a_witness_cosigns_the_first_checkpoint_and_those_that_continue_it(
    site: Site, witness: Witness, serve: Callable[..., Endpoint]
) -> None:
    """The cosigned checkpoint is kept, and verifies as the log's own and as the witness's."""
    endpoint = serve(witness.answer)
    table = {"kind": "witness", "url": endpoint.url, "key": witness.vkey}
    first = grow(site)
    send(site, table, first)
    second = grow(site, 300)
    send(site, table, second, seen=first.size)
    assert witness.told == [200, 200]
    kept = Note.parse((site.directory / f"receipts/there/{second.size:020d}.checkpoint").read_bytes())
    assert kept.text == second.note.text
    assert kept.verified_by([site.keys.verifier])
    own, cosignature = kept.signatures
    assert (own, cosignature.name) == (second.note.signatures[0], witness.name)


def test_a_witness_that_has_seen_more_than_is_known_here_is_asked_again(
    site: Site, witness: Witness, serve: Callable[..., Endpoint]
) -> None:
    """Its 409 tells the size to prove from: a lost state file costs one question."""
    endpoint = serve(witness.answer)
    table = {"kind": "witness", "url": endpoint.url, "key": witness.vkey}
    send(site, table, grow(site))
    send(site, table, grow(site), seen=0)
    assert witness.told == [200, 409, 200]
    same = Checkpoint.parse(site.keys.directory.joinpath("checkpoint").read_bytes())
    send(site, table, same, seen=same.size)
    assert witness.told[-1] == 200


def test_an_older_file_put_back_is_noticed_by_the_witness(
    site: Site, witness: Witness, serve: Callable[..., Endpoint]
) -> None:
    """It has cosigned more than there is."""
    endpoint = serve(witness.answer)
    table = {"kind": "witness", "url": endpoint.url, "key": witness.vkey}
    old = grow(site)
    send(site, table, grow(site))
    with pytest.raises(AnchorError, match="an older file was put back") as error:
        send(site, table, old)
    assert error.value.conflict


def test_a_rewritten_log_is_noticed_by_the_witness(
    site: Site, witness: Witness, serve: Callable[..., Endpoint]
) -> None:
    """Another past with the true key: of the same size, and of a larger one."""
    endpoint = serve(witness.answer)
    table = {"kind": "witness", "url": endpoint.url, "key": witness.vkey}
    witness.seen = (grow(site).size, bytes(32))
    last = Checkpoint.parse(site.keys.directory.joinpath("checkpoint").read_bytes())
    with pytest.raises(AnchorError, match="rewritten") as error:
        send(site, table, last, seen=last.size)
    assert error.value.conflict
    with pytest.raises(AnchorError, match="rewritten") as error:
        send(site, table, grow(site), seen=last.size)
    assert error.value.conflict
    assert witness.told == [409, 422]


def test_a_witness_that_does_not_know_the_log_or_its_key_tells_the_next_step(
    site: Site, witness: Witness, serve: Callable[..., Endpoint]
) -> None:
    """Both need the line in keys/signing.vkey."""
    endpoint = serve(witness.answer)
    table = {"kind": "witness", "url": endpoint.url, "key": witness.vkey}
    true = witness.log
    for witness.log in (Verifier("example.org/other", true.public), Verifier(true.name, bytes(32))):
        with pytest.raises(AnchorError, match=r"signing\.vkey"):
            send(site, table, grow(site))
    assert witness.told == [404, 403]


@pytest.mark.parametrize("how", ["other key", "bad signature", "no note", "short", "empty"])
def test_a_cosignature_that_does_not_verify_is_none(
    site: Site, witness: Witness, serve: Callable[..., Endpoint], how: str
) -> None:
    """A hostile witness, or somebody in between, is not believed, and no receipt is kept."""
    good = witness.cosign("another text\n")
    line = b64encode(witness.key_id + b"short").decode()
    answers = {
        "other key": b"\xe2\x80\x94 someone.else AQIDBAUGBwg=\n",
        "bad signature": good,
        "no note": b"\xff\xfe",
        "short": f"— {witness.name} {line}\n".encode(),
        "empty": b"",
    }
    endpoint = serve(lambda *_: (200, "text/plain", answers[how]))
    with pytest.raises(AnchorError) as error:
        send(site, {"kind": "witness", "url": endpoint.url, "key": witness.vkey}, grow(site))
    assert not error.value.conflict
    assert not (site.directory / "receipts").exists()


# A time-stamp authority, by openssl


def openssl(*arguments: str | Path, text: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], input=text, capture_output=True, check=True)
    return done.stdout


def certify(folder: Path, *extensions: str) -> tuple[Path, Path, Path]:
    """An authority, and a key with its certificate; returns the three files."""
    root, root_key, key, request, made = (
        folder / name for name in ("ca.pem", "ca.key", "k.key", "k.csr", "k.pem")
    )
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", root_key, "-out", root, "-subj", "/CN=Test root", "-days", "2")
    openssl("req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=Test leaf")
    extension = folder / "extensions"
    extension.write_text("\n".join(extensions))
    openssl("x509", "-req", "-in", request, "-CA", root, "-CAkey", root_key, "-out", made, "-days", "2",
            "-extfile", extension, "-set_serial", "7")  # fmt: skip
    return root, key, made


@pytest.fixture
def authority(site: Site) -> Callable[[str, bytes], Answer]:
    """A time-stamp authority whose root is in ca.pem."""
    _, key, certificate = certify(site.directory, "extendedKeyUsage=critical,timeStamping")
    (site.directory / "serial").write_text("01\n")
    settings = site.directory / "tsa.cnf"
    settings.write_text(
        f"[tsa]\ndefault_tsa = here\n[here]\nserial = {site.directory}/serial\ncrypto_device = builtin\n"
        f"signer_cert = {certificate}\nsigner_key = {key}\nsigner_digest = sha256\n"
        "default_policy = 1.2.3.4.1\ndigests = sha256, sha512\naccuracy = secs:1\nordering = yes\n"
    )

    def answer(_: str, body: bytes) -> Answer:
        query = site.directory / "query.tsq"
        query.write_bytes(body)
        stamp = openssl("ts", "-reply", "-config", settings, "-section", "here", "-queryfile", query)
        return 200, "application/timestamp-reply", stamp

    return answer


def test_a_time_stamp_is_kept_and_openssl_agrees(
    site: Site, authority: Callable[[str, bytes], Answer], serve: Callable[..., Endpoint]
) -> None:
    """An auditor needs nothing but the two files and the authority's root."""
    endpoint = serve(authority)
    checkpoint = grow(site)
    send(site, {"kind": "timestamp", "url": endpoint.url, "certificates": "ca.pem"}, checkpoint)
    assert endpoint.requests[0][1]["Content-Type"] == "application/timestamp-query"
    name = site.directory / f"receipts/there/{checkpoint.size:020d}"
    told = openssl("ts", "-verify", "-data", f"{name}.checkpoint", "-in", f"{name}.tsr",
                   "-CAfile", site.directory / "ca.pem")  # fmt: skip
    assert b"Verification: OK" in told


def test_a_stamp_by_another_authority_for_another_text_or_none_is_not_believed(
    site: Site, authority: Callable[[str, bytes], Answer], serve: Callable[..., Endpoint]
) -> None:
    """Nothing is kept of it."""
    checkpoint = grow(site)
    other = site.directory / "other"
    other.mkdir()
    certify(other, "extendedKeyUsage=critical,timeStamping")
    replayed = authority("", endpoint_query(b"another text"))
    cases = (
        (authority, "other/ca.pem"),
        (lambda *_: replayed, "ca.pem"),
        (lambda *_: (200, "application/timestamp-reply", b"no DER"), "ca.pem"),
        (lambda *_: (500, "text/plain", b""), "ca.pem"),
    )
    for answer, root in cases:
        with pytest.raises(AnchorError):
            send(site, {"kind": "timestamp", "url": serve(answer).url, "certificates": root}, checkpoint)
    assert not (site.directory / "receipts").exists()


def endpoint_query(text: bytes) -> bytes:
    """A time-stamp request for a text, by openssl."""
    digest = hashlib.sha256(text).hexdigest()
    return openssl("ts", "-query", "-digest", digest, "-sha256", "-cert")


# Sending


class Ear:
    """Hears of every try."""

    def __init__(self) -> None:
        self.states: list[AnchorState] = []

    def __call__(self, _: Anchor, state: AnchorState) -> None:
        self.states.append(state)

    def until(self, met: Callable[[list[AnchorState]], object], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not met(self.states):
            assert time.monotonic() < end, self.states
            time.sleep(0.005)


def anchoring(site: Site, ear: Ear, *tables: dict[str, Any], first_pause: float = 0.01) -> Anchoring:
    anchors = load_anchors([{"name": f"a{place}", **table} for place, table in enumerate(tables)], site.directory)
    made = Anchoring(anchors, site.path, site.directory / "states", ear, first_pause)
    made.start()
    return made


def test_what_fails_is_tried_again_until_it_arrives(site: Site, serve: Callable[..., Endpoint]) -> None:
    """Failures are visible meanwhile, in the process and in the file that commands read."""
    statuses = iter([503, 503, 503, 200])
    endpoint = serve(lambda *_: (next(statuses), "text/plain", b""))
    ear = Ear()
    sending = anchoring(site, ear, {"kind": "http", "url": endpoint.url})
    checkpoint = grow(site)
    sending.offer(checkpoint)
    ear.until(lambda states: bool(states) and states[-1].size == checkpoint.size)
    assert [state.failures for state in ear.states] == [1, 2, 3, 0]
    assert ear.states[2].error == "answered 503"
    assert ear.states[2].failing_since == ear.states[0].failing_since
    kept = read_state(site.directory / "states", "a0")
    assert (kept.size, kept.error) == (checkpoint.size, None)
    sending.stop(2)


def test_a_newer_checkpoint_takes_the_place_of_one_that_waits(site: Site, serve: Callable[..., Endpoint]) -> None:
    """An anchor that was away gets the newest, not all."""
    up = threading.Event()
    endpoint = serve(lambda *_: (200 if up.is_set() else 503, "text/plain", b""))
    ear = Ear()
    sending = anchoring(site, ear, {"kind": "http", "url": endpoint.url}, first_pause=0.2)
    offered = [grow(site, 1) for _ in range(3)]
    for checkpoint in offered:
        sending.offer(checkpoint)
    ear.until(bool)
    up.set()
    ear.until(lambda states: states[-1].size == offered[-1].size)
    assert endpoint.requests[-1][2] == offered[-1].raw
    assert offered[1].raw not in [request[2] for request in endpoint.requests[1:]]
    sending.stop(2)


def test_one_anchor_that_hangs_holds_up_no_other_and_not_the_offer(
    site: Site, serve: Callable[..., Endpoint]
) -> None:
    """Each has its own thread; an offer only puts the checkpoint down."""
    release = threading.Event()

    def hang(*_: object) -> Answer:
        release.wait(10)
        return 200, "text/plain", b""

    slow, quick = serve(hang), serve(lambda *_: (200, "text/plain", b""))
    ear = Ear()
    sending = anchoring(site, ear, {"kind": "http", "url": slow.url}, {"kind": "http", "url": quick.url})
    checkpoint = grow(site)
    started = time.monotonic()
    sending.offer(checkpoint)
    assert time.monotonic() - started < 0.05
    ear.until(lambda states: len(states) == 1)
    assert len(quick.requests) == 1
    started = time.monotonic()
    sending.stop(0.2)
    assert time.monotonic() - started < 2
    release.set()


def test_an_anchor_gets_no_more_than_its_pace_even_after_a_restart(
    site: Site, serve: Callable[..., Endpoint]
) -> None:
    """A mail a day is a mail a day, however often the service is restarted."""
    endpoint = serve(lambda *_: (200, "text/plain", b""))
    table = {"kind": "http", "url": endpoint.url, "every_minutes": 60}
    for _ in range(2):
        ear = Ear()
        sending = anchoring(site, ear, table)
        sending.offer(grow(site))
        sending.offer(grow(site))
        if not endpoint.requests:
            ear.until(bool)
        sending.stop(2)
    assert len(endpoint.requests) == 1


def test_what_waits_at_the_end_is_tried_once_more(site: Site, serve: Callable[..., Endpoint]) -> None:
    """The last checkpoint of a service is signed while it stops."""
    statuses = iter([503, 200])
    endpoint = serve(lambda *_: (next(statuses), "text/plain", b""))
    ear = Ear()
    sending = anchoring(site, ear, {"kind": "http", "url": endpoint.url}, first_pause=60)
    checkpoint = grow(site)
    sending.offer(checkpoint)
    ear.until(bool)
    sending.stop(5)
    assert [state.size for state in ear.states] == [0, checkpoint.size]


def test_a_state_file_that_is_damaged_is_the_beginning(tmp_path: Path) -> None:
    """It is a convenience; nothing rests on it."""
    (tmp_path / "a.json").write_text('{"size": "x"')
    assert read_state(tmp_path, "a") == AnchorState()
