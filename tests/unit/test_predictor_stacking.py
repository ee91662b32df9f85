"""Stacking: classes of rows from all models' outputs together, without a kept row."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from msearch_accuracy import AccuracyError, CandidateEvidence, Predictor, TargetEvidence, predict
from msearch_accuracy.fitting import FitSettings, fit
from msearch_accuracy.predicting import row_chances
from msearch_accuracy.problem import pose
from msearch_accuracy.stacking import add_moments, ask_stack, moments_of
from tests.made_up_accuracy import CLASSES, DIMENSION, made_up_target, made_up_workload, outputs


def _confused(domain: int, seed: int) -> tuple[list[CandidateEvidence], TargetEvidence, np.ndarray]:
    """One model that is mostly right, and five that agree with each other on a class that is wrong."""
    random = np.random.default_rng([seed, domain])
    labels = random.integers(0, 3, 300)
    good, bad = outputs(0.9, labels, random), outputs(0.95, (labels + 1) % 3, random)
    told = [good, *(bad + random.uniform(0, 0.01, bad.shape) for _ in range(5))]
    told = [values / values.sum(axis=1, keepdims=True) for values in told]
    candidates = [CandidateEvidence(f"model-{at}", CLASSES, values, None, 0.9) for at, values in enumerate(told)]
    return candidates, TargetEvidence(np.zeros((300, DIMENSION), np.int16)), labels


def test_whom_to_believe_is_learned_where_most_err_together() -> None:
    workload = made_up_workload()
    tables = []
    for domain, table in enumerate(workload.tables):
        candidates, _, labels = _confused(domain, 0)
        told = {c.name: c.probabilities for c in candidates if c.probabilities is not None}
        ticks = np.zeros((300, DIMENSION), np.int16)
        tables.append(replace(table, ticks=ticks, labels=np.array(CLASSES, object)[labels], probabilities=told))
    moments = moments_of(replace(workload, tables=tuple(tables)))
    candidates, target, labels = _confused(9, 1)
    problem = pose(candidates, target, run=True)
    posterior = ask_stack(moments, problem)
    assert posterior is not None
    assert np.allclose(posterior.sum(axis=1), 1)
    by_majority = problem.probabilities.mean(axis=0).argmax(axis=1)
    assert (by_majority == labels).mean() < 0.3
    assert (posterior.argmax(axis=1) == labels).mean() > 0.8


def test_any_of_the_known_models_suffice_and_strangers_do_not_disturb() -> None:
    workload = made_up_workload()
    candidates, target, _ = made_up_target(1)
    moments = moments_of(workload)
    some = candidates[1:4]
    alone = ask_stack(moments, pose(some, target, run=True))
    beside = ask_stack(moments, pose([*some, replace(candidates[0], name="stranger")], target, run=True))
    assert alone is not None
    assert beside is not None
    assert np.allclose(alone, beside)
    strangers = [replace(candidate, name=f"other {candidate.name}") for candidate in candidates]
    assert ask_stack(moments, pose(strangers, target, run=True)) is None
    assert ask_stack([], pose(candidates, target, run=True)) is None


def test_moments_of_parts_add_up_to_those_of_the_whole() -> None:
    workload = made_up_workload()
    whole = moments_of(workload)[0]
    parts = [found for table in workload.tables for found in moments_of(workload, [table])]
    added = add_moments(parts)[0]
    assert np.allclose(added.gram, whole.gram, atol=1e-4)
    assert np.allclose(added.moment, whole.moment, atol=1e-4)
    assert whole.gram.shape == (19, 19)


def test_chances_of_rows_are_those_that_the_prediction_averages() -> None:
    """Labelling begins with them: what the predictor knows of the models must be heard there as well."""
    predictor = fit([made_up_workload()], settings=FitSettings(pseudo_targets=0, trees=4, fold_trees=2, jobs=1))
    form = replace(predictor.forms["outputs"], lead_share=0.0)  # then the prediction is the mean over rows
    predictor = replace(predictor, forms={**predictor.forms, "outputs": form})
    candidates, target, _ = made_up_target(1)
    expected = [one.accuracy for one in predict(predictor, candidates, target, explain=False)]
    problem = pose(candidates, target, run=True)
    assert row_chances(predictor, problem).mean(axis=1).tolist() == pytest.approx(expected, abs=1e-5)
    unheard = row_chances(replace(predictor, moments=()), problem).mean(axis=1)
    assert unheard.tolist() != pytest.approx(expected, abs=1e-5)


def test_of_very_many_outputs_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msearch_accuracy.stacking._MOST_COLUMNS", 17)
    assert moments_of(made_up_workload()) == []


def test_corrupt_moments_are_refused() -> None:
    predictor = fit([made_up_workload()], settings=FitSettings(pseudo_targets=0, trees=4, fold_trees=2, jobs=1))
    with np.load(io.BytesIO(predictor.encode())) as file:
        arrays = {name: file[name].copy() for name in file.files}
    arrays["moments.0.gram"] = arrays["moments.0.gram"][:-1]
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    with pytest.raises(AccuracyError, match="corrupt"):
        Predictor.decode(stream.getvalue())
