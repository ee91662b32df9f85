"""Noise on a model's weights, for the behaviour score `worst_noise`.

    w' = w + N(0, (eta std(w))^2)

for every floating tensor w of two or more dimensions: matrices, kernels, embeddings. Biases, scales and running
statistics are left alone; a running variance, say, must stay positive. The draws are the same for every model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.behaviour.worst_noise import LEAST_SEEDS, NOISE_GRID

NOISE_DRAWS = tuple((eta, seed) for eta in NOISE_GRID for seed in range(LEAST_SEEDS))
"""(eta, seed) of each draw, in the order of `Outputs.noisy_votes`."""


def noise_generator(seed: int) -> np.random.Generator:
    """What the noise of one draw comes from; tensors take from it in the order of the artifact."""
    return np.random.default_rng([0x6E6F, seed])


def add_noise(weights: NDArray[np.floating], eta: float, random: np.random.Generator) -> NDArray[np.float64]:
    """The weights with noise, in their own shape. A tensor whose values are all the same gets none."""
    values = np.asarray(weights, np.float64)
    noisy: NDArray[np.float64] = values + random.standard_normal(values.shape) * (eta * values.std())
    return noisy
