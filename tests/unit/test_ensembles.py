"""Ensembles that cover a target: greedy against brute force, and who gets which row."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_accuracy import AccuracyError
from msearch_accuracy.ensembles import GUARANTEE, choose_cover, closeness, combine_outputs, route_rows
from tests.made_up_accuracy import made_up_coreset


def reach(covers: np.ndarray, weights: np.ndarray, chosen: tuple[int, ...]) -> float:
    return float(weights @ covers[:, list(chosen)].max(axis=1) / weights.sum())


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 7), st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_greedy_reaches_its_guarantee(seed: int, cells: int, sources: int, most: int) -> None:
    random = np.random.default_rng(seed)
    covers = random.random((cells, sources)) * (random.random((cells, sources)) < 0.5)
    weights = random.integers(1, 9, cells)
    found = choose_cover(covers, weights, most)
    best = max(reach(covers, weights, c) for c in combinations(range(sources), min(most, sources)))
    assert found.covered >= GUARANTEE * best - 1e-9
    assert found.covered <= best + 1e-9
    chosen = tuple(member.place for member in found.members)
    assert len(set(chosen)) == len(chosen) <= most
    assert found.covered == pytest.approx(reach(covers, weights, chosen))
    gains = [member.adds for member in found.members]
    assert gains == sorted(gains, reverse=True)  # submodular: later ones never add more
    assert sum(gains) == pytest.approx(found.covered)
    assert sum(member.routed for member in found.members) == pytest.approx(1)
    assert found.members[0].alone == pytest.approx(found.best_alone)


def test_greedy_may_miss_the_best_pair_and_says_what_it_reached() -> None:
    """The textbook case: the largest single source overlaps both of the two that together cover everything."""
    covers = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1], [0, 1, 0], [0, 0, 1]], float)
    found = choose_cover(covers, np.array([2, 1, 2, 1, 2, 2]), 2)
    assert [member.place for member in found.members] == [0, 1]
    assert found.covered == pytest.approx(0.8)  # the pair (1, 2) covers all


def test_a_source_that_adds_nothing_is_not_taken() -> None:
    found = choose_cover(np.array([[1.0, 0.5, 1.0], [1.0, 0.5, 0.0]]), np.ones(2), 3)
    assert [member.place for member in found.members] == [0]
    assert found.covered == found.best_alone == 1


def test_rows_go_to_the_source_they_lie_in() -> None:
    sources = [made_up_coreset(domain) for domain in (0, 4)]
    rows = np.concatenate([made_up_coreset(0, seed=1).points, made_up_coreset(4, seed=1).points])
    assert route_rows(rows, sources).tolist() == [0] * 60 + [1] * 60
    found = choose_cover(closeness(rows, sources), np.ones(120), 2)
    assert [round(member.routed, 2) for member in found.members] == [0.5, 0.5]
    assert found.covered > found.best_alone + 0.2
    near = closeness(sources[0].points, sources)
    assert near[:, 0].min() == pytest.approx(1, abs=1e-3)


def test_outputs_are_routed_weighed_or_averaged() -> None:
    outputs = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
    covers = np.array([[0.9, 0.3], [0.0, 0.0]])
    assert combine_outputs(outputs).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    np.testing.assert_allclose(combine_outputs(outputs, covers), [[0.75, 0.25], [0.5, 0.5]], atol=1e-5)
    assert combine_outputs(outputs, covers[:, ::-1], routed=True).tolist() == [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("covers", "weights", "most", "message"),
    [
        (np.zeros((0, 2)), np.zeros(0), 1, "needs cells and sources"),
        (np.zeros((2, 0)), np.ones(2), 1, "needs cells and sources"),
        (np.full((2, 2), 1.5), np.ones(2), 1, "between 0 and 1"),
        (np.ones((2, 2)), np.zeros(2), 1, "weights must be positive"),
        (np.ones((2, 2)), np.ones(2), 0, "at least one member"),
    ],
)
def test_what_cannot_be_covered(covers: np.ndarray, weights: np.ndarray, most: int, message: str) -> None:
    with pytest.raises(AccuracyError, match=message):
        choose_cover(covers, weights, most)
