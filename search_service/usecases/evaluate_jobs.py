"""Use case: run models on a sample, each once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msearch_accuracy.label_matching import UNKNOWN, describe_disjoint, match_labels
from search_service.domain import jobs
from search_service.domain.access import Caller
from search_service.domain.catalog import Modality, Model
from search_service.domain.errors import NotFound, PreconditionFailed, Reason
from search_service.domain.evaluation import EvaluateSpec, EvaluationSample, SampleKind
from search_service.domain.jobs import Job
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import Agent, JobSpec
from search_service.usecases.capability import check_capable
from search_service.usecases.evaluations import subject_of
from search_service.usecases.evidence import Evidence, seen_sample
from search_service.usecases.fields import invalid
from search_service.usecases.job_specs import check_host_class
from search_service.usecases.placing import Placer
from search_service.usecases.validations import renew_validation

MOST_MODELS = 1000
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class RefusedModel:
    """A model that cannot be run on the sample; `code` is one of evaluation_service.proto."""

    model_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of the models: jobs, models whose outputs are there, models that cannot be run."""

    jobs: tuple[Job, ...]
    stored_model_ids: tuple[str, ...]
    refused: tuple[RefusedModel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to run the models: where, and whether also under noise; `allow_waiting` accepts jobs that none could take."""

    host_class: str = ""
    with_noise: bool = False
    allow_waiting: bool = False


def evaluate_models(
    evidence: Evidence, caller: Caller, sample_id: str, model_ids: Sequence[str], wish: Wish
) -> Submitted:
    """Submits a job for every model that has no outputs on the sample yet and no unfinished job for them.

    Stored outputs on a validation sample of a model's own dataset become its validation again, if another stands.

    Raises:
        InvalidArgument: there is no model, or there are too many.
        NotFound: EVALUATION_SAMPLE_NOT_FOUND.
        PreconditionFailed: ROWS_NOT_STORED; or NO_CAPABLE_AGENT where no agent could take any of the jobs.
    """
    ids = list(dict.fromkeys(model_ids))
    if not 1 <= len(ids) <= MOST_MODELS:
        raise invalid("model_ids", f"must be 1 to {MOST_MODELS}, not {len(ids)}")
    check_host_class(wish.host_class, "host_class")
    with evidence.database.begin() as unit:
        sample = seen_sample(unit, sample_id, caller.token_id, evidence.registry.clock())
        modality = unit.spaces.get(sample.space_digest).modality
        agents = unit.agents.all()
    if not sample.has_rows:
        raise PreconditionFailed(
            f"only the points of sample {sample.id} are stored, not its rows: store the rows, or run the models where "
            "they are and add their outputs",
            Reason.ROWS_NOT_STORED,
        )
    order = Order(evidence=evidence, caller=caller, sample=sample, modality=modality, wish=wish, agents=agents)
    submitted: list[Job] = []
    stored: list[str] = []
    refused: list[RefusedModel] = []
    incapable: PreconditionFailed | None = None
    for model_id in ids:
        with evidence.database.begin() as unit:
            try:
                found = submit_evaluation(order, unit, Placer(evidence.profiling, unit), model_id)
            except PreconditionFailed as error:
                incapable = error
                refused.append(RefusedModel(model_id, "no_capable_agent", error.message))
                continue
            unit.commit()
        if found is None:
            stored.append(model_id)
            renew_validation(evidence, model_id, sample)
        elif isinstance(found, Job):
            submitted.append(found)
        else:
            refused.append(found)
    if incapable is not None and not submitted and not stored:
        raise incapable
    return Submitted(tuple(submitted), tuple(stored), tuple(refused))


def find_obstacle(model: Model, sample: EvaluationSample, modality: Modality) -> RefusedModel | None:
    """Why the model (with its card) cannot be run on the sample, or None."""
    if not model.artifact.stored:
        where = f"it is at {model.artifact.uri}" if model.artifact.uri else "it has none"
        return RefusedModel(model.id, "no_artifact", f"no artifact of the model is stored here: {where}")
    if model.modality is not modality:
        return RefusedModel(model.id, "modality", f"the model takes {model.modality} data, the sample is {modality}")
    if not json.loads(model.card).get("input"):
        return RefusedModel(model.id, "no_card_input", "its card does not say how rows become its input")
    if sample.kind is SampleKind.VALIDATION and not (match_labels(sample.classes, model.classes) != UNKNOWN).any():
        return RefusedModel(model.id, "disjoint_classes", describe_disjoint(sample.classes, model.classes))
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run models on, how, for whom, and the agents there are."""

    evidence: Evidence
    caller: Caller
    sample: EvaluationSample
    modality: Modality
    wish: Wish
    agents: Sequence[Agent]


def submit_evaluation(order: Order, unit: UnitOfWork, placer: Placer, model_id: str) -> Job | RefusedModel | None:
    """A job for the model, new or unfinished; why there can be none; or None where its outputs are there.

    Raises:
        PreconditionFailed: NO_CAPABLE_AGENT.
    """
    sample, wish = order.sample, order.wish
    unfinished = unit.jobs.lock_unfinished(model_id)
    try:
        model = unit.models.get(model_id)
    except NotFound as error:
        return RefusedModel(model_id, "model_not_found", error.message)
    obstacle = find_obstacle(model, sample, order.modality)
    if obstacle is not None:
        return obstacle
    if _is_stored(unit, model, order):
        return None
    for job in unfinished:
        asked = job.spec.evaluate
        if asked is not None and asked.sample_id == sample.id and asked.with_noise >= wish.with_noise:
            return job
    spec = spec_of(model, sample, wish)
    profiling = order.evidence.profiling
    if not wish.allow_waiting:
        check_capable(spec, order.agents, profiling.clock(), profiling.gone_after)
    job = jobs.submit(
        profiling.new_id("job"),
        spec,
        max_attempts=ATTEMPTS,
        now=profiling.clock(),
        model_name=f"{model.name}@{model.version}",
        submitted_by=order.caller.name,
    )
    return placer.enqueue(job)


def spec_of(model: Model, sample: EvaluationSample, wish: Wish) -> JobSpec:
    """What the job asks for."""
    evaluate = EvaluateSpec(
        sample_id=sample.id,
        sample_digest=sample.digest,
        row_count=sample.row_count,
        format=model.artifact.format,
        with_noise=wish.with_noise,
    )
    return JobSpec(model_id=model.id, variants=(), loads=(), host_class=wish.host_class, evaluate=evaluate)


def _is_stored(unit: UnitOfWork, model: Model, order: Order) -> bool:
    """Whether outputs are there; those of the same artifact on the same bytes, from another sample, are taken over."""
    subject, sample, wish = subject_of(model), order.sample, order.wish
    found = unit.evaluations.get(model.id, sample.id)
    if found is not None and found.subject == subject and found.with_noise >= wish.with_noise:
        return True
    same = unit.evaluations.same_outputs(subject, sample.digest)
    if same is None or same.with_noise < wish.with_noise or sample.kind is SampleKind.VALIDATION:
        return False
    unit.hold_blob(same.outputs_digest)
    copied = replace(
        same,
        model_id=model.id,
        sample_id=sample.id,
        correct=None,
        counted=None,
        created_at=order.evidence.registry.clock(),
    )
    unit.evaluations.put(copied)
    return True
