"""Mathematics of the bounds that decide whether a variant is offered."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from profiler_agent.verification import accuracy_loss, speed_up
from profiler_agent.verification.proportions import paired_difference_upper, rows_needed, share_upper

MEDIANS = st.lists(st.floats(0.01, 100.0), min_size=2, max_size=9)


@given(st.integers(1, 3000), st.data())
def test_the_bound_of_a_share_leaves_five_per_cent_below_the_count(rows: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, rows - 1))
    upper = share_upper(count, rows)
    assert count / rows < upper < 1.0
    # Its definition: with that share so few are seen in 5 % of all samples.
    assert stats.binom.cdf(count, rows, upper) == pytest.approx(0.05, abs=1e-6)


@given(st.integers(1, 500), st.data())
def test_more_losses_or_fewer_gains_never_lower_the_bound(rows: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, rows - 1))
    gained = data.draw(st.integers(1, rows - lost))
    upper = paired_difference_upper(lost, gained, rows)
    assert (lost - gained) / rows <= upper <= 1.0
    if lost + gained < rows:
        assert paired_difference_upper(lost + 1, gained, rows) >= upper - 1e-12
    if gained > 1:
        assert paired_difference_upper(lost, gained - 1, rows) >= upper - 1e-9


@pytest.mark.parametrize("rows", [60, 300])
@pytest.mark.parametrize("lost", [0.005, 0.01, 0.03])
@pytest.mark.parametrize("gained", [0.0, 0.005, 0.03])
def test_the_paired_bound_covers_the_true_loss(rows: int, lost: float, gained: float) -> None:
    """Exact coverage: every outcome with its trinomial probability."""
    covered = total = 0.0
    shares = [lost, gained, 1.0 - lost - gained]
    most = 10 + int(rows * 0.12)
    for b in range(most):
        for c in range(most if gained else 1):
            chance = float(stats.multinomial.pmf([b, c, rows - b - c], rows, shares))
            total += chance
            covered += chance * (paired_difference_upper(b, c, rows) >= lost - gained - 1e-12)
    assert total > 0.999
    assert covered / total > 0.93


@given(st.floats(0.0, 0.2), st.floats(0.001, 0.3))
def test_rows_needed_are_enough_and_one_less_at_no_loss_is_not(share: float, limit: float) -> None:
    needed = rows_needed(share, limit)
    if needed is None:
        assert share >= limit
        return
    assert share_upper(math.ceil(share * needed), needed) <= limit
    if share == 0.0:
        assert needed == 1 or share_upper(0, needed - 1) > limit


def test_one_per_cent_takes_299_rows_without_a_difference() -> None:
    assert rows_needed(0.0, 0.01) == 299
    assert share_upper(0, 299) <= 0.01 < share_upper(0, 298)


@given(MEDIANS, st.data())
def test_speed_up_turns_round_with_its_sides(yardstick: list[float], data: st.DataObject) -> None:
    variant = data.draw(st.lists(st.floats(0.01, 100.0), min_size=len(yardstick), max_size=len(yardstick)))
    forth, back = speed_up(yardstick, variant), speed_up(variant, yardstick)
    assert forth.low is not None
    assert forth.high is not None
    assert forth.low <= forth.ratio * (1 + 1e-12)
    assert forth.ratio <= forth.high * (1 + 1e-12)
    assert back.ratio == pytest.approx(1 / forth.ratio)
    assert back.low == pytest.approx(1 / forth.high)


@given(MEDIANS, st.floats(0.1, 10.0), st.floats(1e-3, 1e3))
def test_an_equal_factor_is_found_exactly_whatever_the_unit(values: list[float], factor: float, unit: float) -> None:
    found = speed_up([value * factor * unit for value in values], [value * unit for value in values])
    assert found.ratio == pytest.approx(factor)
    assert found.low == pytest.approx(factor)


def test_the_interval_of_the_speed_up_covers_it_in_95_of_100_experiments() -> None:
    generator = np.random.default_rng(7)
    covered = 0
    for _ in range(1000):
        noise = np.exp(generator.normal(0.0, 0.05, size=(2, 5)))
        found = speed_up(list(3.0 * noise[0]), list(2.0 * noise[1]))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1.5 <= found.high
    assert 930 <= covered <= 970


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_accuracy_loss_is_the_difference_of_accuracies(answers: list[tuple[bool, bool]]) -> None:
    reference, variant = (np.array(side) for side in zip(*answers, strict=True))
    loss = accuracy_loss(reference, variant)
    assert loss.value == pytest.approx(reference.mean() - variant.mean())
    assert loss.value <= loss.upper <= 1.0
