"""What the bench raises when the machine cannot give it what it needs."""


class LabError(RuntimeError):
    """The bench failed; `str()` is one line that tells what to do next."""


class AsteriskUnavailable(LabError):  # noqa: N818 - the name says a state, as `skip` reasons do
    """No real Asterisk (or no SIPp) can be had on this machine."""


class ChromiumUnavailable(LabError):  # noqa: N818 - the same
    """No Chromium is on this machine."""


class BuildahUnavailable(LabError):  # noqa: N818 - the same
    """No image can be built or run on this machine."""
