"""Dawid-Skene: the class of each row, from candidates' votes alone, by expectation maximisation.

    P(y_r = k | votes) ~ pi_k prod_c M_c[k, v_cr],   M_c[k, v] = P(candidate c votes v | class k)

with M_c and pi re-estimated from the posterior until it settles (Dawid & Skene 1979). A small prior on the diagonal of
M_c breaks the symmetry of renamed classes. Both steps are one matrix product over all candidates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DIAGONAL, _EVERYWHERE = 0.5, 0.1
_SETTLED = 1e-4


def dawid_skene(
    votes: NDArray[np.int64],
    classes: int,
    weights: NDArray[np.float64] | None = None,
    iterations: int = 30,
    *,
    evidence: NDArray[np.float64] | None = None,
    trust: float = 1.0,
) -> NDArray[np.float64]:
    """Posterior [n, classes] of each row's class.

    Args:
        votes: [C, n], the class that each candidate votes for.
        classes: their number.
        weights: [n], rows that each row stands for.
        iterations: the most steps.
        evidence: [n, classes], log-likelihoods from elsewhere that count beside the votes and start the iteration.
        trust: by which log-likelihoods of votes are multiplied; below 1 where candidates err together.
    """
    candidates, count = votes.shape
    columns = votes + classes * np.arange(candidates)[:, None]
    ballots = np.zeros((count, candidates * classes), np.float64)
    ballots[np.arange(count)[None], columns] = 1.0
    weighted = ballots if weights is None else ballots * weights[:, None]
    share = np.full(count, 1 / count) if weights is None else weights / weights.sum()
    posterior: NDArray[np.float64] = ballots.reshape(count, candidates, classes).sum(axis=1) + 1e-2
    if evidence is not None:
        posterior *= np.exp(evidence - evidence.max(axis=1, keepdims=True))
    posterior /= posterior.sum(axis=1, keepdims=True)
    outside = 0.0 if evidence is None else evidence
    prior_counts = _EVERYWHERE + _DIAGONAL * np.eye(classes)[None]
    for _ in range(iterations):
        prior = (posterior * share[:, None]).sum(axis=0) + 1e-6
        matrices = (weighted.T @ posterior).reshape(candidates, classes, classes) + prior_counts  # [C, vote, class]
        matrices /= matrices.sum(axis=1, keepdims=True)
        told = ballots @ np.log(matrices).reshape(candidates * classes, classes)
        logs = trust * told + outside + np.log(prior / prior.sum())
        renewed: NDArray[np.float64] = np.exp(logs - logs.max(axis=1, keepdims=True))
        renewed /= renewed.sum(axis=1, keepdims=True)
        change = float(np.abs(renewed - posterior).max())
        posterior = renewed
        if change < _SETTLED:
            break
    return posterior
