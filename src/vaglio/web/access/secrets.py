"""Passwords and API keys: drawn at random or chosen, hashed with Argon2id (RFC 9106), shown once."""

import secrets
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from vaglio.errors import InputError

KEY_PREFIX: Final = "vgl_"
"""Begins every API key, so that a scanner of leaked secrets can know one."""
SHORTEST_PASSWORD: Final = 12
LONGEST_SECRET: Final = 256
"""Characters; a longer one is refused unhashed, for hashing it costs."""


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@cache
def _nobody() -> str:
    """A hash that no secret matches: an unknown name must cost as much as a wrong password."""
    return hashed(secrets.token_urlsafe(32))


def hashed(secret: str) -> str:
    """The Argon2id hash in its text form; some 50 ms of processor and 64 MiB for that time."""
    return _hasher().hash(secret)


def matches(secret: str, known: str | None) -> bool:
    """Whether the secret is the hashed one; takes as long when there is none to compare with."""
    if len(secret) > LONGEST_SECRET:
        return False
    try:
        return _hasher().verify(known or _nobody(), secret) and known is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


def new_password() -> str:
    """A password nobody can guess, for the first log-in."""
    return secrets.token_urlsafe(18)


def checked_password(password: str) -> str:
    """A chosen password, when it is long enough (NIST SP 800-63B asks for length, not for kinds of characters).

    Raises:
        InputError: when it is too short, or too long to be hashed.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_SECRET:
        raise InputError(f"the password must have {SHORTEST_PASSWORD} to {LONGEST_SECRET} characters")
    return password


def new_key(name: str) -> str:
    """An API key: its account's name and 256 random bits."""
    return f"{KEY_PREFIX}{name}.{secrets.token_urlsafe(32)}"


def key_name(key: str) -> str | None:
    """The account an API key belongs to; None when it has not the form of one."""
    name, dot, secret = key.removeprefix(KEY_PREFIX).rpartition(".")
    well_formed = key.startswith(KEY_PREFIX) and dot and name and secret and len(key) <= LONGEST_SECRET
    return name if well_formed else None
