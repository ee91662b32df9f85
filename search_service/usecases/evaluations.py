"""Use cases of evaluations: outputs of models on samples are recorded, and listed with what they say of accuracy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from msearch_accuracy.behaviour.labelled_accuracy import wilson_interval
from msearch_accuracy.label_matching import describe_disjoint
from search_service.domain.access import Caller
from search_service.domain.catalog import Model, Page
from search_service.domain.errors import PreconditionFailed, Reason
from search_service.domain.evaluation import Evaluation, EvaluationSample, MeasuredBy, SampleKind
from search_service.domain.ports import UnitOfWork
from search_service.usecases.evaluation_samples import load_points
from search_service.usecases.evidence import Evidence, check_may_publish, seen_sample
from search_service.usecases.fields import Reference
from search_service.usecases.models import resolve_model
from search_service.usecases.once import CHANGED_MEANWHILE, Once, fingerprint, run_once
from search_service.usecases.outputs import Outputs, check_shape, read_outputs
from search_service.usecases.paging import decode_token, encode_token, page_size
from search_service.usecases.points import Points
from search_service.usecases.uploads import store_bytes
from search_service.usecases.validations import count_validation, is_own_sample, with_validation

_DECISIVE = ("input", "output", "classes")
"""Parts of a card that decide what comes out for a row; the rest is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEvaluation:
    """An evaluation with the name of its model ("name@version") and a 95 % Wilson interval of the accuracy."""

    evaluation: Evaluation
    model_name: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOutputs:
    """Outputs that a caller computed itself, but for the probabilities; no classes mean those of the model."""

    model: Reference
    sample_id: str
    classes: tuple[str, ...]
    row_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Outputs of a model on a sample, before they are stored."""

    model: Model
    sample: EvaluationSample
    outputs: Outputs
    points: Points
    measured_by: MeasuredBy
    job_id: str = ""
    problem: str = ""


def add_outputs(evidence: Evidence, caller: Caller, new: NewOutputs, chunks: Iterable[bytes]) -> NamedEvaluation:
    """Stores outputs that the caller computed, in place of earlier ones of the model on the sample.

    Raises:
        InvalidArgument: a field is wrong, or INVALID_DATA.
        NotFound: MODEL_NOT_FOUND, EVALUATION_SAMPLE_NOT_FOUND.
        PermissionDenied: outputs on a validation sample count for everybody and need the role publisher.
        PreconditionFailed: DISJOINT_CLASSES.
        ResourceExhausted: TOO_LARGE.
    """
    with evidence.database.begin() as unit:
        sample = seen_sample(unit, new.sample_id, caller.token_id, evidence.registry.clock())
        model = resolve_model(unit, new.model)
    if sample.kind is SampleKind.VALIDATION:
        check_may_publish(caller, "adding outputs on a validation sample")
    shape = check_shape(new.row_count, new.classes, expected_rows=sample.row_count, model_classes=model.classes)
    outputs = read_outputs(shape, chunks, model_classes=model.classes)
    finding = Finding(
        model=model,
        sample=sample,
        outputs=outputs,
        points=load_points(evidence, sample),
        measured_by=MeasuredBy.OUTPUTS,
    )
    check_classes(finding)
    with store_bytes(evidence.registry, outputs.encode()) as arrived:

        def act(unit: UnitOfWork) -> tuple[str, Evaluation]:
            arrived.publish(unit)
            return model.id, record(evidence, unit, finding)

        once = Once.of("AddOutputs", "", None)

        def recall(unit: UnitOfWork, model_id: str) -> Evaluation:
            return unit.evaluations.on_sample(sample.id, [model_id])[model_id]

        evaluation = run_once(evidence.registry, once, act, recall, retry_on=CHANGED_MEANWHILE)
    return _named(evaluation, model)


def list_evaluations(
    evidence: Evidence, caller: Caller, model_id: str, sample_id: str, *, size: int, token: str
) -> tuple[Page[NamedEvaluation], str]:
    """A page of the evaluations on samples that the caller may see, newest first, and the token of the next."""
    bound_to = fingerprint("ListEvaluations", model_id, sample_id, caller.token_id)
    after = decode_token(bound_to, token, parts=1)
    count = page_size(size, default=50)
    with evidence.database.begin() as unit:
        now = evidence.registry.clock()
        page = unit.evaluations.page(model_id, sample_id, caller.token_id, now, after=after, size=count)
        models = unit.models.get_many([evaluation.model_id for evaluation in page.items])
    named = tuple(_named(one, models[one.model_id]) for one in page.items if one.model_id in models)
    return Page(named, page.total, page.after), encode_token(bound_to, page.after)


def record(evidence: Evidence, unit: UnitOfWork, finding: Finding) -> Evaluation:
    """Puts the evaluation, and for the validation sample of the model's own dataset its validation statistics.

    Raises Conflict where the model changes at the same time.
    """
    model, sample, outputs = finding.model, finding.sample, finding.outputs
    now = evidence.registry.clock()
    data = outputs.encode()
    counted = outputs.count(finding.points, sample.classes) if sample.kind is SampleKind.VALIDATION else None
    taken = int(np.count_nonzero(outputs.taken))
    evaluation = Evaluation(
        model_id=model.id,
        sample_id=sample.id,
        subject=subject_of(model),
        outputs_digest=hashlib.sha256(data).hexdigest(),
        outputs_size_bytes=len(data),
        classes=outputs.classes,
        row_count=taken,
        measured_by=finding.measured_by,
        created_at=now,
        skipped_count=len(outputs.probabilities) - taken,
        problem=finding.problem,
        with_noise=bool(len(outputs.noisy)),
        correct=None if counted is None else counted[0],
        counted=None if counted is None else counted[1],
        job_id=finding.job_id,
    )
    # The model before what belongs to it, so that two reports on one model wait in line and not for each other.
    if is_own_sample(model, sample):
        validation = count_validation(outputs, finding.points, sample, finding.measured_by, now)
        if validation is not None:
            present = unit.models.get(model.id)
            unit.models.replace(with_validation(present, validation), present.revision)
    unit.evaluations.put(evaluation)
    return evaluation


def check_classes(finding: Finding) -> None:
    """Raises PreconditionFailed (DISJOINT_CLASSES) where no label of a validation sample is a class of the model."""
    sample, outputs = finding.sample, finding.outputs
    if sample.kind is SampleKind.VALIDATION and outputs.count(finding.points, sample.classes) is None:
        raise PreconditionFailed(describe_disjoint(sample.classes, outputs.classes), Reason.DISJOINT_CLASSES)


def subject_of(model: Model) -> str:
    """What decides the model's outputs: its artifact, and how rows become its input; the model with its card.

    Without an artifact here it is the model itself.
    """
    if not model.artifact.stored:
        return fingerprint("model", model.id)
    card = json.loads(model.card)
    return fingerprint(model.artifact.digest, json.dumps({key: card.get(key) for key in _DECISIVE}, sort_keys=True))


def _named(evaluation: Evaluation, model: Model) -> NamedEvaluation:
    low = high = None
    if evaluation.correct is not None and evaluation.counted:
        low, high = wilson_interval(evaluation.correct, evaluation.counted)
    return NamedEvaluation(evaluation=evaluation, model_name=f"{model.name}@{model.version}", low=low, high=high)
