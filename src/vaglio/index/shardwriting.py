"""Sorted numbers → Roaring shards, and back; the packing under snapshots and batches."""

import array
import heapq
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Final

import numpy as np
from pyroaring import BitMap

from vaglio.index.digits import Numbers
from vaglio.index.shards import SHARD_BITS

Shard = tuple[int, bytes, int]
"""Shard number, bitmap as stored, and how many numbers it holds."""

_LOW: Final = np.uint64((1 << SHARD_BITS) - 1)
_AT_ONCE: Final = 2_000_000


def shards_of(numbers: Numbers) -> Iterator[Shard]:
    """The shards of sorted numbers, each once, in order."""
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
        yield from _slice(numbers[place:end])
        place = end


def _slice(numbers: Numbers) -> Iterator[Shard]:
    high = numbers >> np.uint64(SHARD_BITS)
    low = (numbers & _LOW).astype(np.uint32)
    starts = np.concatenate(([0], np.flatnonzero(high[1:] != high[:-1]) + 1)).tolist()
    ends = [*starts[1:], len(numbers)]
    names = high[starts].tolist()
    for name, start, end in zip(names, starts, ends, strict=True):
        yield int(name), packed(BitMap(array.array("I", low[start:end].tobytes()))), end - start


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
    """The shards of a list after its changes; `base` in order, the changes sorted and disjoint."""
    fresh = ((name, numbers) for name, numbers, _ in shards_of(added))
    gone = {name: numbers for name, numbers, _ in shards_of(deleted)}
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
        yield name, packed(bitmap), len(bitmap)
