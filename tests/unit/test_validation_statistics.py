"""Validation statistics against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from msearch_sketch import DatasetError, validation_statistics
from msearch_sketch.validation import fit_temperature, scale_temperature


def test_known_values_at_temperature_one():
    """Two classes at 0.8 with four of five right: 0.8 is then the best calibrated confidence, so T is 1."""
    probabilities = np.tile([0.8, 0.2], (10, 1))
    found = validation_statistics(probabilities, np.array([0, 0, 0, 0, 1] * 2))
    assert (found.accuracy, found.count) == (0.8, 10)
    assert found.temperature == pytest.approx(1, abs=1e-3)
    assert found.mean_confidence == pytest.approx(0.8, abs=1e-4)
    assert found.confidence_counts == (0,) * 11 + (10, 0, 0, 0) or found.confidence_counts[12] == 10
    assert sum(found.confidence_correct) == 8
    assert found.atc_threshold == pytest.approx(0.8 * np.log(0.8) + 0.2 * np.log(0.2), abs=1e-4)


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (20_000, 4))
    calibrated = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (calibrated.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    overconfident = scale_temperature(calibrated, 1 / 2.5)
    assert fit_temperature(overconfident, labels) == pytest.approx(2.5, rel=0.05)
    found = validation_statistics(overconfident, labels)
    assert found.mean_confidence == pytest.approx(found.accuracy, abs=0.01)
    counts, correct = np.array(found.confidence_counts), np.array(found.confidence_correct)
    busy = counts > 300
    centres = (np.arange(15) + 0.5) / 15
    assert np.abs(correct[busy] / counts[busy] - centres[busy]).max() < 0.08


def test_the_threshold_cuts_off_as_many_rows_as_there_are_errors():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet([0.5, 0.5, 0.5], 500)
    labels = rng.integers(0, 3, 500)
    found = validation_statistics(probabilities, labels)
    scaled = scale_temperature(probabilities, found.temperature)
    scores = (scaled * np.log(np.maximum(scaled, 1e-12))).sum(axis=1)
    assert np.mean(scores < found.atc_threshold) == pytest.approx(1 - found.accuracy)
    assert np.mean(scores >= found.atc_threshold) == pytest.approx(found.accuracy)


@pytest.mark.parametrize(("labels", "accuracy"), [([0, 0, 0], 1.0), ([1, 1, 1], 0.0)])
def test_all_right_and_all_wrong(labels, accuracy):
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4]])
    found = validation_statistics(probabilities, np.array(labels))
    scaled = scale_temperature(probabilities, found.temperature)
    scores = (scaled * np.log(np.maximum(scaled, 1e-12))).sum(axis=1)
    assert found.accuracy == accuracy
    assert np.mean(scores >= found.atc_threshold) == accuracy
    assert 0.05 <= found.temperature <= 20


def test_certain_outputs_stay_finite():
    found = validation_statistics(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), np.array([0, 1, 1]))
    assert np.isfinite([found.temperature, found.mean_confidence, found.atc_threshold]).all()
    assert sum(found.confidence_counts) == 3


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        ([[0.5, 0.5]], [2], "between 0 and 1"),
        ([[0.5, 0.5]], [-1], "between 0 and 1"),
        ([[0.5, 0.5]], [0, 1], "as many integer labels"),
        ([[0.5, 0.5]], [0.0], "integer labels"),
        ([[3.0, -2.0]], [0], "softmax"),
        ([[0.5, float("nan")]], [0], "softmax"),
        ([[0.2, 0.2]], [0], "softmax"),
        ([0.5, 0.5], [0, 1], "shape"),
        ([[1.0], [1.0]], [0, 0], "shape"),
        (np.zeros((0, 2)), np.zeros(0, int), "no labelled row"),
    ],
)
def test_unfit_arrays_are_refused(probabilities, labels, message):
    with pytest.raises(DatasetError, match=message):
        validation_statistics(np.array(probabilities), np.array(labels))
