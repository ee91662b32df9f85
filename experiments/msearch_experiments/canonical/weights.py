"""The weights of a canonical model: the same numbers for the same seed, on every machine and with every numpy.

numpy guarantees the raw stream of a bit generator, not what its distributions make of it; so uniform numbers are made
here, from the upper 24 bits of each half word, which a float32 holds exactly.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from msearch_experiments.canonical.graph import Weight

_BITS = 24


def draw(weight: Weight, seed: int) -> NDArray[np.float32] | NDArray[np.int64]:
    """The values of a weight of a model with that seed."""
    if weight.kind == "shape":
        return np.array(weight.values, np.int64)
    if weight.kind == "zeros":
        return np.zeros(weight.shape, np.float32)
    if weight.kind == "ones":
        return np.ones(weight.shape, np.float32)
    key = hashlib.sha256(f"{seed} {weight.name}".encode()).digest()
    words = np.random.Philox(key=np.frombuffer(key[:16], "<u8")).random_raw(-(-weight.elements // 2))
    halves = words.astype("<u8").view("<u4")[: weight.elements]
    fractions = (halves >> np.uint32(32 - _BITS)).astype(np.float32) * np.float32(2.0 ** (1 - _BITS)) - np.float32(1)
    return (fractions * np.float32(weight.bound)).reshape(weight.shape)
