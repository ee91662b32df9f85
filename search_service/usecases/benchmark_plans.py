"""Reads a benchmark file and binds its plan to the models that are registered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from msearch_experiments import Benchmark, BenchmarkError, LoadPoint, Plan, TooManyRuns, expand, parse_benchmark
from msearch_experiments import Cell as PlannedCell
from msearch_experiments.plan import MOST_CELLS
from search_service.domain.catalog import Model
from search_service.domain.errors import InvalidArgument, NotFound, PreconditionFailed, Reason, ResourceExhausted
from search_service.domain.experiments import Cell
from search_service.domain.loads import format_load, parse_load
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import MODEL_FREE_BACKENDS, JobSpec, Precision, RunLimits, Variant
from search_service.usecases.fields import Reference, invalid
from search_service.usecases.models import resolve_model


def read_plan(document: str, *, confirmed: bool) -> Plan:
    """The plan of a benchmark file, its loads in canonical form.

    Raises:
        InvalidArgument: INVALID_BENCHMARK, the file does not follow the schema, or a model cannot be made.
        PreconditionFailed: CONFIRMATION_REQUIRED, the message says how many profiles it asks for.
        ResourceExhausted: TOO_LARGE, the grid is larger than any experiment may be.
    """
    try:
        return expand(parse_benchmark(document), confirmed=confirmed, canonical_text=_canonical_text)
    except TooManyRuns as error:
        if error.profiles > MOST_CELLS:
            raise ResourceExhausted(error.message, Reason.TOO_LARGE) from None
        raise PreconditionFailed(error.message, Reason.CONFIRMATION_REQUIRED) from None
    except BenchmarkError as error:
        raise InvalidArgument(error.message, Reason.INVALID_BENCHMARK, error.fields) from None


def document_of(benchmark: Benchmark) -> str:
    """The file as JSON, with what has its default left out; `read_plan` reads it again."""
    values = benchmark.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def find_models(unit: UnitOfWork, plan: Plan) -> dict[str, Model | None]:
    """The models of a plan by the names it uses; None for canonical ones that are not registered yet.

    Raises:
        NotFound: MODEL_NOT_FOUND, a model that the file names is not registered.
        InvalidArgument: a model has no artifact to measure.
        PreconditionFailed: NAME_TAKEN, the name of a canonical model belongs to another model.
    """
    found: dict[str, Model | None] = {}
    for name in dict.fromkeys(cell.model for cell in plan.cells if cell.model):
        if name in plan.generated:
            found[name] = _find_canonical(unit, name)
            continue
        model = resolve_model(unit, Reference.named(name, "models"))
        if model.artifact.format == "none" or not (model.artifact.stored or model.artifact.uri):
            raise invalid(
                "models", f"'{model.name}@{model.version}' has no artifact to measure: name its server instead"
            )
        found[name] = model
    return found


def bind(planned: PlannedCell, position: int, models: Mapping[str, Model | None]) -> Cell:
    """The cell of a plan with its model."""
    model = models[planned.model] if planned.model else None
    return Cell(
        position=position,
        model_name=f"{model.name}@{model.version}" if model is not None else planned.model,
        model_id=model.id if model is not None else "",
        variant=Variant(
            backend=planned.backend,
            precision=Precision(planned.precision),
            batch_size=planned.batch_size,
            threads=planned.threads,
            mode=planned.mode,
            device=planned.device,
        ),
        load=parse_load(planned.load.text, "loads", planned.load.trace_s),
        host_class=planned.host_class,
        remote_target=planned.server,
    )


def base_spec(benchmark: Benchmark) -> JobSpec:
    """What all jobs of a benchmark share; it has neither variants nor loads."""
    limits = benchmark.limits
    return JobSpec(
        model_id="",
        variants=(),
        loads=(),
        limits=RunLimits(
            min_duration_s=limits.min_duration_s or 0.0,
            min_queries=limits.min_queries or 0,
            max_duration_s=limits.max_duration_s or 0.0,
            repeats=limits.repeats or 0,
            precision=limits.within or 0.0,
            seed=limits.seed or 0,
            epsilon=limits.epsilon or 0.0,
        ),
        labels=dict(sorted(benchmark.hardware.labels.items())),
        memory_limit_bytes=benchmark.memory_limit_bytes or 0,
    )


def spec_for(base: JobSpec, cell: Cell) -> JobSpec:
    """The job that measures one cell."""
    return replace(
        base,
        model_id="" if cell.variant.backend in MODEL_FREE_BACKENDS else cell.model_id,
        variants=(cell.variant,),
        loads=(cell.load,),
        host_class=cell.host_class,
        remote_target=cell.remote_target,
    )


def _canonical_text(point: LoadPoint) -> str:
    return format_load(parse_load(point.text, "loads", point.trace_s))


def _find_canonical(unit: UnitOfWork, identity: str) -> Model | None:
    reference = Reference.named(identity)
    try:
        model = unit.models.find(reference.name, reference.version)
    except NotFound:
        return None
    if "canonical" not in model.tags or not model.artifact.stored:
        raise PreconditionFailed(
            f"the model {identity!r} was registered by someone and is no canonical one: delete it, or change its size",
            Reason.NAME_TAKEN,
        )
    return model
