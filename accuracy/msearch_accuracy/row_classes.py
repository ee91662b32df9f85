"""What class each row of a target has, given candidates' votes and the labels of a few rows: a Bayesian pool of votes.

    P(row r is of class k) ~ exp( (b + b_g) log prior(r, k) + t share(r, k) + (o + o_g) 1[nobody votes k]
                                  + sum over candidates c of w_c (1[c votes k] - share(r, k)) )

share(r, k) is the share of candidates that vote k there. The prior is what is known without labels. Labels move its
trust b, the trust t in majorities, o, and the trust w_c in each candidate against the others, which then hold on every
other row too. g is the region of the row, by how many candidates agree on it: rows to label are chosen where
candidates differ, and what is learned there holds elsewhere in part only.

b ~ N(1, 0.3^2), o ~ N(0, 0.3^2), t ~ N(0, 0.5^2), b_g, o_g ~ N(0, 0.8^2), w_c ~ N(0, s^2) with s unknown: one
Laplace approximation for each s of a grid, mixed by their marginal likelihoods. The log prior of each row is stretched
so that this doubt leaves the mean of its chances where the prior has them. So trust stays near the prior until labels
contradict it, and follows them quickly where they do. Consensus-driven, as CODA (Kay et al. 2025), but candidates that
err together are not taken for independent witnesses, because all candidates are judged on the same drawn classes; and
where all vote alike, trust in one against another says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.dawid_skene import dawid_skene
from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.problem import Problem

_TRUST_DEVIATIONS = (0.25, 0.5, 1.0, 2.0)
_PRIOR_DEVIATION = 0.3
_OTHER_DEVIATION = 0.3
_MAJORITY_DEVIATION = 0.5
_REGIONS = (0.5, 0.7, 0.85, 0.97)
"""Where regions end, as the share of candidates that vote for the class most of them vote for."""
_REGION_DEVIATION = 0.8
_VOTES_TRUST = 0.5
"""By which Dawid-Skene's log-likelihoods are multiplied: candidates err together."""
_FLOOR = 0.02
_NOBODY = 0.01
_STEPS, _SETTLED, _LONGEST_STEP = 40, 1e-4, 3.0

Chances = NDArray[np.float32]


def consensus(problem: Problem) -> NDArray[np.float64]:
    """Class chances [n, K] without labels: the mean of Dawid-Skene's posterior and of the candidates' mean output."""
    voted = dawid_skene(problem.votes, len(problem.classes), trust=_VOTES_TRUST)
    mixed: NDArray[np.float64] = (voted + problem.probabilities.mean(axis=0)) / 2
    return mixed


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """The classes that may be a row's: those voted there, `kept`, and in the last slot any other.

    `classes` [n, J]: index of the slot's class, -1 for an unused slot and for "any other". `voted` [n, J, C]: whether
    the candidate votes for it. `used` [n, J]. `log_prior` [n, J].
    """

    classes: NDArray[np.int64]
    voted: NDArray[np.bool_]
    used: NDArray[np.bool_]
    log_prior: NDArray[np.float64]

    @classmethod
    def of(cls, votes: NDArray[np.int64], prior: NDArray[Any], kept: int | None = None) -> Slots:
        """Slots of votes [C, n] and a prior over all classes [n, K].

        Raises:
            AccuracyError: the prior is not of that shape, or no distribution.
        """
        prior = np.asarray(prior, np.float64)
        if prior.ndim != 2 or len(prior) != votes.shape[1] or not np.isfinite(prior).all() or (prior < 0).any():
            raise AccuracyError(f"the prior must be class chances of {votes.shape[1]} rows, not {list(prior.shape)}")
        rows, count = np.arange(len(prior)), prior.shape[1]
        smooth = (1 - _FLOOR) * prior / np.maximum(prior.sum(axis=1, keepdims=True), 1e-12) + _FLOOR / count
        named = [np.union1d(votes[:, row], [] if kept is None else [kept]).astype(np.int64) for row in rows]
        width = max(len(found) for found in named) + 1
        classes = np.full((len(rows), width), -1, np.int64)
        for row, found in enumerate(named):
            classes[row, : len(found)] = found
        used = classes >= 0
        chances = np.where(used, np.take_along_axis(smooth, np.maximum(classes, 0), axis=1), 0.0)
        used[:, -1] = True
        chances[:, -1] = np.maximum(1 - chances.sum(axis=1), 0) * (1 - _NOBODY) + _NOBODY
        return cls(
            classes=classes,
            voted=classes[:, :, None] == votes.T[:, None, :],
            used=used,
            log_prior=np.log(np.where(used, chances, 1.0)),
        )

    def find(self, row: int, label: int) -> int:
        """The slot of a class on a row; the last where nobody voted for it, or -1 stands for no class known here."""
        places = np.flatnonzero(self.classes[row] == label).tolist() if label >= 0 else []
        return places[0] if places else self.classes.shape[1] - 1


