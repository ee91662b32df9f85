"""Confidence optimal transport: how far the predictions are from being sure and in the source's proportions.

    cot = 1 - W_1(p_1..p_N, one-hot labels in the proportions of the source prior), cost ||p - e_k||_1 / 2 = 1 - p_k

With that cost, rows are assigned to classes so that the assigned probability is the largest under the prior's quotas:
a linear assignment, solved exactly for the most confident transport by an auction-free sweep (see `_transport`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.behaviour._definition import Behaviour, BehaviourInfo, BehaviourScore

INFO = BehaviourInfo(
    name="cot",
    summary="One less the optimal transport from the predictions to one-hot labels of the source prior.",
    formula="1 - W1(p, one-hot(prior)), cost 1 - p_ik",
    source="Lu et al. 2023",
    lowest=0.0,
    highest=1.0,
    estimates_accuracy=True,
)


_MOST_ROWS = 2_000
_SHARPNESSES = (10.0, 40.0, 200.0)
_ROUNDS, _HALVINGS = 30, 12
_LONGEST_STEP, _SETTLED, _RIDGE = 0.5, 1e-4, 1e-3


def _compute(behaviour: Behaviour) -> float:
    values = behaviour.calibrated
    # The descent stops at a tolerance, and sums in another order could end it a step earlier: one order for a set.
    values = values[np.lexsort(values.T)]
    if len(values) > _MOST_ROWS:
        values = values[np.linspace(0, len(values) - 1, _MOST_ROWS).astype(int)]
    classes = values.shape[1]
    prior = np.full(classes, 1 / classes) if behaviour.prior is None else np.asarray(behaviour.prior, np.float64)
    total = prior.sum()
    return _transport(values, prior / total if total > 0 else np.full(classes, 1 / classes))


def _transport(values: NDArray[np.float64], prior: NDArray[np.float64]) -> float:
    """The largest mean assigned probability, through its dual: min over u of mean_i max_k (p_ik - u_k) + u . prior.

    The dual is convex in the K prices u; it is minimised smoothed (softmax) by Newton steps, sharper and sharper, each
    from where the last ended. The smoothed value is exact to log(K) / 200 at worst, in practice to 1e-3.
    """
    prices = np.zeros(len(prior))
    for sharpness in _SHARPNESSES:
        found, shares = _smoothed(values, prior, prices, sharpness)
        for _ in range(_ROUNDS):
            gap = shares.mean(axis=0) - prior
            if float(np.abs(gap).max()) < _SETTLED:
                break
            slope = sharpness * (np.diag(shares.mean(axis=0)) - shares.T @ shares / len(values))
            step = np.linalg.solve(slope + _RIDGE * np.eye(len(prior)), gap)
            length = min(1.0, _LONGEST_STEP / float(np.abs(step).max()))
            for _ in range(_HALVINGS):
                lower, renewed = _smoothed(values, prior, prices + length * step, sharpness)
                if lower < found:
                    break
                length /= 2
            else:
                break
            prices, found, shares = prices + length * step, lower, renewed
    return float(np.clip((values - prices).max(axis=1).mean() + prices @ prior, 0.0, 1.0))


def _smoothed(
    values: NDArray[np.float64], prior: NDArray[np.float64], prices: NDArray[np.float64], sharpness: float
) -> tuple[float, NDArray[np.float64]]:
    """The smoothed dual at these prices, and the share of each class in each row, [N, K]."""
    scores = sharpness * (values - prices)
    top = scores.max(axis=1, keepdims=True)
    raised = np.exp(scores - top)
    sums = raised.sum(axis=1, keepdims=True)
    return float((np.log(sums) + top).mean() / sharpness + prices @ prior), raised / sums


SCORE = BehaviourScore(INFO, _compute)
