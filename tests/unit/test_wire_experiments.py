"""Experiments from the service's words over the wire to the client's: nothing is lost, and every state has its word."""

from __future__ import annotations

import pytest

from msearch.v1 import benchmark_service_pb2 as pb
from msearch_client import CellState as ClientCellState
from msearch_client import ExperimentState as ClientExperimentState
from msearch_client._wire import experiments as client_wire
from search_service.api.wire import experiments as wire
from search_service.domain.errors import InvalidArgument
from search_service.domain.experiments import Cell, CellState, Experiment, ExperimentState, SeenCell
from search_service.domain.jobs import Failure
from search_service.usecases.experiments import SeenExperiment
from tests.catalogue import NOW, later
from tests.profiling_objects import a_load, a_profile, a_variant

CELL = Cell(
    position=3,
    model_name="größer@1",
    model_id="mdl_1",
    variant=a_variant(),
    load=a_load(),
    host_class="cpu",
    remote_target="grpc://h:1/m",
    job_id="job_1",
    profile_id="prf_1",
    retries=2,
)
SEARCH = '{"search":{"optimise":"p99_ms","require":["p99_ms<=20"],"trials":7},"software":[{"backend":["null"]}]}'


def an_experiment(*cells: SeenCell, document: str = SEARCH, state: ExperimentState = ExperimentState.FINISHED):
    return SeenExperiment(
        experiment=Experiment(
            id="exp_1", digest="ab" * 32, name="größer", document=document, submitted_by="ana", created_at=NOW
        ),
        state=state,
        cells=cells,
        job_count=4,
        ended_at=later(9),
    )


def test_every_state_has_a_word_everywhere() -> None:
    for state in CellState:
        number = wire.CELL_STATE_TO_PROTO[state]
        assert wire.read_cell_state(number, "state") is state
        assert client_wire.CELL_STATE_FROM_PROTO[number].value == state.value
        assert client_wire.CELL_STATE_TO_PROTO[ClientCellState(state.value)] == number
    assert set(wire.CELL_STATE_TO_PROTO.values()) == set(pb.CellState.values()) - {pb.CELL_STATE_UNSPECIFIED}
    for kind in ExperimentState:
        assert client_wire.STATE_FROM_PROTO[wire.EXPERIMENT_STATE_TO_PROTO[kind]].value == kind.value
    assert {state.value for state in ClientExperimentState} == {state.value for state in ExperimentState}


def test_an_unknown_state_is_refused() -> None:
    assert wire.read_cell_state(pb.CELL_STATE_UNSPECIFIED, "state") is None
    with pytest.raises(InvalidArgument, match="99 is no state of a cell"):
        wire.read_cell_state(99, "state")


def test_a_cell_arrives_whole() -> None:
    profile = a_profile(id="prf_1")
    read = client_wire.cell_from_proto(wire.write_cell(SeenCell(cell=CELL, state=CellState.MEASURED, profile=profile)))
    assert (read.position, read.model_name, read.model_id) == (3, "größer@1", "mdl_1")
    assert (read.host_class, read.remote_target, read.job_id) == ("cpu", "grpc://h:1/m", "job_1")
    assert read.load_text == "server:100.5,gamma,cv=2,batch=8,wait_ms=2,limit_ms=20"
    assert read.variant.to_dict()["backend"] == CELL.variant.backend
    assert (read.state, read.reused, read.failure, read.retries) == (ClientCellState.MEASURED, True, None, 2)
    assert read.profile is not None
    assert read.profile.id == "prf_1"

    failed = SeenCell(cell=CELL, state=CellState.FAILED, failure=Failure(code="crashed", message="signal 11"))
    read = client_wire.cell_from_proto(wire.write_cell(failed))
    assert (read.reused, read.profile) == (False, None)
    assert read.failure is not None
    assert (read.failure.code, read.failure.message) == ("crashed", "signal 11")


def test_an_experiment_arrives_whole() -> None:
    cells = (
        SeenCell(cell=CELL, state=CellState.MEASURED, profile=a_profile(id="prf_1")),
        *(SeenCell(cell=CELL, state=state) for state in CellState if state is not CellState.MEASURED),
    )
    read = client_wire.experiment_from_proto(wire.write_experiment(an_experiment(*cells)))
    assert (read.id, read.digest, read.name, read.document) == ("exp_1", "ab" * 32, "größer", SEARCH)
    assert (read.job_count, read.submitted_by, read.created_at, read.ended_at) == (4, "ana", NOW, later(9))
    counts = read.cells.to_dict()
    assert counts == {"total": 7, "reused": 1, "retried": 7, **{state.value: 1 for state in CellState}}
    assert read.cells.ended == 4
    assert read.search is not None
    assert (read.search.optimise, read.search.require, read.search.trials) == ("p99_ms", ("p99_ms<=20",), 7)
    assert read.search.asked == 7
    assert read.search.best_position == 3
    assert read.ended


def test_a_grid_has_no_search_and_lists_no_document() -> None:
    seen = an_experiment(document='{"models":["a"]}', state=ExperimentState.RUNNING)
    read = client_wire.experiment_from_proto(wire.write_experiment(seen, document=False))
    assert (read.search, read.document, read.ended) == (None, "", False)
