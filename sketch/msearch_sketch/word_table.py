"""What common English words mean: a vector and a valence for each, shipped with the package.

`python -m benchmarks.train_word_table` makes the file from a public sentence embedder and a list of words of praise
and blame; no row of any workload takes part.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.errors import SpaceError

FILE = files("msearch_sketch") / "word_table.npz"


@dataclass(frozen=True, slots=True, eq=False)
class WordTable:
    """Of V words: hashes [V], ascending; vectors [V, d] int8; valences [V] int8, -100 (blame) to 100 (praise).

    A vector is the longer the more its word says: that of a word found in most texts is short.
    """

    hashes: NDArray[np.uint64]
    vectors: NDArray[np.int8]
    valences: NDArray[np.int8]


@lru_cache(maxsize=1)
def word_table() -> WordTable:
    """The shipped table.

    Raises:
        SpaceError: the package lacks it.
    """
    try:
        data = FILE.read_bytes()
    except OSError:
        raise SpaceError("the file word_table.npz is missing from the package: install msearch again") from None
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return WordTable(arrays["hashes"], arrays["vectors"], arrays["valences"])


def look_up(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The place of each hash in `known`, which ascends; -1 where it is not there. [len(hashes)]"""
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.where(known[places] == hashes, places, -1)
