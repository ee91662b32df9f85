"""The loops of the index, compiled by numba; all release the GIL.

Postings of one table are (key, ordinal) pairs. The leading bits of a key (its prefix) pick a bucket of the table's
directory, and only the trailing `shift` bits (the remainder) are stored beside the ordinal. So a key that one source
alone holds costs 2 + 2 bytes and its share of the directory. A bucket of at most SCAN_LIMIT postings is in the order of
ordinals, and a look-up scans it: to sort it would take longest of all when a segment is made, and save nothing. A
larger bucket is sorted by remainder, then ordinal, and searched by bisection.

A key that many of the segment's sources hold is dense: a bitmap in eight planes instead of postings. Ordinal o is bit
o // stride of byte o % stride, so a plane is added to a stretch of accumulators by vector instructions.

Nothing here checks bounds: callers pass arrays that fit each other.
"""

# ruff: noqa: PLR0917 - kernels take plain arrays, and numba binds arguments by position

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])

LEVELS = 33
"""A 32-bit key is divisible by 2**0 up to 2**31; only key 0 by 2**32."""

SCAN_LIMIT = 64
"""Postings in the largest bucket that is not sorted: two cache lines of remainders."""


def _compiled(function: F) -> F:
    """Typed `numba.njit`; compiled code is cached on disk, so only the first process of a machine waits."""
    return cast("F", numba.njit(nogil=True, cache=True)(function))


@_compiled
def gather_sources(
    keys: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    bases: NDArray[np.int64],
    out_keys: NDArray[np.uint32],
    out_ordinals: NDArray[np.uint16],
) -> None:
    """Sorts the keys of n sources, which lie end to end, by table: table t's postings begin at bases[t].

    offsets [n, T + 1] delimit the tables of each source in `keys`; bases [T]. Reads once, in order.
    """
    cursors = bases.copy()
    for source in range(offsets.shape[0]):
        for table in range(offsets.shape[1] - 1):
            first = offsets[source, table]
            size = offsets[source, table + 1] - first
            at = cursors[table]
            cursors[table] = at + size
            # Stretches indexed from 0, one loop each: numba makes vector instructions of these.
            taken, to_keys, to_ordinals = keys[first : first + size], out_keys[at:], out_ordinals[at:]
            for i in range(size):
                to_keys[i] = taken[i]
            for i in range(size):
                to_ordinals[i] = source


@_compiled
def gather_postings(
    starts: NDArray[np.uint32],
    remainders: NDArray[Any],
    ordinals: NDArray[np.uint16],
    shift: int,
    renumber: NDArray[np.int32],
    out_keys: NDArray[np.uint32],
    out_ordinals: NDArray[np.uint16],
    at: int,
) -> int:
    """Appends one table's postings at `at`, renumbered; those of ordinals numbered -1 are dropped. Gives the end."""
    for bucket in range(starts.size - 1):
        prefix = bucket << shift
        for i in range(starts[bucket], starts[bucket + 1]):
            ordinal = renumber[ordinals[i]]
            if ordinal >= 0:
                out_keys[at] = prefix | remainders[i]
                out_ordinals[at] = ordinal
                at += 1
    return at


@_compiled
def gather_dense(
    dense_keys: NDArray[np.uint32],
    dense_bits: NDArray[np.uint8],
    renumber: NDArray[np.int32],
    out_keys: NDArray[np.uint32],
    out_ordinals: NDArray[np.uint16],
    at: int,
) -> int:
    """As `gather_postings` for the dense keys of one table; dense_bits [keys, stride]."""
    stride = dense_bits.shape[1]
    for row in range(dense_keys.size):
        key = dense_keys[row]
        for plane in range(8):
            first = plane * stride
            for j in range(stride):
                if (dense_bits[row, j] >> plane) & 1:
                    ordinal = renumber[first + j]
                    if ordinal >= 0:
                        out_keys[at] = key
                        out_ordinals[at] = ordinal
                        at += 1
    return at


