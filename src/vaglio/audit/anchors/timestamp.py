"""A time-stamp authority (RFC 3161 over HTTP): somebody else's clock says that the checkpoint existed by then."""

from base64 import b64encode
from typing import Final

from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client import VerificationError as TimestampVerificationError
from rfc3161_client.tsp import PKIStatus, TimeStampRequest

from vaglio.audit.anchors.definition import Anchor
from vaglio.audit.anchors.failure import AnchorError
from vaglio.audit.anchors.post import post
from vaglio.audit.checkpoint import Checkpoint
from vaglio.errors import ConfigError

_QUERY: Final = "application/timestamp-query"
_OK: Final = 200


def deliver_timestamp(anchor: Anchor, checkpoint: Checkpoint) -> bytes:
    """Have the checkpoint's bytes time-stamped (SHA-256); returns the response as `openssl ts -verify` reads it.

    Raises:
        AnchorError, ConfigError: when there is no stamp that verifies against the configured certificates.
    """
    request = TimestampRequestBuilder().data(checkpoint.raw).hash_algorithm(HashAlgorithm.SHA256).build()
    secret = anchor.secret()
    authorization = None
    if anchor.username is not None and secret is not None:
        authorization = f"Basic {b64encode(f'{anchor.username}:{secret}'.encode()).decode('ascii')}"
    answer = post(anchor.url, request.as_bytes(), _QUERY, anchor.timeout_seconds, authorization)
    if answer.status != _OK:
        raise AnchorError(f"answered {answer.status}")
    try:
        response = decode_timestamp_response(answer.body)
        _check(response, request, checkpoint.raw, _certificates(anchor))
    except (ValueError, TimestampVerificationError) as error:
        raise AnchorError(f"its time stamp does not verify ({error})") from error
    return answer.body


def _check(
    response: TimeStampResponse, request: TimeStampRequest, message: bytes, certificates: list[Certificate]
) -> None:
    if response.status != PKIStatus.GRANTED:
        raise AnchorError(f"gave no time stamp (status {response.status})")
    builder = VerifierBuilder.from_request(request)
    for certificate in certificates:
        if certificate.issuer == certificate.subject:
            builder = builder.add_root_certificate(certificate)
        else:
            builder = builder.add_intermediate_certificate(certificate)
    builder.build().verify_message(response, message)


def _certificates(anchor: Anchor) -> list[Certificate]:
    path = anchor.path(anchor.certificates) if anchor.certificates else anchor.base
    try:
        return load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: expected the authority's certificates as PEM; restore them") from error
