"""Leads judged many at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from vaglio.reports.scrub.judging import Advice, Asked, judge
from vaglio.reports.scrub.moments import Moments
from vaglio.screening import Screener


class Batches:
    """Judges batches of leads under one question; not for two threads at once."""

    def __init__(self, screener: Screener, asked: Asked) -> None:
        self._screener = screener
        self._asked = asked
        self._moments = Moments(screener.rulebooks)

    @classmethod
    @contextmanager
    def open(cls, screener: Screener, asked: Asked) -> Iterator[Self]:
        """Ready to judge.

        Raises:
            StoreError: when the index cannot be read.
        """
        yield cls(screener, asked)

    def judge(self, texts: Sequence[str]) -> list[Advice]:
        """What is said of each lead.

        Raises:
            StoreError: when a database cannot be read.
        """
        return [judge(self._screener, self._moments, self._asked, text) for text in texts]
