"""Sorted numbers → Roaring shards, and back; the packing under snapshots and batches."""

import array
import heapq
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Final

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from vaglio.index.digits import Numbers
from vaglio.index.shards import SHARD_BITS

Shard = tuple[int, int, bytes, int]
"""Shard number, the low bits of its smallest number, bitmap as stored, and how many numbers it holds."""
WHOLE: Final = 1 << SHARD_BITS
"""As `most`: one row a shard, however large."""
FITTING: Final = 480
"""Numbers of a row that SQLite keeps within a page of 4 KiB, four to a page, without an overflow page."""

_LOW: Final = np.uint64((1 << SHARD_BITS) - 1)
_AT_ONCE: Final = 2_000_000
_MOST_LISTED: Final = 4096
"""Beyond, Roaring keeps a bitmap of 8 KiB instead of a list; parting it would cost more."""


def shards_of(numbers: Numbers, most: int = FITTING) -> Iterator[Shard]:
    """The rows of sorted numbers, each once, in order; of about `most` numbers at most, while that saves space."""
    place = 0
    while place < len(numbers):
        end = min(place + _AT_ONCE, len(numbers))
        if end < len(numbers):  # never cut within a shard
            first_of_next = (int(numbers[end]) >> SHARD_BITS) << SHARD_BITS
            begin = int(np.searchsorted(numbers, np.uint64(first_of_next)))
            end = (
                begin
                if begin > place
                else int(np.searchsorted(numbers, np.uint64(first_of_next + (1 << SHARD_BITS))))
            )
        yield from _slice(numbers[place:end], most)
        place = end


def _slice(numbers: Numbers, most: int) -> Iterator[Shard]:
    high = numbers >> np.uint64(SHARD_BITS)
    low = (numbers & _LOW).astype(np.uint32)
    starts = np.concatenate(([0], np.flatnonzero(high[1:] != high[:-1]) + 1)).tolist()
    ends = [*starts[1:], len(numbers)]
    names = high[starts].tolist()
    for name, start, end in zip(names, starts, ends, strict=True):
        yield from _rows(int(name), low[start:end], most)


def _rows(name: int, low: npt.NDArray[np.uint32], most: int) -> Iterator[Shard]:
    parts = 1 if len(low) > _MOST_LISTED else -(-len(low) // most)
    for part in range(parts):
        some = low[len(low) * part // parts : len(low) * (part + 1) // parts]
        yield name, int(some[0]), packed(BitMap(array.array("I", some.tobytes()))), len(some)


def packed(bitmap: BitMap) -> bytes:
    """The bitmap as a shard stores it: the portable Roaring format, runs where they are shorter."""
    bitmap.run_optimize()
    return bytes(bitmap.serialize())


def numbers_of(shards: Iterable[tuple[int, bytes]]) -> Numbers:
    """The numbers of stored shards, in the shards' order."""
    parts = [
        np.frombuffer(BitMap.deserialize(numbers).to_array(), dtype=np.uint32).astype(np.uint64)
        + np.uint64(name << SHARD_BITS)
        for name, numbers in shards
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)


def changed_shards(base: Iterable[tuple[int, bytes]], added: Numbers, deleted: Numbers) -> Iterator[Shard]:
    """The rows of a list after its changes; `base` in order, the changes sorted and disjoint."""
    fresh = ((name, numbers) for name, _, numbers, _ in shards_of(added, WHOLE))
    gone = {name: numbers for name, _, numbers, _ in shards_of(deleted, WHOLE)}
    merged: dict[int, BitMap] = {}
    for name, numbers in heapq.merge(base, fresh, key=itemgetter(0)):
        if merged and name not in merged:
            yield from _without(merged.popitem(), gone)
        merged[name] = merged.get(name, BitMap()) | BitMap.deserialize(numbers)
    if merged:
        yield from _without(merged.popitem(), gone)


def _without(shard: tuple[int, BitMap], gone: Mapping[int, bytes]) -> Iterator[Shard]:
    name, bitmap = shard
    if name in gone:
        bitmap = bitmap - BitMap.deserialize(gone[name])
    if bitmap:
        yield from _rows(name, np.frombuffer(bitmap.to_array(), dtype=np.uint32), FITTING)
