"""datasketch's MinHashLSHEnsemble: which sources contain at least a threshold's share of the target's keys.

The sets are the hash keys of one width. The ensemble gives a set without scores, so those it returns are ordered by the
Jaccard similarity that their MinHashes estimate, and the rest come last.
"""

from __future__ import annotations

import sys

import numpy as np
from datasketch import MinHash, MinHashLSHEnsemble
from numpy.typing import NDArray

from benchmarks.search_sources import SPACE
from msearch_sketch.hashing import bucket_keys

_RESOLUTION = 1
_THRESHOLD = 0.1
_PERMUTATIONS = 128
_PARTITIONS = 16


class LshEnsemble:
    """MinHashes of all sources, and their ensemble."""

    name = "datasketch MinHashLSHEnsemble"
    most_sources = 5_000

    def __init__(self) -> None:
        self._entries: list[tuple[int, MinHash, int]] = []

    def add(self, rows: NDArray[np.int16]) -> None:
        keys = bucket_keys(rows.reshape(-1, rows.shape[2]), SPACE.hashing)[:, _RESOLUTION]
        for source in keys.reshape(len(rows), rows.shape[1], -1):
            self._entries.append((len(self._entries), *_hash(source)))

    def finish(self) -> None:
        self._ensemble = MinHashLSHEnsemble(threshold=_THRESHOLD, num_perm=_PERMUTATIONS, num_part=_PARTITIONS)
        self._hashes = [entry[1] for entry in self._entries]
        self._ensemble.index(self._entries)  # reorders the list

    def scores(self, target: NDArray[np.int16]) -> NDArray[np.float64]:
        own, size = _hash(bucket_keys(target, SPACE.hashing)[:, _RESOLUTION])
        values = np.full(len(self._hashes), -1.0)
        for position in self._ensemble.query(own, size):
            values[position] = own.jaccard(self._hashes[position])
        return values

    def size_bytes(self) -> int:
        return sum(entry.hashvalues.nbytes + sys.getsizeof(entry) for entry in self._hashes)


def _hash(keys: NDArray[np.uint32]) -> tuple[MinHash, int]:
    """MinHash and size of the set of (table, key) pairs of rows [r, L]."""
    salted = np.unique(keys ^ (np.arange(keys.shape[1], dtype=np.uint32) * np.uint32(0x9E3779B1)))
    minhash = MinHash(num_perm=_PERMUTATIONS, hashfunc=int)
    minhash.update_batch(salted.tolist())
    return minhash, len(salted)
