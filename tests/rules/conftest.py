"""The shipped rulebooks, loaded once."""

import os
from functools import lru_cache

import pytest

from vaglio.rules import Rulebooks, load

MUTANT = "MUTANT_UNDER_TEST"
"""Where mutmut names the mutant; it forks a process for each, and learns first which test calls what."""


@pytest.fixture
def rulebooks() -> Rulebooks:
    """Loaded once a process: once for all tests, once for each mutant; by every test while mutmut learns."""
    if os.environ.get(MUTANT) == "stats":
        return load()
    return _loaded(os.getpid())


@lru_cache(maxsize=1)
def _loaded(_process: int) -> Rulebooks:
    return load()
