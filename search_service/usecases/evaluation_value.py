"""Which evaluations teach the accuracy predictor most per second: pure arithmetic.

    value(i, j) = w(i, j) g(m_j) / sqrt(1 + n_i),   g(m) = 1 + m / 4 for m < 4, else 1 / sqrt(m - 2)

w(i, j) is how uncertain, and how new, the outcome of model i on sample j is (`calibrating`); n_i and m_j count the
evaluations of model i and on sample j that are there or planned before. The root makes a second evaluation of the same
model teach less than the first, and a sixteenth a quarter of it: a predictor learns from many models, not from many of
one. A sample teaches nothing before its own model and three others were run on it, so what is begun is brought to four
first; from then on one more on it teaches less than the first on another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_ON_SAMPLE = 4
"""Evaluations on a sample, that of its own model included, before the fit can use it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Model and sample by their places, the value when it was chosen, and how long it takes."""

    model: int
    sample: int
    value: float
    seconds: float


def choose_evaluations(
    weights: Floats,
    seconds: Floats,
    *,
    of_models: Floats,
    on_samples: Floats,
    budget_s: float,
    most: int,
) -> list[Choice]:
    """At most `most` evaluations within the budget, chosen one after the other by value per second.

    Args:
        weights: [M, S], 0 where there is nothing to learn or the model cannot be run.
        seconds: [M, S], above 0.
        of_models: [M], evaluations of each model so far.
        on_samples: [S], evaluations on each sample so far.
        budget_s: seconds for all together; what does not fit is passed over for what does.
        most: how many at most.
    """
    left = weights.copy()
    models, samples = of_models.astype(np.float64), on_samples.astype(np.float64)
    chosen: list[Choice] = []
    while left.size and len(chosen) < most:
        values = left * share_of_sample(samples)[None] / np.sqrt(1 + models)[:, None]
        rates = np.where(seconds <= budget_s, values / seconds, 0.0)
        model, sample = (int(place) for place in np.unravel_index(int(rates.argmax()), rates.shape))
        if rates[model, sample] <= 0:
            break
        taken = float(seconds[model, sample])
        chosen.append(Choice(model, sample, float(values[model, sample]), taken))
        left[model, sample] = 0
        models[model] += 1
        samples[sample] += 1
        budget_s -= taken
    return chosen


def share_of_sample(evaluations: Floats) -> Floats:
    """g(m) [S] of the numbers of evaluations on samples."""
    complete = evaluations >= LEAST_ON_SAMPLE
    begun = 1 + evaluations / LEAST_ON_SAMPLE
    return np.where(complete, 1 / np.sqrt(np.where(complete, evaluations - LEAST_ON_SAMPLE + 2, 1)), begun)
