"""The one error tree: every message says which thing, where, and what to do next.

A `VaglioError` is meant for a person: the command line prints it as one line and exits with its `exit_code`,
the service logs it as one event. Anything else that escapes is a defect.
No message holds a phone number beyond its last three digits.
"""


class VaglioError(Exception):
    """Something a person can mend; `str()` is the one line that tells how."""

    exit_code = 2


class InputError(VaglioError):
    """A file, row, field or argument is not what it must be."""


class ConfigError(VaglioError):
    """The configuration, a key file or the layout of the data directory is unusable."""


class NotFoundError(VaglioError):
    """What was asked for does not exist; the answer is no, not wrong use."""

    exit_code = 1


class StoreError(VaglioError):
    """A database cannot be read or written: damaged, locked, full or of another schema version."""


class VerificationError(VaglioError):
    """A proof, an entry, a checkpoint or a shard is not what it claims to be."""

    exit_code = 1
