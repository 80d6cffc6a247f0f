"""One HTTP POST: bounded in time and size, following nobody elsewhere."""

import ssl
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO, Final
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from vaglio import __version__
from vaglio.audit.anchors.failure import AnchorError

MAX_ANSWER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    content_type: str
    body: bytes


class _Nowhere(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """A redirect is an answer like any other: a secret goes where it was meant to, and nowhere else."""
        del req, fp, code, msg, headers, newurl


def post(url: str, body: bytes, content_type: str, timeout: float, authorization: str | None = None) -> Answer:
    """Send and read the answer; proxies as the environment says (`https_proxy`).

    Args:
        url: http or https, checked when the configuration was read.
        body: what to send.
        content_type: of it.
        timeout: seconds for connecting, and for each read.
        authorization: header, if any.

    Raises:
        AnchorError: when there is no answer.
    """
    headers = {"Content-Type": content_type, "User-Agent": f"vaglio/{__version__}"}
    if authorization is not None:
        headers["Authorization"] = authorization
    request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - see url above
    opener = build_opener(_Nowhere(), HTTPSHandler(context=ssl.create_default_context()))
    try:
        try:
            with opener.open(request, timeout=timeout) as answer:
                return Answer(answer.status, answer.headers.get_content_type(), answer.read(MAX_ANSWER))
        except HTTPError as refused:
            with refused:
                return Answer(refused.code, refused.headers.get_content_type(), refused.read(MAX_ANSWER))
    except URLError as error:
        raise AnchorError(f"no answer ({error.reason})") from error
    except (OSError, HTTPException, ValueError) as error:
        raise AnchorError(f"no answer ({type(error).__name__})") from error
