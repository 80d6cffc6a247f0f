"""Why a checkpoint could not be handed over."""

from vaglio.errors import VaglioError


class AnchorError(VaglioError):
    """A checkpoint did not reach its anchor; tried again later."""

    conflict = False
    """Whether the anchor holds something that this log does not continue."""


class AnchorConflictError(AnchorError):
    """The anchor holds something this log does not continue: an older file was put back, or history rewritten."""

    conflict = True
