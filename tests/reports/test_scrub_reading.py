"""Numbers read together are the numbers read one by one."""

import random

import numpy as np
import phonenumbers
import pytest

from vaglio.numbers import emergency_numbers, parse
from vaglio.reports.scrub.plans import ways_through
from vaglio.reports.scrub.reading import read_batch

ALIKE = ("e164", "country", "zones", "kind")


def texts(region: str, amount: int, seed: int) -> list[str]:
    """Digits of any kind around the region's calling code, and national forms."""
    source = random.Random(seed)  # noqa: S311 - leads, not secrets
    code = str(phonenumbers.country_code_for_region(region))
    found = []
    for _ in range(amount):
        national = "".join(source.choices("0123456789", k=source.randrange(6, 12)))
        head = source.choice((f"+{code}", f"+{code}", "+", "", "", "0", "00", "1", code))
        found.append(head + national)
    return found


@pytest.mark.parametrize("region", ["IT", "US", "GB", "FR", "ES", "DE", "CA", "RE", "VA", "AR", "MX", "CH"])
@pytest.mark.parametrize("trunk", [None, "0", "9"])
def test_every_number_is_the_one_that_parse_reads(region: str, trunk: str | None) -> None:
    """Number, country, kind and zones; whatever is not sure is left to be read alone."""
    emergency = emergency_numbers((region, "IT"))
    asked = texts(region, 1500, 3)
    reading = read_batch(asked, region, trunk)
    for place, key, sort in zip(reading.places, reading.keys, reading.sorts, strict=True):
        number = parse(asked[place], region=region, trunk_prefix=trunk, emergency=emergency)
        sample = reading.samples[sort]
        assert number.e164 == f"+{key}", asked[place]
        assert [getattr(number, name) for name in ALIKE[1:]] == [getattr(sample, name) for name in ALIKE[1:]]
    assert sorted([*reading.places.tolist(), *reading.left.tolist()]) == list(range(len(asked)))


def test_most_numbers_are_read_together() -> None:
    """Italian and American numbers in their usual forms need no look of their own."""
    source = random.Random(4)  # noqa: S311 - the same
    italian = [f"+393{source.randrange(200_000_000, 999_999_999)}" for _ in range(500)]
    american = [f"{source.choice((212, 305, 415))}{source.randrange(2_000_000, 9_999_999)}" for _ in range(500)]
    assert len(read_batch(italian, "IT", None).places) > 450
    assert len(read_batch(american, "US", None).places) > 450


def test_an_empty_batch_has_nothing_in_it() -> None:
    """Neither numbers nor others."""
    reading = read_batch([], "IT", None)
    assert (len(reading.places), len(reading.left), reading.samples) == (0, 0, ())


def test_ways_end_where_digits_are_free() -> None:
    """A pattern falls into its ways, each as far as it constrains a digit."""
    assert ways_through(r"3[12]\d{2,3}|0(?:6\d)?") == frozenset({(8, 6), (1,), (1, 64)})
    assert ways_through(r"(?=5)\d") is None
    assert ways_through(r"5+") is None
    assert ways_through(r"(5") is None


def test_places_are_those_of_the_batch() -> None:
    """Texts that are no numbers leave no gap in the count."""
    reading = read_batch(["x", "+393331230101", "", "+390612345678"], "IT", None)
    assert np.array_equal(reading.places, [1, 3])
    assert np.array_equal(reading.left, [0, 2])