@_compiled
def fill_table(
    keys: NDArray[np.uint32],
    sources: NDArray[np.uint16],
    shift: int,
    starts: NDArray[np.uint32],
    remainders: NDArray[Any],
    ordinals: NDArray[np.uint16],
) -> None:
    """Brings postings (keys, sources), ascending in source, into their layout and fills the directory.

    `keys` and `sources` serve as scratch and hold nothing of use afterwards. Linear in the number of postings, however
    unevenly they spread over the buckets.
    """
    mask = (1 << shift) - 1
    starts[:] = 0
    for key in keys:
        starts[(key >> shift) + 1] += 1
    for bucket in range(1, starts.size):
        starts[bucket] += starts[bucket - 1]
    cursor = starts.copy()
    for i in range(keys.size):
        bucket = keys[i] >> shift
        at = cursor[bucket]
        cursor[bucket] = at + 1
        remainders[at] = keys[i] & mask
        ordinals[at] = sources[i]
    for bucket in range(starts.size - 1):
        low, high = int(starts[bucket]), int(starts[bucket + 1])
        if high - low > SCAN_LIMIT:
            _radix_sort(remainders[low:high], ordinals[low:high], shift, keys, sources)


@_compiled
def _radix_sort(
    remainders: NDArray[Any],
    ordinals: NDArray[np.uint16],
    bits: int,
    spare_remainders: NDArray[np.uint32],
    spare_ordinals: NDArray[np.uint16],
) -> None:
    """Stable, least significant byte first; a byte in which all agree is skipped."""
    count = np.empty(257, np.int64)
    size = remainders.size
    for low_bit in range(0, bits, 8):
        count[:] = 0
        for remainder in remainders:
            count[((remainder >> low_bit) & 255) + 1] += 1
        if count[((remainders[0] >> low_bit) & 255) + 1] == size:
            continue
        for digit in range(1, 257):
            count[digit] += count[digit - 1]
        for i in range(size):
            digit = (remainders[i] >> low_bit) & 255
            at = count[digit]
            count[digit] = at + 1
            spare_remainders[at] = remainders[i]
            spare_ordinals[at] = ordinals[i]
        for i in range(size):
            remainders[i] = spare_remainders[i]
            ordinals[i] = spare_ordinals[i]


@_compiled
def extract_dense(
    starts: NDArray[np.uint32],
    remainders: NDArray[Any],
    ordinals: NDArray[np.uint16],
    shift: int,
    least: int,
    dense_keys: NDArray[np.uint32],
    dense_counts: NDArray[np.uint32],
    dense_bits: NDArray[np.uint8],
) -> tuple[int, int]:
    """Moves the keys with at least `least` postings, more than SCAN_LIMIT, into bitmaps, which must be zero.

    Closes the gaps in the postings and the directory. Gives the numbers of postings left and of dense keys.
    """
    stride = dense_bits.shape[1]
    kept = 0
    dense = 0
    low = 0
    for bucket in range(starts.size - 1):
        high = int(starts[bucket + 1])
        starts[bucket] = kept
        while low < high:
            end = high
            remainder = remainders[low]
            if high - low >= least:  # else no key of this bucket can be dense, and all of it moves at once
                end = low + 1
                while end < high and remainders[end] == remainder:
                    end += 1
            if end - low >= least and remainders[end - 1] == remainder:
                dense_keys[dense] = (bucket << shift) | remainder
                dense_counts[dense] = end - low
                plane = 0
                for i in range(low, end):  # ordinals ascend
                    while ordinals[i] >= (plane + 1) * stride:
                        plane += 1
                    dense_bits[dense, ordinals[i] - plane * stride] |= np.uint8(1 << plane)
                dense += 1
            elif kept == low:
                kept = end
            else:
                for i in range(low, end):
                    remainders[kept] = remainders[i]
                    ordinals[kept] = ordinals[i]
                    kept += 1
            low = end
    starts[starts.size - 1] = kept
    return kept, dense


