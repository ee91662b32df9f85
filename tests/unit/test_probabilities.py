"""Probabilities against SciPy, which users need not install."""

from __future__ import annotations

import pytest
from scipy import special, stats

from msearch_analysis.probabilities import binomial_cdf, incomplete_beta, student_t_cdf, student_t_quantile


@pytest.mark.parametrize("a", [0.5, 1.0, 3.0, 60.0, 5_000.0])
@pytest.mark.parametrize("b", [0.5, 2.0, 80.0, 7_000.0])
@pytest.mark.parametrize("x", [0.0, 1e-6, 0.1, 0.4, 0.5, 0.9, 0.999, 1.0])
def test_incomplete_beta(a: float, b: float, x: float) -> None:
    assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(("a", "b", "x"), [(0, 1, 0.5), (1, -1, 0.5), (1, 1, 1.1), (1, 1, -0.1)])
def test_incomplete_beta_refuses_what_is_undefined(a: float, b: float, x: float) -> None:
    with pytest.raises(ValueError, match="incomplete beta"):
        incomplete_beta(a, b, x)


@pytest.mark.parametrize("trials", [1, 10, 459, 6_636, 200_000])
@pytest.mark.parametrize("probability", [0.001, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("share", [-0.1, 0.0, 0.3, 0.99, 1.0, 1.5])
def test_binomial(trials: int, probability: float, share: float) -> None:
    around = int(share * trials)
    expected = stats.binom.cdf(around, trials, probability)
    assert binomial_cdf(around, trials, probability) == pytest.approx(expected, rel=1e-8, abs=1e-13)


@pytest.mark.parametrize("degrees", [1, 1.5, 2, 4, 9.3, 30, 1_000])
@pytest.mark.parametrize("probability", [0.001, 0.05, 0.3, 0.5, 0.9, 0.975, 0.9995])
def test_student_t(degrees: float, probability: float) -> None:
    expected = stats.t.ppf(probability, degrees)
    assert student_t_quantile(probability, degrees) == pytest.approx(expected, rel=1e-8, abs=1e-9)
    assert student_t_cdf(expected, degrees) == pytest.approx(probability, rel=1e-9)


@pytest.mark.parametrize(("probability", "degrees"), [(0.0, 3), (1.0, 3), (0.5, 0)])
def test_student_t_refuses_what_is_undefined(probability: float, degrees: float) -> None:
    with pytest.raises(ValueError, match="needs 0 < probability"):
        student_t_quantile(probability, degrees)
