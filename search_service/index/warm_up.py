"""Compiles the kernels before the first query, which would otherwise wait for them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from search_service.index import kernels


@lru_cache(maxsize=1)
def warm_up() -> None:
    """Calls every kernel with every combination of types; once a process, a fraction of a second if cached on disk."""
    keys = np.array([0, 1 << 31], np.uint32)
    offsets = np.array([0, 2], np.int64)
    bases = np.array([0, 2], np.int64)
    dense_bases = np.zeros(2, np.int64)
    levels = np.zeros((1, 1), np.uint8)
    numbers = np.zeros(1, np.int32)
    spare_keys, spare_ordinals = np.empty(2, np.uint32), np.empty(2, np.uint16)
    dense = np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty((0, 1), np.uint8)
    possible = kernels.count_possible(keys, np.ones(2, np.uint32), offsets, levels[0])
    results = np.empty(1), np.empty(1)
    kernels.gather_dense(dense[0], dense[2], numbers, spare_keys, spare_ordinals, 0)
    remainder_types: list[tuple[Any, int]] = [(np.uint16, 16), (np.uint32, 31)]
    for dtype, shift in remainder_types:
        starts = np.empty((1, (1 << (32 - shift)) + 1), np.uint32)
        remainders, ordinals = np.empty(2, dtype), np.empty(2, np.uint16)
        kernels.gather_sources(keys, offsets[None, :], bases[:-1], spare_keys, spare_ordinals)
        kernels.fill_table(spare_keys, spare_ordinals, shift, starts[0], remainders, ordinals)
        kernels.extract_dense(starts[0], remainders, ordinals, shift, kernels.SCAN_LIMIT + 1, *dense)
        kernels.gather_postings(starts[0], remainders, ordinals, shift, numbers, spare_keys, spare_ordinals, 0)
        for weight_type in (np.uint16, np.uint32, np.int64):
            matched = np.zeros((1, 8), weight_type)
            weights = np.ones(2, weight_type)
            postings = bases, starts, remainders, ordinals, shift
            kernels.accumulate(keys, weights, offsets, *postings, dense_bases, *dense, matched)
            kernels.finish(matched, levels, possible, *results)