@_compiled
def accumulate(
    keys: NDArray[np.uint32],
    weights: NDArray[Any],
    offsets: NDArray[np.int64],
    bases: NDArray[np.int64],
    starts: NDArray[np.uint32],
    remainders: NDArray[Any],
    ordinals: NDArray[np.uint16],
    shift: int,
    dense_bases: NDArray[np.int64],
    dense_keys: NDArray[np.uint32],
    dense_counts: NDArray[np.uint32],
    dense_bits: NDArray[np.uint8],
    matched: NDArray[Any],
) -> int:
    """Adds the weight of each of the target's keys to every source that holds it. Gives the postings touched.

    keys, weights, offsets [T + 1]: the target's. bases [T + 1], starts [T, buckets + 1]: where a table's postings and
    its buckets begin; dense_bases [T + 1]: where its dense keys begin. matched [R, 8 stride] gains sums over the tables
    of each resolution, one row at a time, so that the row in use stays in the cache.
    """
    mask = (1 << shift) - 1
    tables = offsets.size - 1
    per_resolution = tables // matched.shape[0]
    touched = 0
    lows = np.empty(keys.size, np.int64)
    ends = np.empty(keys.size, np.int64)
    for table in range(tables):
        sums = matched[table // per_resolution]
        directory = starts[table]
        base = bases[table]
        dense = dense_bases[table]
        dense_end = dense_bases[table + 1]
        # All directory entries first: they miss the cache, and in a loop of their own do not wait for each other.
        for i in range(offsets[table], offsets[table + 1]):
            lows[i] = base + directory[keys[i] >> shift]
            ends[i] = base + directory[(keys[i] >> shift) + 1]
        for i in range(offsets[table], offsets[table + 1]):
            key = keys[i]
            weight = weights[i]
            while dense < dense_end and dense_keys[dense] < key:
                dense += 1
            if dense < dense_end and dense_keys[dense] == key:
                _add_planes(dense_bits[dense], weight, sums)
                touched += dense_counts[dense]
                continue
            remainder = key & mask
            low, end = lows[i], ends[i]
            if end - low <= SCAN_LIMIT:
                for at in range(low, end):
                    if remainders[at] == remainder:
                        sums[ordinals[at]] += weight
                        touched += 1
                continue
            first = _bisect(remainders, low, end, remainder)
            last = _bisect(remainders, first, end, remainder + 1)
            for at in range(first, last):
                sums[ordinals[at]] += weight
            touched += last - first
    return touched


@_compiled
def _bisect(remainders: NDArray[Any], low: int, high: int, least: int) -> int:
    """The first position of a sorted stretch with a remainder of at least `least`, or `high`."""
    while low < high:
        middle = (low + high) >> 1
        if remainders[middle] < least:
            low = middle + 1
        else:
            high = middle
    return low


@_compiled
def _add_planes(bits: NDArray[np.uint8], weight: Any, sums: NDArray[Any]) -> None:
    stride = bits.size
    for plane in range(8):
        part = sums[plane * stride : (plane + 1) * stride]
        for j in range(stride):  # becomes vector instructions; see the module's docstring
            part[j] += ((bits[j] >> plane) & 1) * weight


@_compiled
def count_possible(
    keys: NDArray[np.uint32],
    counts: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    levels: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """Rows x tables that could match a source of each level. [R, LEVELS]

    Entry (r, level) is the sum of the counts of the target's keys of resolution r divisible by 2**level. Below the
    target's own level all of its keys are, so the larger of the two levels decides without being asked.
    """
    resolutions = levels.size
    per_resolution = (offsets.size - 1) // resolutions
    possible = np.zeros((resolutions, LEVELS), np.int64)
    for table in range(offsets.size - 1):
        for i in range(offsets[table], offsets[table + 1]):
            key = int(keys[i])
            zeros = 0
            while zeros < LEVELS - 1 and (key >> zeros) & 1 == 0:
                zeros += 1
            possible[table // per_resolution, zeros] += counts[i]
    for resolution in range(resolutions):
        for level in range(LEVELS - 2, -1, -1):
            possible[resolution, level] += possible[resolution, level + 1]
    return possible


@_compiled
def finish(
    matched: NDArray[Any],
    levels: NDArray[np.uint8],
    possible: NDArray[np.int64],
    values: NDArray[np.float64],
    support: NDArray[np.float64],
) -> None:
    """Turns sums [R, n] into adaptivity [n] and its support [n]; NaN where no resolution has evidence.

    levels [n, R] are the sources'; possible [R, LEVELS] comes from `count_possible`.
    """
    for source in range(values.size):
        total = 0.0
        evidence = 0
        resolutions = 0
        for resolution in range(matched.shape[0]):
            most = possible[resolution, levels[source, resolution]]
            if most > 0:
                total += matched[resolution, source] / most
                evidence += most
                resolutions += 1
        values[source] = total / resolutions if resolutions else np.nan
        support[source] = evidence
