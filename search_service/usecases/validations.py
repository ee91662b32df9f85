"""Validation statistics: how a model did on labelled held-out rows, told by a client or counted here from outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from msearch_accuracy.label_matching import UNKNOWN, match_labels
from msearch_sketch.errors import DatasetError
from msearch_sketch.signature import Validation as Statistics
from msearch_sketch.validation import validation_statistics
from search_service.domain.access import Caller
from search_service.domain.catalog import Model
from search_service.domain.evaluation import EvaluationSample, MeasuredBy, Validation
from search_service.domain.ports import UnitOfWork
from search_service.usecases.evaluation_samples import load_points
from search_service.usecases.evidence import Evidence, check_may_publish
from search_service.usecases.fields import Reference, check_digest, invalid
from search_service.usecases.models import resolve_model
from search_service.usecases.once import CHANGED_MEANWHILE, Once, run_once
from search_service.usecases.outputs import Outputs
from search_service.usecases.points import Points

MOST_ROWS = 2**40
MOST_BINS = 1000
PRIOR_TOLERANCE = 1e-6


def put_validation(evidence: Evidence, caller: Caller, reference: Reference, told: Validation) -> Validation:
    """Stores what a client measured, in place of an earlier measurement. Raises InvalidArgument, NotFound.

    PermissionDenied: it needs the role publisher.
    """
    check_may_publish(caller, "storing validation statistics")
    model = _replace_validation(
        evidence,
        "PutValidation",
        lambda unit: resolve_model(unit, reference),
        lambda model: replace(_check(told, model.classes), created_at=evidence.registry.clock()),
    )
    if model.validation is None:
        raise AssertionError("it was just stored")  # pragma: no cover
    return model.validation


def renew_validation(evidence: Evidence, model_id: str, sample: EvaluationSample) -> None:
    """Counts the model's validation anew from its stored outputs on this sample, where another measurement stands.

    Nothing happens where the sample is not a validation sample of the model's own dataset, or tells nothing. Raises
    NotFound where the sample or the outputs were deleted meanwhile.
    """
    with evidence.database.begin() as unit:
        model, stored = unit.models.get(model_id), unit.evaluations.get(model_id, sample.id)
    if stored is None or not is_own_sample(model, sample) or _is_measured_on(model, sample):
        return
    outputs = Outputs.decode(stored.classes, evidence.registry.blobs.read(stored.outputs_digest))
    points, now = load_points(evidence, sample), evidence.registry.clock()
    validation = count_validation(outputs, points, sample, stored.measured_by, now)
    if validation is not None:
        _replace_validation(evidence, "EvaluateModels", lambda unit: unit.models.get(model_id), lambda _: validation)


def _replace_validation(
    evidence: Evidence, call: str, find: Callable[[UnitOfWork], Model], tell: Callable[[Model], Validation]
) -> Model:
    """Gives the model the statistics that are told of it, and once more where another change came between."""

    def act(unit: UnitOfWork) -> tuple[str, Model]:
        model = find(unit)
        changed = with_validation(model, tell(model))
        unit.models.replace(changed, model.revision)
        return model.id, changed

    once = Once.of(call, "", None)
    return run_once(
        evidence.registry, once, act, lambda unit, model_id: unit.models.get(model_id), retry_on=CHANGED_MEANWHILE
    )


def is_own_sample(model: Model, sample: EvaluationSample) -> bool:
    """Whether it is a validation sample of the very dataset that the model was trained on."""
    return bool(sample.dataset_id) and sample.dataset_id == model.dataset_id


def _is_measured_on(model: Model, sample: EvaluationSample) -> bool:
    """Whether what stands was counted here on this sample; what a client told was not."""
    found = model.validation
    return found is not None and found.sample_digest == sample.digest and found.measured_by is not MeasuredBy.CLIENT


def with_validation(model: Model, validation: Validation) -> Model:
    """The next revision of the model, with these statistics."""
    return replace(model, validation=validation, updated_at=validation.created_at, revision=model.revision + 1)


def count_validation(
    outputs: Outputs, points: Points, sample: EvaluationSample, measured_by: MeasuredBy, now: datetime
) -> Validation | None:
    """Statistics of outputs on a labelled sample; None where no row tells anything.

    Rows of classes that the model does not know count as wrong in the accuracy, and for nothing else.
    """
    counted = outputs.count(points, sample.classes)
    matched = match_labels(sample.classes, outputs.classes)
    places = np.append(matched, UNKNOWN)[points.labels]
    known = np.flatnonzero((points.labels >= 0) & (places != UNKNOWN) & outputs.taken)
    if counted is None or not len(known):
        return None
    try:
        statistics = validation_statistics(outputs.probabilities[known], places[known])
    except DatasetError:  # a single class, say: there is nothing to calibrate
        return None
    correct, count = counted
    shares = np.bincount(places[known], minlength=len(outputs.classes)) / len(known)
    return Validation(
        statistics=replace(statistics, accuracy=correct / count, count=count),
        measured_by=measured_by,
        created_at=now,
        class_prior=tuple(shares.tolist()),
        sample_digest=sample.digest,
    )


def _check(told: Validation, classes: Sequence[str]) -> Validation:
    _check_statistics(told.statistics)
    prior = told.class_prior
    if prior and len(prior) != len(classes):
        raise invalid("validation.class_prior", f"has {len(prior)} values, but the model has {len(classes)} classes")
    if prior and not (all(0 <= share <= 1 for share in prior) and abs(sum(prior) - 1) <= PRIOR_TOLERANCE):
        raise invalid("validation.class_prior", "must be shares from 0 to 1 that sum to 1")
    digest = check_digest("validation.sample_digest", told.sample_digest) if told.sample_digest else ""
    return replace(told, sample_digest=digest, measured_by=MeasuredBy.CLIENT)


def _check_statistics(told: Statistics) -> None:
    for name in ("accuracy", "mean_confidence"):
        if not 0 <= getattr(told, name) <= 1:  # written so that NaN fails
            raise invalid(f"validation.{name}", f"must be from 0 to 1, not {getattr(told, name)}")
    if not 1 <= told.count <= MOST_ROWS:
        raise invalid("validation.row_count", f"must be at least 1, not {told.count}")
    if not (math.isfinite(told.temperature) and told.temperature > 0):
        raise invalid("validation.temperature", f"must be a finite number above 0, not {told.temperature}")
    if not math.isfinite(told.atc_threshold):
        raise invalid("validation.atc_threshold", "must be a finite number")
    counts, correct = told.confidence_counts, told.confidence_correct
    if len(counts) != len(correct) or len(counts) > MOST_BINS:
        raise invalid("validation.confidence_counts", f"must be as many as confidence_correct, at most {MOST_BINS}")
    if not all(0 <= right <= count for count, right in zip(counts, correct, strict=True)):
        raise invalid("validation.confidence_correct", "must lie between 0 and the count of its bin")
