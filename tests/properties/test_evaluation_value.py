"""What is chosen for calibration: within the budget, nothing twice, spread over models and samples."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search_service.usecases.evaluation_value import LEAST_ON_SAMPLE, Choice, choose_evaluations, share_of_sample

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(1, 6)


def field(seed: int, models: int, samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    weights = random.uniform(0, 1, (models, samples)) * (random.random((models, samples)) < 0.8)
    seconds = random.uniform(0.5, 20, (models, samples))
    return weights, seconds, random.integers(0, 5, models).astype(float), random.integers(0, 5, samples).astype(float)


def choose(weights, seconds, of_models, on_samples, budget_s: float, most: int = 1000) -> list[Choice]:  # type: ignore[no-untyped-def]
    return choose_evaluations(
        weights, seconds, of_models=of_models, on_samples=on_samples, budget_s=budget_s, most=most
    )


@given(SEEDS, SIDES, SIDES, st.floats(0, 100))
def test_the_budget_holds_and_nothing_that_fits_is_left(seed: int, models: int, samples: int, budget_s: float) -> None:
    weights, seconds, of_models, on_samples = field(seed, models, samples)
    chosen = choose(weights, seconds, of_models, on_samples, budget_s)
    spent = sum(one.seconds for one in chosen)
    assert spent <= budget_s + 1e-9
    pairs = {(one.model, one.sample) for one in chosen}
    assert len(pairs) == len(chosen)
    for model in range(models):
        for sample in range(samples):
            if (model, sample) in pairs:
                assert weights[model, sample] > 0
            elif weights[model, sample] > 0:
                assert seconds[model, sample] > budget_s - spent


@given(SEEDS, SIDES, SIDES)
def test_the_first_has_the_best_value_per_second(seed: int, models: int, samples: int) -> None:
    weights, seconds, of_models, on_samples = field(seed, models, samples)
    values = weights * share_of_sample(on_samples)[None] / np.sqrt(1 + of_models)[:, None]
    chosen = choose(weights, seconds, of_models, on_samples, 1e9, most=1)
    if not weights.any():
        assert chosen == []
        return
    assert chosen[0].value / chosen[0].seconds == (values / seconds).max()
    assert chosen[0].value == values[chosen[0].model, chosen[0].sample]


@given(SEEDS, SIDES, SIDES, st.integers(0, 40))
def test_more_is_begun_as_less_is(seed: int, models: int, samples: int, most: int) -> None:
    weights, seconds, of_models, on_samples = field(seed, models, samples)
    whole = choose(weights, seconds, of_models, on_samples, 1e9)
    assert choose(weights, seconds, of_models, on_samples, 1e9, most=most) == whole[:most]
    assert len(whole) == np.count_nonzero(weights)


@given(st.integers(4, 8), st.integers(1, 6), st.integers(1, 36))
def test_samples_are_brought_to_what_the_fit_needs_one_after_the_other(models: int, samples: int, most: int) -> None:
    chosen = choose(
        np.ones((models, samples)), np.ones((models, samples)), np.zeros(models), np.zeros(samples), 1e9, most=most
    )
    on_samples = np.bincount([one.sample for one in chosen], minlength=samples)
    begun = (on_samples > 0) & (on_samples < LEAST_ON_SAMPLE)
    assert begun.sum() <= 1, "one is completed before another is begun"
    if (on_samples > LEAST_ON_SAMPLE).any():
        assert (on_samples >= LEAST_ON_SAMPLE).all(), "none gets more before all have what they need"
    first = [one.model for one in chosen[:models]]
    assert len(set(first)) == len(first), "each model once before any twice"


def test_a_sample_is_worth_more_the_nearer_it_is_to_enough_and_then_less_and_less() -> None:
    shares = share_of_sample(np.arange(20.0))
    assert shares[:5].tolist() == [1, 1.25, 1.5, 1.75, 1 / np.sqrt(2)]
    assert all(first > second for first, second in itertools.pairwise(shares[3:]))


@given(SEEDS, SIDES, SIDES)
def test_what_was_evaluated_often_teaches_less(seed: int, models: int, samples: int) -> None:
    weights, seconds, of_models, on_samples = field(seed, models, samples)
    before = choose(weights, seconds, of_models, on_samples, 1e9, most=1)
    if before:
        of_models[before[0].model] += 3
        after = choose(weights, seconds, of_models, on_samples, 1e9, most=1)
        assert after[0].value / after[0].seconds <= before[0].value / before[0].seconds


def test_nothing_is_chosen_of_nothing() -> None:
    assert choose(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros(3), 10) == []
    assert choose(np.zeros((2, 2)), np.ones((2, 2)), np.zeros(2), np.zeros(2), 10) == []
