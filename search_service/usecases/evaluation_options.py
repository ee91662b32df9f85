"""What could be evaluated for the predictor's sake, and how much each evaluation would tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from msearch_accuracy import AccuracyError, TargetEvidence, predict
from msearch_accuracy.label_matching import UNKNOWN, match_labels
from msearch_sketch.signature import Signature
from search_service.domain.catalog import Filter, Modality, Model
from search_service.domain.evaluation import EvaluationSample, SampleKind
from search_service.domain.jobs import JobFilter, JobState
from search_service.domain.ports import UnitOfWork
from search_service.usecases.candidate_evidence import Coresets, evidence_of
from search_service.usecases.evaluate_jobs import Wish, spec_of
from search_service.usecases.evaluation_value import Floats
from search_service.usecases.predictors import PredictorInUse
from search_service.usecases.sizes import Sizer

MOST_MODELS = 300
MOST_SAMPLES = 100
MOST_JOBS = 1000

JUDGED_SAMPLES = 20
"""Samples for which intervals are predicted, those with the fewest evaluations; the others count as USUAL_WIDTH."""

USUAL_WIDTH = 0.5
UNKNOWN_WIDTH = 1.0
"""Where nothing can be predicted, most is to be learned."""

OWN_SHARE = 0.5
"""What a model's evaluation on its own source's sample is worth: it measures the model, and says nothing of others."""


@dataclass(frozen=True, slots=True)
class Options:
    """Models and samples that could be paired, and the pairs (model id, sample id) that were, or are being."""

    models: Sequence[Model]
    samples: Sequence[EvaluationSample]
    modalities: Sequence[Modality]
    pairs: frozenset[tuple[str, str]]
    notices: tuple[str, ...]

    @property
    def of_models(self) -> Floats:
        """How many pairs of each model there are. [models]"""
        return _count([model_id for model_id, _ in self.pairs], [model.id for model in self.models])

    @property
    def on_samples(self) -> Floats:
        """How many pairs on each sample there are. [samples]"""
        return _count([sample_id for _, sample_id in self.pairs], [sample.id for sample in self.samples])


def look(unit: UnitOfWork, filter: Filter, now: datetime) -> Options:
    """The models and samples that may take part; the newest where they are many."""
    page = unit.evaluation_samples.page(SampleKind.VALIDATION, "", "", now, after=None, size=MOST_SAMPLES)
    samples = [sample for sample in page.items if sample.has_rows]
    found = unit.models.get_many(sorted(unit.models.matching_ids(filter)))
    models = [model for model in found.values() if model.artifact.stored and model.classes]
    models = sorted(models, key=lambda model: (model.created_at, model.id), reverse=True)[:MOST_MODELS]
    notices = []
    if not samples:
        notices.append("no validation sample with rows is stored: store labelled rows of the source datasets first")
    elif len({sample.dataset_id for sample in samples}) == 1:
        notices.append(
            "all validation samples belong to one source dataset: the predictor learns from models on the samples of "
            "other sources, so store one of another"
        )
    if len(samples) < len(page.items):
        notices.append(
            f"{len(page.items) - len(samples)} validation samples hold points only: no agent can run a model on them"
        )
    if page.total > MOST_SAMPLES:
        notices.append(f"only the newest {MOST_SAMPLES} of {page.total} validation samples are looked at")
    if not models:
        notices.append("no model that passes the filter has an artifact and classes")
    modalities = [unit.spaces.get(sample.space_digest).modality for sample in samples]
    return Options(models, samples, modalities, _pairs(unit), tuple(notices))


def weigh(unit: UnitOfWork, predictor: PredictorInUse, options: Options) -> Floats:
    """How uncertain and how new each pair is, 0 where it cannot be run or was. [models, samples]"""
    weights = np.zeros((len(options.models), len(options.samples)))
    counts = options.on_samples
    judged = set(np.argsort(counts, kind="stable")[:JUDGED_SAMPLES].tolist())
    coresets = Coresets(len(options.models) + 1)
    for place, (sample, modality) in enumerate(zip(options.samples, options.modalities, strict=True)):
        fitting = [at for at, model in enumerate(options.models) if _fits(model, sample, modality)]
        models = [options.models[at] for at in fitting]
        widths = np.full(len(models), USUAL_WIDTH)
        if place in judged and models:
            widths = _widths(unit, predictor, models, sample, coresets)
        for at, model, width in zip(fitting, models, widths.tolist(), strict=True):
            if (model.id, sample.id) in options.pairs:
                continue
            own = model.dataset_id == sample.dataset_id
            share = 1.0 if not own else OWN_SHARE if model.validation is None else 0.0
            weights[at, place] = width * share
    return weights


def _widths(
    unit: UnitOfWork, predictor: PredictorInUse, models: Sequence[Model], sample: EvaluationSample, coresets: Coresets
) -> Floats:
    """Widths of the intervals predicted for the models on the sample's source, from signatures. [models]"""
    ids = sorted({sample.dataset_id, *(model.dataset_id for model in models)} - {""})
    signatures = {
        dataset_id: Signature.from_checked_bytes(data)
        for dataset_id, data in unit.datasets.signatures_in(sample.space_digest, ids).items()
    }
    unknown = np.full(len(models), UNKNOWN_WIDTH)
    if sample.dataset_id not in signatures:
        return unknown
    try:
        target = TargetEvidence.of(signatures[sample.dataset_id])
        found = predict(predictor.predictor, evidence_of(models, signatures, coresets, {}), target, explain=False)
    except (AccuracyError, ArithmeticError, LookupError, ValueError):
        return unknown
    widths = [UNKNOWN_WIDTH if one.low is None or one.high is None else one.high - one.low for one in found]
    return np.maximum(np.array(widths, np.float64), 1e-6)


def estimate(unit: UnitOfWork, options: Options) -> Floats:
    """Seconds that each pair takes on an agent of speed 1. [models, samples]"""
    sizer = Sizer(unit)
    return np.array(
        [
            [max(sizer.estimate(spec_of(model, sample, Wish()))[1].seconds, 1e-3) for sample in options.samples]
            for model in options.models
        ]
    )


def _fits(model: Model, sample: EvaluationSample, modality: Modality) -> bool:
    return model.modality is modality and bool((match_labels(sample.classes, model.classes) != UNKNOWN).any())


def _count(seen: Sequence[str], ids: Sequence[str]) -> Floats:
    """How often each id was seen. [ids]"""
    places = {one: place for place, one in enumerate(ids)}
    known = [places[one] for one in seen if one in places]
    return np.bincount(np.array(known, np.int64), minlength=len(ids)).astype(np.float64)


def _pairs(unit: UnitOfWork) -> frozenset[tuple[str, str]]:
    """Evaluations on validation samples, those of unfinished jobs included."""
    pairs = {(one.model_id, one.sample_id) for one in unit.evaluations.on_validation_samples()}
    for state in (JobState.PENDING, JobState.LEASED):
        for job in unit.jobs.page(JobFilter(state=state), None, MOST_JOBS).items:
            if job.spec.evaluate is not None:
                pairs.add((job.spec.model_id, job.spec.evaluate.sample_id))
    return frozenset(pairs)
