"""Behaviour scores: known values, and what is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from msearch_accuracy import AccuracyError, Validation
from msearch_accuracy.behaviour import Behaviour, find_behaviour_scores
from msearch_accuracy.behaviour.labelled_accuracy import wilson_interval
from msearch_accuracy.behaviour.worst_noise import LEAST_SEEDS
from msearch_accuracy.calibration import fit_atc_threshold, fit_temperature, scale_by_temperature
from msearch_accuracy.dawid_skene import dawid_skene

SCORES = find_behaviour_scores()
P = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]])
VALIDATION = Validation(
    accuracy=0.9,
    count=100,
    temperature=1.0,
    mean_confidence=0.85,
    atc_threshold=-0.6,
    confidence_counts=(),
    confidence_correct=(),
)


def value(name: str, **known: object) -> float:
    told: dict[str, object] = {"probabilities": P, **known}
    return SCORES[name].compute(Behaviour(**told)).value  # type: ignore[arg-type]


def entropy(*shares: float) -> float:
    return -sum(p * math.log(p) for p in shares if p)


def test_all_scores_are_found() -> None:
    named = "atc confidence consensus cot dawid_skene doc entropy labelled_accuracy logme mano mutual_information"
    assert list(SCORES) == [*named.split(), "nuclear_norm", "worst_noise"]


def test_confidence_is_the_mean_of_the_largest() -> None:
    assert value("confidence") == pytest.approx((0.8 + 0.6 + 0.9) / 3)


def test_confidence_is_taken_under_the_validation_temperature() -> None:
    hot = Validation(
        accuracy=0.9,
        count=9,
        temperature=2.0,
        mean_confidence=0.8,
        atc_threshold=0.0,
        confidence_counts=(),
        confidence_correct=(),
    )
    root = math.sqrt(4)  # (0.8 / 0.2) ** (1 / 2)
    single = Behaviour(probabilities=P[:1], validation=hot)
    assert SCORES["confidence"].compute(single).value == pytest.approx(root / (1 + root))


def test_entropy_is_minus_the_mean_entropy() -> None:
    expected = -(entropy(0.8, 0.2) + entropy(0.6, 0.4) + entropy(0.1, 0.9)) / 3
    assert value("entropy") == pytest.approx(expected)


def test_atc_counts_rows_above_the_threshold() -> None:
    assert value("atc", validation=VALIDATION) == pytest.approx(2 / 3)  # entropies 0.50, 0.67, 0.33


def test_doc_takes_the_loss_of_confidence_off() -> None:
    assert value("doc", validation=VALIDATION) == pytest.approx(0.9 - (0.85 - 2.3 / 3))


def test_nuclear_norm_is_one_for_sure_and_balanced_outputs() -> None:
    assert value("nuclear_norm", probabilities=np.eye(4)) == pytest.approx(1.0)
    assert value("nuclear_norm", probabilities=np.full((4, 4), 0.25)) == pytest.approx(0.25)


def test_mutual_information_is_log_k_for_sure_and_balanced_outputs() -> None:
    assert value("mutual_information", probabilities=np.eye(4)) == pytest.approx(math.log(4))
    assert value("mutual_information", probabilities=np.tile([0.9, 0.1], (5, 1))) == pytest.approx(0.0, abs=1e-12)


def test_mano_of_uniform_outputs_is_one_over_k() -> None:
    assert value("mano", probabilities=np.full((3, 4), 0.25)) == pytest.approx(0.25)


def test_mano_of_sure_outputs_uses_softmax() -> None:
    assert value("mano", probabilities=np.eye(4)) == pytest.approx((4 / 16) ** 0.25)


def test_cot_is_the_assigned_probability_under_the_prior() -> None:
    assert value("cot", probabilities=np.eye(2), prior=np.array([0.5, 0.5])) == pytest.approx(1.0, abs=0.01)
    # All rows say the first class, but the prior gives half of them the second.
    skewed = np.tile([1.0, 0.0], (10, 1))
    assert value("cot", probabilities=skewed, prior=np.array([0.5, 0.5])) == pytest.approx(0.5, abs=0.02)


def test_cot_agrees_with_linear_programming() -> None:
    from scipy.optimize import linear_sum_assignment

    random = np.random.default_rng(3)
    values = random.dirichlet(np.full(3, 0.6), 60)
    prior = np.array([0.5, 0.3, 0.2])
    slots = np.repeat(np.arange(3), [30, 18, 12])
    rows, columns = linear_sum_assignment(-values[:, slots])
    exact = values[:, slots][rows, columns].mean()
    assert value("cot", probabilities=values, prior=prior) == pytest.approx(exact, abs=0.01)


def test_cot_of_sure_outputs_that_miss_the_prior_is_exact_too() -> None:
    """Where nearly all shares are 0 or 1 the dual is flat, and steps must be taken that lower it."""
    from scipy.optimize import linear_sum_assignment

    random = np.random.default_rng(5)
    logits = 6 * random.normal(size=(200, 7)) + np.array([8.0, 4, 0, 0, 0, 0, -4])
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    values /= values.sum(axis=1, keepdims=True)
    counts = [20, 20, 20, 20, 20, 50, 50]
    slots = np.repeat(np.arange(7), counts)
    rows, columns = linear_sum_assignment(-values[:, slots])
    exact = values[:, slots][rows, columns].mean()
    assert value("cot", probabilities=values, prior=np.array(counts) / 200) == pytest.approx(exact, abs=0.005)


def test_consensus_is_the_share_of_others_that_agree() -> None:
    votes = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 1]])
    assert value("consensus", votes=votes, place=0) == pytest.approx((0.5 + 0 + 1) / 3)


def test_dawid_skene_finds_the_better_voter() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 400)
    votes = []
    for accuracy in (0.9, 0.85, 0.8, 0.4):
        right = random.random(400) < accuracy
        votes.append(np.where(right, labels, (labels + random.integers(1, 3, 400)) % 3))
    stacked = np.array(votes)
    told = [value("dawid_skene", probabilities=np.full((400, 3), 1 / 3), votes=stacked, place=c) for c in range(4)]
    true = (stacked == labels).mean(axis=1)
    assert np.argsort(told).tolist() == np.argsort(true).tolist()
    assert told == pytest.approx(true, abs=0.08)


def test_dawid_skene_of_unanimous_votes_is_certain() -> None:
    posterior = dawid_skene(np.tile(np.arange(9) % 3, (4, 1)), 3)
    assert posterior.argmax(axis=1).tolist() == (np.arange(9) % 3).tolist()
    assert posterior.max(axis=1).min() > 0.9


def test_worst_noise_is_the_agreement_with_noisy_votes() -> None:
    own = P.argmax(axis=1)
    noisy = np.tile(own, (LEAST_SEEDS, 1))
    assert value("worst_noise", noisy=noisy) == 1.0
    noisy[:, 0] = 1 - noisy[:, 0]
    assert value("worst_noise", noisy=noisy) == pytest.approx(2 / 3)
    assert math.isnan(value("worst_noise", noisy=noisy[:3]))


def test_labelled_accuracy_has_a_wilson_interval() -> None:
    found = SCORES["labelled_accuracy"].compute(Behaviour(probabilities=P, labels=np.array([0, 1, 1])))
    assert found.value == pytest.approx(2 / 3)
    assert (found.low, found.high) == pytest.approx((0.2077, 0.9385), abs=1e-4)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson_interval(10, 10)[1] == 1.0


def test_labels_of_some_rows_are_compared_with_those_rows() -> None:
    assert value("labelled_accuracy", labels=np.array([1]), labelled_rows=np.array([2])) == 1.0


def test_logme_prefers_features_that_tell_the_labels() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 80)
    telling = np.stack([labels + random.normal(0, 0.1, 80), random.normal(size=80)], axis=1)
    outputs = np.full((80, 2), 0.5)
    good = value("logme", probabilities=outputs, labels=labels, features=telling)
    bad = value("logme", probabilities=outputs, labels=labels, features=random.normal(size=(80, 2)))
    assert good > bad + 0.5


def test_logme_is_the_log_evidence_on_a_grid() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(30, 3))
    labels = (features[:, 0] + random.normal(0, 0.5, 30) > 0).astype(int)

    def evidence(alpha: float, beta: float, label: np.ndarray) -> float:
        covariance = np.eye(30) / beta + features @ features.T / alpha
        _, log_determinant = np.linalg.slogdet(2 * np.pi * covariance)
        return float(-0.5 * (log_determinant + label @ np.linalg.solve(covariance, label)) / 30)

    grid = np.geomspace(0.1, 1000, 40)
    best = [max(evidence(a, b, (labels == c).astype(float)) for a in grid for b in grid[10:35]) for c in (0, 1)]
    found = value("logme", probabilities=np.full((30, 2), 0.5), labels=labels, features=features)
    assert found == pytest.approx(np.mean(best), abs=0.01)


@pytest.mark.parametrize(
    "name", ["atc", "doc", "consensus", "dawid_skene", "worst_noise", "labelled_accuracy", "logme"]
)
def test_what_is_missing_is_said(name: str) -> None:
    found = SCORES[name].compute(Behaviour(probabilities=P))
    assert math.isnan(found.value)
    assert found.detail


@pytest.mark.parametrize("bad", [np.array([[np.nan, 1.0]]), np.array([[0.5, 0.9]]), np.zeros((0, 2)), np.array([0.5])])
def test_outputs_that_are_no_probabilities_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(AccuracyError):
        Behaviour(probabilities=bad)


def test_temperature_recovers_what_made_the_outputs_too_sure() -> None:
    random = np.random.default_rng(0)
    honest = random.dirichlet(np.full(3, 0.7), 4000)
    labels = (honest.cumsum(axis=1) < random.random((4000, 1))).sum(axis=1)
    sure = scale_by_temperature(honest, 0.5)
    assert fit_temperature(sure, labels) == pytest.approx(2.0, rel=0.1)
    assert fit_temperature(sure, np.full(4000, -1)) == 1.0


def test_the_atc_threshold_leaves_as_many_rows_below_as_are_wrong() -> None:
    values = np.array([[0.9, 0.1], [0.5, 0.5], [0.7, 0.3], [0.99, 0.01]])
    threshold = fit_atc_threshold(values, np.array([True, False, True, True]))
    scores = (values * np.log(values)).sum(axis=1)
    assert np.count_nonzero(scores < threshold) == 1
    assert np.count_nonzero(scores < fit_atc_threshold(values, np.zeros(4, bool))) == 4
