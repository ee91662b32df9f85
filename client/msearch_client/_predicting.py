"""Predicted accuracies of candidates whose outputs on the target are at hand, worked out on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy import CandidateEvidence, Coreset, Prediction, Predictor, TargetEvidence, predict
from msearch_client._catalogue import Model
from msearch_client._evaluations import AccuracyPrediction, Contribution
from msearch_client._local_running import LocalRun
from msearch_running.outputs import common_rows
from msearch_sketch import Points, Signature

LEAST_SHARE = 0.8
"""Of the rows that a model must have taken: without it the rows that all models took would be few, or odd ones."""


def predict_locally(
    predictor: Predictor,
    version: str,
    runs: Sequence[LocalRun],
    target: Points,
    sources: Mapping[str, Signature],
    *,
    explain: bool,
) -> dict[str, AccuracyPrediction]:
    """The prediction for each model that was run, by model id.

    They are judged on the rows that all of them took. One that took less than 80 % of the rows is not judged, and does
    not count among "all".

    Args:
        predictor: the service's, or the default one.
        version: what to call it.
        runs: with outputs or without; those without are left out.
        target: the points of the very rows that the models were run on.
        sources: signatures of the candidates' source datasets in the target's space, by dataset id.
        explain: also say what spoke for and against.
    """
    told: dict[str, AccuracyPrediction] = {}
    taken, usable = choose_rows(runs, target)
    judged = [run.model.id for run, _ in taken] if usable.any() else []
    for run in runs:
        if run.outputs is not None and run.model.id not in judged:
            told[run.model.id] = _not_judged(run, version)
    if judged:
        evidence = [
            evidence_of(run.model, outputs[usable], sources.get(run.model.dataset_id)) for run, outputs in taken
        ]
        ticks = target.ticks[usable[target.kept]]
        found = predict(predictor, evidence, TargetEvidence(ticks), explain=explain)
        told |= {name: _describe(prediction, version) for name, prediction in zip(judged, found, strict=True)}
    return told


def choose_rows(
    runs: Sequence[LocalRun], target: Points
) -> tuple[list[tuple[LocalRun, NDArray[np.float32]]], NDArray[np.bool_]]:
    """The runs that took at least 80 % of the rows, with their outputs, and the rows that all of these took. [n]"""
    taken = [run for run in runs if run.outputs is not None and run.outputs.kept.mean() >= LEAST_SHARE]
    outputs = [run.outputs for run in taken if run.outputs is not None]
    common = common_rows(outputs) if outputs else target.kept
    return list(zip(taken, (one.probabilities for one in outputs), strict=True)), common & target.kept


def evidence_of(model: Model, outputs: NDArray[np.float32], source: Signature | None) -> CandidateEvidence:
    """What is known of a candidate whose outputs [n, K] on the target are at hand; named by the model's id."""
    validation = model.validation
    return CandidateEvidence(
        name=model.id,
        classes=model.classes,
        probabilities=outputs,
        source=None if source is None else Coreset.of(model.dataset_id, source),
        accuracy=model.known_accuracy,
        temperature=1.0 if validation is None else validation.temperature,
    )


def _describe(prediction: Prediction, version: str) -> AccuracyPrediction:
    return AccuracyPrediction(
        accuracy=prediction.accuracy,
        low=prediction.low,
        high=prediction.high,
        form=prediction.form,
        evidence_count=prediction.evidence_count,
        predictor_version=version,
        contributions=tuple(
            Contribution(evidence=name, change=change) for name, change in prediction.contributions.items()
        ),
        notices=prediction.notices,
    )


def _not_judged(run: LocalRun, version: str) -> AccuracyPrediction:
    outputs = run.outputs
    assert outputs is not None  # noqa: S101 - checked by the caller
    total = len(outputs.probabilities)
    reason = f"it took only {total - outputs.skipped:,} of {total:,} rows: {outputs.problem}"
    return AccuracyPrediction(
        accuracy=None, low=None, high=None, form="outputs", evidence_count=0, predictor_version=version,
        notices=(reason,),
    )  # fmt: skip
