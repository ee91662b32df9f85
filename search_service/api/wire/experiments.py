"""Experiments, cells and plans."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration

from msearch.v1 import benchmark_service_pb2 as pb
from search_service.api.wire.jobs import write_failure, write_variant
from search_service.api.wire.profiles import write_profile
from search_service.api.wire.times import write_optional_time, write_time
from search_service.domain.experiments import CellState, ExperimentState, SeenCell, count_states
from search_service.domain.loads import format_load
from search_service.usecases.experiment_drafts import Draft
from search_service.usecases.experiments import SeenExperiment
from search_service.usecases.fields import invalid
from search_service.usecases.search_goals import SearchProgress, progress_of

MOST_PLANNED_CELLS = 1_000

EXPERIMENT_STATE_TO_PROTO: dict[ExperimentState, pb.ExperimentState.ValueType] = {
    ExperimentState.RUNNING: pb.EXPERIMENT_STATE_RUNNING,
    ExperimentState.FINISHED: pb.EXPERIMENT_STATE_FINISHED,
    ExperimentState.CANCELLED: pb.EXPERIMENT_STATE_CANCELLED,
}
CELL_STATE_TO_PROTO: dict[CellState, pb.CellState.ValueType] = {
    CellState.OPEN: pb.CELL_STATE_OPEN,
    CellState.WAITING: pb.CELL_STATE_WAITING,
    CellState.RUNNING: pb.CELL_STATE_RUNNING,
    CellState.MEASURED: pb.CELL_STATE_MEASURED,
    CellState.INVALID: pb.CELL_STATE_INVALID,
    CellState.FAILED: pb.CELL_STATE_FAILED,
    CellState.CANCELLED: pb.CELL_STATE_CANCELLED,
}
CELL_STATE_FROM_PROTO: dict[int, CellState] = {number: state for state, number in CELL_STATE_TO_PROTO.items()}


def read_cell_state(value: int, path: str) -> CellState | None:
    """None for unspecified, which keeps any. Raises InvalidArgument for an unknown one."""
    if value == pb.CELL_STATE_UNSPECIFIED:
        return None
    if value not in CELL_STATE_FROM_PROTO:
        raise invalid(path, f"{value} is no state of a cell")
    return CELL_STATE_FROM_PROTO[value]


def write_experiment(seen: SeenExperiment, *, document: bool = True) -> pb.Experiment:
    experiment = seen.experiment
    progress = progress_of(seen)
    return pb.Experiment(
        id=experiment.id,
        digest=experiment.digest,
        name=experiment.name,
        document=experiment.document if document else "",
        state=EXPERIMENT_STATE_TO_PROTO[seen.state],
        cells=write_counts(seen.cells),
        job_count=seen.job_count,
        submitted_by=experiment.submitted_by,
        create_time=write_time(experiment.created_at),
        end_time=write_optional_time(seen.ended_at),
        search=None if progress is None else write_search(progress),
    )


def write_search(progress: SearchProgress) -> pb.SearchProgress:
    return pb.SearchProgress(
        optimise=progress.search.optimise,
        require=progress.search.require or (),
        trials=progress.search.trials,
        asked=progress.asked,
        best_position=progress.best_position,
    )


def write_counts(cells: Iterable[SeenCell]) -> pb.CellCounts:
    counted = list(cells)
    counts = count_states(counted)
    return pb.CellCounts(
        total=len(counted),
        open=counts[CellState.OPEN],
        waiting=counts[CellState.WAITING],
        running=counts[CellState.RUNNING],
        measured=counts[CellState.MEASURED],
        invalid=counts[CellState.INVALID],
        failed=counts[CellState.FAILED],
        cancelled=counts[CellState.CANCELLED],
        reused=sum(cell.reused for cell in counted),
        retried=sum(cell.cell.retries > 0 for cell in counted),
    )


def write_cell(seen: SeenCell) -> pb.ExperimentCell:
    cell = seen.cell
    return pb.ExperimentCell(
        position=cell.position,
        model_name=cell.model_name,
        model_id=cell.model_id,
        variant=write_variant(cell.variant),
        load_text=format_load(cell.load),
        host_class=cell.host_class,
        remote_target=cell.remote_target,
        state=CELL_STATE_TO_PROTO[seen.state],
        reused=seen.reused,
        job_id=cell.job_id,
        profile=None if seen.profile is None else write_profile(seen.profile),
        failure=None if seen.failure is None else write_failure(seen.failure),
        retry_count=cell.retries,
    )


def write_plan(draft: Draft) -> pb.ExperimentPlan:
    work = Duration()
    work.FromNanoseconds(round(sum(job.size_s for job in draft.jobs) * 1e9))
    duration = None
    if draft.duration is not None:
        duration = Duration()
        duration.FromTimedelta(draft.duration)
    measured = draft.measured
    return pb.ExperimentPlan(
        cell_count=len(draft.after),
        reused_count=len(draft.kept),
        running_count=len(draft.running),
        new_count=len(measured),
        job_count=len(draft.jobs),
        work=work,
        estimated_duration=duration,
        generated_models=draft.missing,
        cells=[write_cell(cell) for cell in draft.after[:MOST_PLANNED_CELLS]],
    )
