"""The servicer of benchmarks."""

from __future__ import annotations

import grpc
import structlog

from msearch.v1 import benchmark_service_pb2 as pb
from msearch.v1 import benchmark_service_pb2_grpc
from search_service.api.authentication import present_caller
from search_service.api.wire.experiments import read_cell_state, write_cell, write_experiment, write_plan
from search_service.usecases import experiments
from search_service.usecases.experiment_drafts import SubmitOptions
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.submit_experiment import draft_experiment, submit_experiment

_log = structlog.get_logger()


class BenchmarkServicer(benchmark_service_pb2_grpc.BenchmarkServiceServicer):
    """See benchmark_service.proto; method by method."""

    def __init__(self, experimenting: Experimenting) -> None:
        self._experimenting = experimenting

    def SubmitExperiment(
        self, request: pb.SubmitExperimentRequest, context: grpc.ServicerContext
    ) -> pb.SubmitExperimentResponse:
        options = SubmitOptions(confirm=request.confirm, fresh=request.fresh, allow_waiting=request.allow_waiting)
        if request.dry_run:
            draft = draft_experiment(self._experimenting, request.document, options)
            return pb.SubmitExperimentResponse(experiment=write_experiment(draft.as_it_is), plan=write_plan(draft))
        caller = present_caller()
        done = submit_experiment(
            self._experimenting,
            request.request_id,
            request.document,
            options,
            submitted_by=caller.name if caller is not None else "",
        )
        plan = None if done.draft is None else write_plan(done.draft)
        jobs = 0 if done.draft is None else len(done.draft.jobs)
        _log.info("experiment_submitted", id=done.seen.experiment.id, cells=len(done.seen.cells), jobs=jobs)
        return pb.SubmitExperimentResponse(experiment=write_experiment(done.seen), plan=plan)

    def GetExperiment(
        self, request: pb.GetExperimentRequest, context: grpc.ServicerContext
    ) -> pb.GetExperimentResponse:
        seen = experiments.get_experiment(self._experimenting, request.experiment)
        return pb.GetExperimentResponse(experiment=write_experiment(seen))

    def ListExperiments(
        self, request: pb.ListExperimentsRequest, context: grpc.ServicerContext
    ) -> pb.ListExperimentsResponse:
        page, token = experiments.list_experiments(self._experimenting, request.page_size, request.page_token)
        items = [write_experiment(seen, document=False) for seen in page.items]
        return pb.ListExperimentsResponse(experiments=items, next_page_token=token, total_size=page.total)

    def ListCells(self, request: pb.ListCellsRequest, context: grpc.ServicerContext) -> pb.ListCellsResponse:
        state = read_cell_state(request.state, "state")
        cells, total, token = experiments.list_cells(
            self._experimenting, request.experiment, state, request.page_size, request.page_token
        )
        items = [write_cell(cell) for cell in cells]
        return pb.ListCellsResponse(cells=items, next_page_token=token, total_size=total)

    def CancelExperiment(
        self, request: pb.CancelExperimentRequest, context: grpc.ServicerContext
    ) -> pb.CancelExperimentResponse:
        seen = experiments.cancel_experiment(self._experimenting, request.experiment)
        _log.info("experiment_cancelled", id=seen.experiment.id, state=seen.state.value)
        return pb.CancelExperimentResponse(experiment=write_experiment(seen))

    def DeleteExperiment(
        self, request: pb.DeleteExperimentRequest, context: grpc.ServicerContext
    ) -> pb.DeleteExperimentResponse:
        deleted = experiments.delete_experiment(
            self._experimenting, request.experiment, with_profiles=request.delete_profiles
        )
        _log.info("experiment_deleted", experiment=request.experiment, profiles_deleted=deleted)
        return pb.DeleteExperimentResponse(deleted_profile_count=deleted)
