"""Which keys of the target each source holds, for the scores over hash keys.

Keys of resolution r are kept only if divisible by 2**level (consistent sampling: whether a key is kept depends on the
key alone). Two signatures are compared at the larger of their levels, at which each holds all its keys, and nothing is
estimated that was not kept on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.signature import Signature
from search_service.domain.ranking import Source

_LEVELS = 33  # only key 0 is divisible by 2**32


@dataclass(frozen=True, slots=True)
class KeyOverlap:
    """Counts at the common level, by source and resolution, summed over the tables of the resolution. [n, R] each.

    `shared`, `target_keys`, `source_keys`: distinct keys in both, in the target, in the source. `shared_rows`,
    `target_rows`: rows of the target in the shared buckets, and in all of its buckets.
    """

    shared: NDArray[np.int64]
    target_keys: NDArray[np.int64]
    source_keys: NDArray[np.int64]
    shared_rows: NDArray[np.int64]
    target_rows: NDArray[np.int64]


def overlap_keys(target: Signature, sources: Sequence[Source]) -> KeyOverlap:
    """Compares the keys of the target with those of every source."""
    signatures = [source.signature for source in sources]
    tables, resolutions = target.tables, target.resolutions
    shape = (len(sources), resolutions)
    levels = np.maximum(np.stack([signature.levels for signature in signatures]), target.levels).astype(np.int64)

    sizes = np.stack([_table_sizes(signature) for signature in signatures])  # [n, T]
    keys = np.concatenate([signature.keys for signature in signatures])
    group_sizes = sizes.reshape(*shape, -1).sum(axis=2).ravel()
    groups = np.repeat(np.arange(group_sizes.size), group_sizes)  # which source and resolution a key belongs to
    masks = ((1 << levels.ravel()) - 1).astype(np.uint32)
    kept = (keys & np.repeat(masks, group_sizes)) == 0
    source_keys = np.bincount(groups[kept], minlength=group_sizes.size)

    table_of_key = np.repeat(np.tile(np.arange(tables), len(sources)), sizes.ravel())
    places, found = _look_up(target, keys, table_of_key)
    shared = np.bincount(groups[found], minlength=group_sizes.size)
    # Weights are far below 2^53, so float64 adds them exactly.
    shared_rows = np.bincount(groups[found], target.key_counts[places], group_sizes.size)

    target_keys, target_rows = _totals_by_level(target)
    pick = np.arange(resolutions), levels
    return KeyOverlap(
        shared=shared.reshape(shape),
        target_keys=target_keys[pick],
        source_keys=source_keys.reshape(shape),
        shared_rows=shared_rows.astype(np.int64).reshape(shape),
        target_rows=target_rows[pick],
    )


def mean_ratio(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over the resolutions with evidence of part / whole; NaN where there is none. [n, R] twice to [n]"""
    evident = wholes > 0
    ratios = np.where(evident, parts / np.maximum(wholes, 1), 0.0)
    counts = evident.sum(axis=1)
    return np.where(counts > 0, ratios.sum(axis=1) / np.maximum(counts, 1), np.nan)


def _table_sizes(signature: Signature) -> NDArray[np.int64]:
    offsets = signature.table_offsets.astype(np.int64)
    return offsets[1:] - offsets[:-1]


def _look_up(
    target: Signature, keys: NDArray[np.uint32], tables: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where keys occur in the target: positions among the target's keys, and among `keys`, of every match."""
    # A bitmap of the leading 16 bits turns nearly all absent keys away before the binary search.
    own_tables = np.repeat(np.arange(target.tables), _table_sizes(target))
    present = np.zeros(target.tables << 16, np.bool_)
    present[(own_tables << 16) | (target.keys >> np.uint32(16))] = True
    likely = np.flatnonzero(present[(tables << 16) | (keys >> np.uint32(16))])
    if not likely.size or not target.keys.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    own = (own_tables << 32) | target.keys
    wanted = (tables[likely] << 32) | keys[likely]
    places = np.minimum(np.searchsorted(own, wanted), own.size - 1)
    exact = own[places] == wanted
    return places[exact], likely[exact]


def _totals_by_level(target: Signature) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct keys of the target divisible by 2**level, and the rows in them. [R, 33] each"""
    keys, rows = (np.zeros((target.resolutions, _LEVELS), np.int64) for _ in range(2))
    bounds = target.table_offsets.astype(np.int64)[:: target.tables // target.resolutions]
    for resolution in range(target.resolutions):
        part = slice(bounds[resolution], bounds[resolution + 1])
        for level in range(_LEVELS):
            divisible = (target.keys[part].astype(np.int64) & ((1 << level) - 1)) == 0
            keys[resolution, level] = divisible.sum()
            rows[resolution, level] = target.key_counts[part][divisible].sum(dtype=np.int64)
    return keys, rows
