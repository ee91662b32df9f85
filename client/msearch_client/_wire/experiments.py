"""Messages of experiments to the client's types, and the requests for them."""

from __future__ import annotations

from msearch.v1 import benchmark_service_pb2 as pb
from msearch_client._experiments import (
    Cell,
    CellCounts,
    CellState,
    Experiment,
    ExperimentPlan,
    ExperimentState,
    SearchProgress,
    Submission,
)
from msearch_client._jobs import Failure
from msearch_client._wire.jobs import read_enum, variant_from_proto
from msearch_client._wire.profiles import profile_from_proto
from msearch_client._wire.times import time_from_proto

STATE_FROM_PROTO: dict[pb.ExperimentState.ValueType, ExperimentState] = {
    pb.EXPERIMENT_STATE_RUNNING: ExperimentState.RUNNING,
    pb.EXPERIMENT_STATE_FINISHED: ExperimentState.FINISHED,
    pb.EXPERIMENT_STATE_CANCELLED: ExperimentState.CANCELLED,
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
CELL_STATE_FROM_PROTO = {number: state for state, number in CELL_STATE_TO_PROTO.items()}


def experiment_from_proto(message: pb.Experiment) -> Experiment:
    """An experiment."""
    return Experiment(
        id=message.id,
        digest=message.digest,
        name=message.name,
        document=message.document,
        state=read_enum(message.state, STATE_FROM_PROTO, "experiment state"),
        cells=_counts_from_proto(message.cells),
        job_count=message.job_count,
        submitted_by=message.submitted_by,
        created_at=time_from_proto(message.create_time),
        ended_at=time_from_proto(message.end_time) if message.HasField("end_time") else None,
        search=_search_from_proto(message.search) if message.HasField("search") else None,
    )


def _counts_from_proto(message: pb.CellCounts) -> CellCounts:
    return CellCounts(
        total=message.total,
        open=message.open,
        waiting=message.waiting,
        running=message.running,
        measured=message.measured,
        invalid=message.invalid,
        failed=message.failed,
        cancelled=message.cancelled,
        reused=message.reused,
        retried=message.retried,
    )


def _search_from_proto(message: pb.SearchProgress) -> SearchProgress:
    return SearchProgress(
        optimise=message.optimise,
        require=tuple(message.require),
        trials=message.trials,
        asked=message.asked,
        best_position=message.best_position if message.HasField("best_position") else None,
    )


def cell_from_proto(message: pb.ExperimentCell) -> Cell:
    """A cell."""
    failure = Failure(message.failure.code, message.failure.message) if message.HasField("failure") else None
    return Cell(
        position=message.position,
        model_name=message.model_name,
        model_id=message.model_id,
        variant=variant_from_proto(message.variant),
        load_text=message.load_text,
        host_class=message.host_class,
        remote_target=message.remote_target,
        state=read_enum(message.state, CELL_STATE_FROM_PROTO, "cell state"),
        reused=message.reused,
        job_id=message.job_id,
        profile=profile_from_proto(message.profile) if message.HasField("profile") else None,
        failure=failure,
        retries=message.retry_count,
    )


def submission_from_proto(message: pb.SubmitExperimentResponse) -> Submission:
    """What a submission did, or would do."""
    plan = message.plan
    estimated = plan.estimated_duration.ToNanoseconds() / 1e9 if plan.HasField("estimated_duration") else None
    return Submission(
        experiment=experiment_from_proto(message.experiment),
        plan=ExperimentPlan(
            cell_count=plan.cell_count,
            reused_count=plan.reused_count,
            running_count=plan.running_count,
            new_count=plan.new_count,
            job_count=plan.job_count,
            work_s=plan.work.ToNanoseconds() / 1e9,
            estimated_s=estimated,
            generated_models=tuple(plan.generated_models),
            cells=tuple(cell_from_proto(cell) for cell in plan.cells),
        ),
    )


def submit_experiment(
    document: str, *, dry_run: bool, confirm: bool, fresh: bool, allow_waiting: bool, request_id: str
) -> pb.SubmitExperimentRequest:
    """A benchmark file to run, or to plan."""
    return pb.SubmitExperimentRequest(
        request_id=request_id,
        document=document,
        dry_run=dry_run,
        confirm=confirm,
        fresh=fresh,
        allow_waiting=allow_waiting,
    )


def get_experiment(experiment: str) -> pb.GetExperimentRequest:
    """One experiment."""
    return pb.GetExperimentRequest(experiment=experiment)


def list_experiments(page_size: int, page_token: str) -> pb.ListExperimentsRequest:
    """A page of experiments."""
    return pb.ListExperimentsRequest(page_size=page_size, page_token=page_token)


def list_cells(experiment: str, state: CellState | None, page_size: int, page_token: str) -> pb.ListCellsRequest:
    """A page of cells."""
    return pb.ListCellsRequest(
        experiment=experiment,
        state=pb.CELL_STATE_UNSPECIFIED if state is None else CELL_STATE_TO_PROTO[state],
        page_size=page_size,
        page_token=page_token,
    )


def cancel_experiment(experiment: str) -> pb.CancelExperimentRequest:
    """An experiment that is to end."""
    return pb.CancelExperimentRequest(experiment=experiment)


def delete_experiment(experiment: str, *, with_profiles: bool) -> pb.DeleteExperimentRequest:
    """An experiment that is to go."""
    return pb.DeleteExperimentRequest(experiment=experiment, delete_profiles=with_profiles)
