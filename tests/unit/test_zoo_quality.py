"""How rankings are judged: known values, and agreement with drawing the ties at random."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from examples.zoo.quality import Quality, judge, mean_quality, mean_ranks

TRUTH = np.array([0.9, 0.7, 0.5, 0.3, 0.2, 0.1])


def test_the_right_order_loses_nothing():
    assert judge(TRUTH, TRUTH) == Quality(pytest.approx(1.0), pytest.approx(0.0), pytest.approx(0.0))


def test_the_opposite_order_loses_most():
    quality = judge(-TRUTH, TRUTH)
    assert quality.spearman == pytest.approx(-1.0)
    assert quality.regret_1 == pytest.approx(0.8)
    assert quality.regret_5 == pytest.approx(0.2)


def test_a_constant_score_is_as_good_as_chance():
    quality = judge(np.zeros(6), TRUTH)
    assert quality.spearman == 0.0
    assert quality.regret_1 == pytest.approx(0.9 - TRUTH.mean())
    assert quality.regret_5 == pytest.approx(0.2 / 6)


def test_missing_values_rank_last():
    assert judge(np.array([np.nan, 1.0]), np.array([0.9, 0.4])).regret_1 == pytest.approx(0.5)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1)), min_size=2, max_size=12))
def test_ties_cost_what_a_random_order_costs_on_average(pairs):
    scores, truth = (np.array(column, float) for column in zip(*pairs, strict=True))
    chance = np.random.default_rng(0)
    draws = [truth[np.lexsort((chance.random(len(truth)), -scores))] for _ in range(800)]
    quality = judge(scores, truth)
    for regret, places in ((quality.regret_1, 1), (quality.regret_5, 5)):
        drawn = np.mean([truth.max() - draw[:places].max() for draw in draws])
        assert regret == pytest.approx(drawn, abs=0.09)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 1)), min_size=3, max_size=20, unique_by=lambda pair: pair[0]))
def test_spearman_agrees_with_scipy(pairs):
    scores, truth = (np.array(column) for column in zip(*pairs, strict=True))
    if len(set(truth)) > 1:
        assert judge(scores, truth).spearman == pytest.approx(spearmanr(scores, truth).statistic)


def test_means_are_taken_field_by_field():
    assert mean_quality([Quality(0.0, 0.2, 0.4), Quality(1.0, 0.0, 0.2)]) == Quality(0.5, 0.1, pytest.approx(0.3))


def test_mean_ranks_share_ties():
    ranks = mean_ranks([np.array([3.0, 1.0, 1.0]), np.array([1.0, 2.0, np.nan])])
    np.testing.assert_allclose(ranks, [0.75, 0.625, 0.125])
