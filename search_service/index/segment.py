"""An immutable part of the index: the postings of at most 65,536 sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.signature import Signature
from search_service.index import kernels

MOST_SOURCES = 1 << 16
"""Ordinals are 16 bits wide."""

_PREFIX_BITS_MOST = 16  # from there on a remainder takes 16 bits
_BUCKET_POSTINGS_LOG2 = 1  # about 2 to 4 postings a bucket
_DENSE_SHARE = 16  # a bitmap is as small and as fast as postings from about one source in 16 on
_DENSE_LEAST = kernels.SCAN_LIMIT + 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A target's side of a query, computed once for all segments.

    `weights` are the key counts in the smallest type that holds their sum over a resolution: the accumulators have the
    same type, and small ones stay in the cache. `possible` [R, 33] comes from `kernels.count_possible`.
    """

    keys: NDArray[np.uint32]
    weights: NDArray[Any]
    offsets: NDArray[np.int64]
    possible: NDArray[np.int64]

    @classmethod
    def from_signature(cls, signature: Signature) -> Target:
        """Prepares the signature of a target dataset."""
        # Copies: those of a decoded signature are read-only and unaligned, types that no kernel is compiled for.
        keys, counts = signature.keys.copy(), signature.key_counts.copy()
        offsets = signature.table_offsets.astype(np.int64)
        possible = kernels.count_possible(keys, counts, offsets, signature.levels.copy())
        largest = int(possible.max(initial=0))
        dtype = np.uint16 if largest < 1 << 16 else np.uint32 if largest < 1 << 32 else np.int64
        return cls(keys=keys, weights=counts.astype(dtype), offsets=offsets, possible=possible)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """Postings of n sources over T tables, by table, key and ordinal; see `kernels` for their layout.

    `dataset_ids` [n]; `levels` [n, R]; `bases` [T + 1] delimits the tables in `remainders` and `ordinals`; `starts`
    [T, buckets + 1] delimits the buckets of a table, counted from its base; `dense_bases` [T + 1] delimits the tables
    in `dense_keys`, `dense_counts` (sources that hold the key) and `dense_bits` [keys, stride].
    """

    dataset_ids: tuple[str, ...]
    levels: NDArray[np.uint8]
    shift: int
    bases: NDArray[np.int64]
    starts: NDArray[np.uint32]
    remainders: NDArray[Any]
    ordinals: NDArray[np.uint16]
    dense_bases: NDArray[np.int64]
    dense_keys: NDArray[np.uint32]
    dense_counts: NDArray[np.uint32]
    dense_bits: NDArray[np.uint8]

    @property
    def tables(self) -> int:
        """Number of hash tables over all resolutions."""
        return int(self.bases.size) - 1

    @property
    def postings(self) -> int:
        """Number of (source, key) pairs, dense ones included."""
        return int(self.ordinals.size) + int(self.dense_counts.sum(dtype=np.int64))

    @property
    def size_bytes(self) -> int:
        """Bytes that the arrays take."""
        arrays = (getattr(self, name) for name in self.__slots__)
        return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))

    @classmethod
    def from_signatures(cls, dataset_ids: Sequence[str], signatures: Sequence[Signature]) -> Segment:
        """Indexes at least one and at most `MOST_SOURCES` signatures of one space."""
        keys = np.concatenate([signature.keys for signature in signatures])
        offsets = np.stack([signature.table_offsets for signature in signatures]).astype(np.int64)
        sizes = np.diff(offsets, axis=1).sum(axis=0)
        offsets[1:] += np.cumsum(offsets[:-1, -1])[:, None]
        levels = np.stack([signature.levels for signature in signatures]).astype(np.uint8)
        bases = np.concatenate([[0], np.cumsum(sizes)])
        by_table, ordinals = np.empty(keys.size, np.uint32), np.empty(keys.size, np.uint16)
        kernels.gather_sources(keys, offsets, bases[:-1], by_table, ordinals)
        building = _Building(tuple(dataset_ids), levels, sizes)
        for low, high in pairwise(bases.tolist()):
            building.add(by_table[low:high], ordinals[low:high])
        return building.finish()

    @classmethod
    def merge(cls, segments: Sequence[Segment], alive: Sequence[NDArray[np.bool_]]) -> Segment:
        """One segment of the sources that are alive in their segments [n]; at least one and at most `MOST_SOURCES`.

        Beside the result it takes memory for the postings of one table.
        """
        parts = list(zip(segments, alive, _renumber(alive), strict=True))
        ids = [
            name for part, mask, _ in parts for name, kept in zip(part.dataset_ids, mask.tolist(), strict=True) if kept
        ]
        levels = np.concatenate([part.levels[mask] for part, mask, _ in parts])
        sizes = np.sum([part.table_sizes() for part in segments], axis=0)
        building = _Building(tuple(ids), levels, sizes)
        most = int(sizes.max())
        keys, ordinals = np.empty(most, np.uint32), np.empty(most, np.uint16)
        for table in range(sizes.size):
            count = 0
            for part, _, numbers in parts:
                low, high = part.bases[table : table + 2]
                postings = part.remainders[low:high], part.ordinals[low:high]
                count = kernels.gather_postings(
                    part.starts[table], *postings, part.shift, numbers, keys, ordinals, count
                )
                low, high = part.dense_bases[table : table + 2]
                bitmaps = part.dense_keys[low:high], part.dense_bits[low:high]
                count = kernels.gather_dense(*bitmaps, numbers, keys, ordinals, count)
            building.add(keys[:count], ordinals[:count])
        return building.finish()

    def coverage(self, target: Target) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Adaptivity [n] of every source, its support [n], and the number of postings touched."""
        matched = np.zeros((self.levels.shape[1], 8 * self.dense_bits.shape[1]), target.weights.dtype)
        touched = kernels.accumulate(
            target.keys,
            target.weights,
            target.offsets,
            self.bases,
            self.starts,
            self.remainders,
            self.ordinals,
            self.shift,
            self.dense_bases,
            self.dense_keys,
            self.dense_counts,
            self.dense_bits,
            matched,
        )
        values = np.empty(len(self.dataset_ids))
        support = np.empty(len(self.dataset_ids))
        kernels.finish(matched, self.levels, target.possible, values, support)
        return values, support, touched

    def table_sizes(self) -> NDArray[np.int64]:
        """Postings of each table, dense ones included. [T]"""
        dense = np.concatenate([[0], np.cumsum(self.dense_counts, dtype=np.int64)])
        return np.diff(self.bases) + np.diff(dense[self.dense_bases])


class _Building:
    """A segment that grows table by table."""

    def __init__(self, dataset_ids: tuple[str, ...], levels: NDArray[np.uint8], sizes: NDArray[np.int64]) -> None:
        """`sizes` [T]: at least as many postings as each table will get."""
        average = int(sizes.sum()) // sizes.size
        prefix_bits = min(max(average.bit_length() - _BUCKET_POSTINGS_LOG2, 1), _PREFIX_BITS_MOST)
        total = int(sizes.sum())
        self._dataset_ids = dataset_ids
        self._levels = levels
        self._shift = 32 - prefix_bits
        self._starts = np.empty((sizes.size, (1 << prefix_bits) + 1), np.uint32)
        # What stays unused at the end of these two is never touched, so it takes no memory until it is cut off.
        self._remainders = np.empty(total, np.uint16 if prefix_bits == _PREFIX_BITS_MOST else np.uint32)
        self._ordinals = np.empty(total, np.uint16)
        self._bases = [0]
        self._dense_least = max(len(dataset_ids) // _DENSE_SHARE, _DENSE_LEAST)
        self._dense: list[tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint8]]] = []

    def add(self, keys: NDArray[np.uint32], ordinals: NDArray[np.uint16]) -> None:
        """Indexes postings, ascending in ordinal, as the next table; overwrites the arrays."""
        base, count = self._bases[-1], keys.size
        starts = self._starts[len(self._bases) - 1]
        postings = self._remainders[base : base + count], self._ordinals[base : base + count]
        kernels.fill_table(keys, ordinals, self._shift, starts, *postings)
        most = count // self._dense_least
        dense_keys, dense_counts = np.empty(most, np.uint32), np.empty(most, np.uint32)
        dense_bits = np.zeros((most, -(-len(self._dataset_ids) // 8)), np.uint8)
        kept, dense = kernels.extract_dense(
            starts, *postings, self._shift, self._dense_least, dense_keys, dense_counts, dense_bits
        )
        self._dense.append((dense_keys[:dense].copy(), dense_counts[:dense].copy(), dense_bits[:dense].copy()))
        self._bases.append(base + kept)

    def finish(self) -> Segment:
        """The segment, once every table was added."""
        self._remainders.resize(self._bases[-1], refcheck=False)  # in place: no second copy
        self._ordinals.resize(self._bases[-1], refcheck=False)
        dense_keys, dense_counts, dense_bits = zip(*self._dense, strict=True)
        return Segment(
            dataset_ids=self._dataset_ids,
            levels=self._levels,
            shift=self._shift,
            bases=np.array(self._bases, np.int64),
            starts=self._starts,
            remainders=self._remainders,
            ordinals=self._ordinals,
            dense_bases=np.cumsum([0, *map(len, dense_keys)]),
            dense_keys=np.concatenate(dense_keys),
            dense_counts=np.concatenate(dense_counts),
            dense_bits=np.concatenate(dense_bits),
        )


def _renumber(alive: Sequence[NDArray[np.bool_]]) -> list[NDArray[np.int32]]:
    """Ordinals after a merge, by segment and old ordinal; -1 for the dead."""
    renumbered = []
    first = 0
    for mask in alive:
        renumbered.append(np.where(mask, first - 1 + np.cumsum(mask), -1).astype(np.int32))
        first += int(mask.sum())
    return renumbered
