"""The sets that the index is measured with: random numbers of a national plan, and consents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

SEED: Final = 20261123
_BLOCK: Final = 1_000_000
_DIGITS: Final = (0, 1, 2, 4, 5, 6, 7, 8, 9, 10)
"""Where the digits of `AAA,NNNNNNN` stand."""


def numbers(amount: int, generator: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Random numbers of the North American plan, ten digits."""
    areas = generator.integers(201, 990, amount)
    return areas * 10_000_000 + generator.integers(2_000_000, 10_000_000, amount)


def write_list(file: Path, amount: int) -> None:
    """A flat list as the US registry hands it over, in no order."""
    generator = np.random.default_rng(SEED)
    with file.open("wb") as out:
        for start in range(0, amount, _BLOCK):
            some = numbers(min(_BLOCK, amount - start), generator)
            text = np.full((len(some), 13), ord("0"), dtype=np.uint8)
            text[:, 3], text[:, 11], text[:, 12] = ord(","), ord("\r"), ord("\n")
            for place, column in enumerate(_DIGITS):
                text[:, column] += (some // 10 ** (9 - place) % 10).astype(np.uint8)
            out.write(text.tobytes())


def asked(amount: int, listed: int) -> list[int]:
    """E.164 integers to look up: half of them from the list, half at random."""
    generator = np.random.default_rng(SEED)
    known = numbers(min(_BLOCK, listed), generator)[: amount // 2]
    other = numbers(amount - len(known), np.random.default_rng(1))
    mixed = np.concatenate((known, other)) + 10_000_000_000
    np.random.default_rng(2).shuffle(mixed)
    return [int(number) for number in mixed]


def write_consents(file: Path, amount: int) -> None:
    """Consents of Italian mobile numbers in no order, each with its evidence."""
    generator = np.random.default_rng(SEED)
    with file.open("w", encoding="ascii") as out:
        out.write(
            "number,controller,purpose,given_at,channel,sector,method,evidence_uri,evidence_sha256,notice_id\n"
        )
        for start in range(0, amount, _BLOCK):
            size = min(_BLOCK, amount - start)
            subscribers = generator.integers(20_0000000, 99_9999999, size).tolist()
            days, seconds = generator.integers(1, 29, size).tolist(), generator.integers(0, 60, size).tolist()
            proofs = generator.bytes(32 * size)
            out.writelines(
                f"+393{number},acme,marketing,2026-03-{day:02d}T10:20:{second:02d}+01:00,any,telecom,web-form,"
                f"https://proof.example/{start + place},{proofs[place * 32 : place * 32 + 32].hex()},n-3\n"
                for place, (number, day, second) in enumerate(zip(subscribers, days, seconds, strict=True))
            )