class ClassPosterior:
    """The posterior over the trusts given labels; gives draws of every row's class chances."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        rows, width, candidates = slots.voted.shape
        other = np.zeros((rows, width))
        other[:, -1] = 1.0
        share = slots.voted.mean(axis=2)
        columns = [slots.log_prior, other, share]
        deviations = [_PRIOR_DEVIATION, _OTHER_DEVIATION, _MAJORITY_DEVIATION]
        region = np.digitize(share.max(axis=1), _REGIONS)
        for number in range(len(_REGIONS) + 1):
            inside = (region == number)[:, None]
            columns += [slots.log_prior * inside, other * inside]
            deviations += [_REGION_DEVIATION, _REGION_DEVIATION]
        self._features = np.concatenate([np.stack(columns, axis=2), slots.voted - share[..., None]], axis=2)
        self._mean = np.zeros(self._features.shape[2])
        self._mean[0] = 1.0
        self._precisions = [np.array([*deviations, *[s] * candidates]) ** -2.0 for s in _TRUST_DEVIATIONS]
        self._features[..., 0] *= _stretch(slots, self._features, self._precisions)[:, None]
        self._modes = [self._mean] * len(self._precisions)
        self._curvatures = [np.diag(precision) for precision in self._precisions]
        self._shares = np.full(len(self._precisions), 1 / len(self._precisions))

    def fit(self, rows: Sequence[int], slots: Sequence[int]) -> None:
        """Takes the labels: the slot that is right on each of the rows."""
        evidence = []
        for place, precision in enumerate(self._precisions):
            mode, curvature, found = self._settle(precision, np.array(rows, int), np.array(slots, int))
            self._modes[place], self._curvatures[place] = mode, curvature
            evidence.append(found)
        shares = np.exp(np.array(evidence) - max(evidence))
        self._shares = shares / shares.sum()

    def _settle(
        self, precision: NDArray[np.float64], rows: NDArray[np.int64], right: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Newton's method: the mode, the curvature there, and Laplace's log marginal likelihood (up to a constant)."""
        features, used = self._features[rows], self._slots.used[rows]
        at, mode = np.arange(len(rows)), self._mean
        for _ in range(_STEPS):
            chances, likelihood = _softmax(features @ mode, used), 0.0
            curvature, slope = np.diag(precision), precision * (mode - self._mean)
            if len(rows):
                likelihood = float(np.log(np.maximum(chances[at, right], 1e-300)).sum())
                errors = chances.copy()
                errors[at, right] -= 1
                slope = slope + np.tensordot(errors, features, ((0, 1), (0, 1)))
                curvature = curvature + _information(features, chances)
            step = np.linalg.solve(curvature, slope)
            size = float(np.abs(step).max())
            if size < _SETTLED:
                break
            mode = mode - step * min(1.0, _LONGEST_STEP / size)
        away = mode - self._mean
        evidence = likelihood - (precision * away**2).sum() / 2 + np.log(precision).sum() / 2
        return mode, curvature, float(evidence - np.linalg.slogdet(curvature)[1] / 2)

    def expect_label(self, row: int) -> None:
        """Narrows the posterior as much as a label of this row will on average, whatever it says."""
        for place, mode in enumerate(self._modes):
            features = self._features[[row]]
            chances = _softmax(features @ mode, self._slots.used[[row]])
            self._curvatures[place] = self._curvatures[place] + _information(features, chances)

    def draw(self, count: int, random: np.random.Generator) -> Chances:
        """Class chances under `count` draws of the trusts. [J, count, n], slots first: sums are fast."""
        parts = []
        numbers = random.multinomial(count, self._shares)
        for number, mode, curvature in zip(numbers, self._modes, self._curvatures, strict=True):
            noise = random.standard_normal((number, len(mode)))
            parts.append(mode + np.linalg.solve(np.linalg.cholesky(curvature).T, noise.T).T)
        drawn = np.concatenate(parts).astype(np.float32)
        by_slot = self._features.transpose(1, 2, 0).astype(np.float32)  # [J, D, n]
        return _softmax(drawn @ by_slot, self._slots.used.T[:, None, :], axis=0).astype(np.float32, copy=False)


def _stretch(
    slots: Slots, features: NDArray[np.float64], precisions: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """What each row's log prior is multiplied by, so that doubt in trusts does not pull its chances to the middle. [n]

    The mean of the logistic function of N(m, v) is close to its value at m / sqrt(1 + pi v / 8) (MacKay 1992, "The
    evidence framework applied to classification networks"); v is the variance of the row's most likely slot against
    the others.
    """
    chances, rows = _softmax(slots.log_prior, slots.used), np.arange(len(features))
    likeliest = chances.argmax(axis=1)
    others = chances.copy()
    others[rows, likeliest] = 0.0
    others /= np.maximum(others.sum(axis=1, keepdims=True), 1e-12)
    against = features[rows, likeliest] - np.einsum("rjd,rj->rd", features, others)
    variances = against**2 @ np.mean([1 / precision for precision in precisions], axis=0)
    stretch: NDArray[np.float64] = np.sqrt(1 + np.pi / 8 * variances)
    return stretch


def _softmax(values: NDArray[Any], used: NDArray[np.bool_], axis: int = 1) -> NDArray[Any]:
    """Chances of the used slots, which lie along `axis`, from their logarithms up to a constant; 0 elsewhere."""
    masked = np.where(used, values, np.array(-np.inf, values.dtype))
    masked -= masked.max(axis=axis, keepdims=True, initial=-1e30)
    raised: NDArray[Any] = np.exp(masked, out=masked)
    raised /= raised.sum(axis=axis, keepdims=True)
    return raised


def _information(features: NDArray[np.float64], chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Covariance of features [n, J, D] under chances [n, J], summed over rows: Fisher information of labels. [D, D]"""
    means = np.einsum("rjd,rj->rd", features, chances)
    rooted = (features * np.sqrt(chances)[..., None]).reshape(-1, features.shape[-1])
    result: NDArray[np.float64] = rooted.T @ rooted - means.T @ means
    return result
