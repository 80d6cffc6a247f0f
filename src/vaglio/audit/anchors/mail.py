"""Checkpoints by mail: what stands in somebody else's mailbox, with the day it came, cannot be taken back."""

import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Final

from vaglio.audit.anchors.definition import Anchor
from vaglio.audit.anchors.failure import AnchorError
from vaglio.audit.checkpoint import Checkpoint

_PORTS: Final = {"smtp": 587, "smtps": 465}
_TEXT: Final = """\
This is a signed checkpoint of the decision log {origin}: {size} entries.

Keep this message. A later copy of the log must continue it:
vaglio audit verify --since-checkpoint checkpoint-{size}.txt

{note}"""


def deliver_mail(anchor: Anchor, checkpoint: Checkpoint, at: datetime) -> None:
    """Send one message to all recipients; refused by one of them counts as failed.

    Over `smtp://` the connection is upgraded (STARTTLS) where the server offers it; a password is sent only over
    TLS or on this machine.

    Raises:
        AnchorError, ConfigError: when it was not taken.
    """
    message = _message(anchor, checkpoint, at)
    secret = anchor.secret()
    try:
        with _connected(anchor) as server:
            if anchor.username is not None and secret is not None:
                if not anchor.loopback and not isinstance(server.sock, ssl.SSLSocket):
                    raise AnchorError("the server offers no TLS; the password is not sent in clear")
                server.login(anchor.username, secret)
            refused = server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise AnchorError(f"the server answered {error.smtp_code}") from error
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise AnchorError(f"not sent ({type(error).__name__})") from error
    if refused:
        raise AnchorError(f"{len(refused)} of {len(anchor.to)} recipients were refused")


def _connected(anchor: Anchor) -> smtplib.SMTP:
    parts, context = anchor.parts, ssl.create_default_context()
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    if parts.scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=anchor.timeout_seconds, context=context)
    server = smtplib.SMTP(host, port, timeout=anchor.timeout_seconds)
    try:
        server.ehlo_or_helo_if_needed()
        if server.has_extn("starttls"):
            server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server


def _message(anchor: Anchor, checkpoint: Checkpoint, at: datetime) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = f"Checkpoint of {checkpoint.origin}: {checkpoint.size} entries"
    message["From"] = anchor.sender
    message["To"] = ", ".join(anchor.to)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = make_msgid(domain=str(anchor.sender).rpartition("@")[2])
    note = checkpoint.raw.decode()
    message.set_content(_TEXT.format(origin=checkpoint.origin, size=checkpoint.size, note=note))
    message.add_attachment(
        checkpoint.raw,
        maintype="application",
        subtype="octet-stream",
        filename=f"checkpoint-{checkpoint.size}.txt",
    )
    return message
