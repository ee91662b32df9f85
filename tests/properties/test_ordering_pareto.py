"""The Pareto front against its definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search_service.usecases.ordering import pareto_front

values = st.sampled_from([0.0, 1.0, 2.0, 3.0, float("nan")])
points = st.lists(st.tuples(values, values), max_size=12)


def beaten(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether b is at least as good in both and better in one."""
    return b[0] >= a[0] and b[1] >= a[1] and b != a


@given(points)
def test_the_front_is_what_no_other_point_beats(chosen: list[tuple[float, float]]) -> None:
    first, second = (np.array([point[axis] for point in chosen], float) for axis in (0, 1))
    whole = [point for point in chosen if not np.isnan(point).any()]
    expected = [not np.isnan(point).any() and not any(beaten(point, other) for other in whole) for point in chosen]
    assert pareto_front(first, second).tolist() == expected


@given(points)
def test_the_best_of_each_quantity_is_on_the_front(chosen: list[tuple[float, float]]) -> None:
    whole = [point for point in chosen if not np.isnan(point).any()]
    if not whole:
        return
    first, second = (np.array([point[axis] for point in whole], float) for axis in (0, 1))
    front = pareto_front(first, second)
    assert first[front].max() == first.max()
    assert second[front].max() == second.max()
