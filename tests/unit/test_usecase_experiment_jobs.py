"""How cells become jobs, and how long these take."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from search_service.domain.experiments import Cell
from search_service.domain.loads import format_load, parse_load
from search_service.domain.profiling import JobSpec, Precision, RunLimits, Variant
from search_service.usecases.experiment_jobs import (
    MOST_CELLS_A_JOB,
    PlannedJob,
    group_cells,
    join_cells,
    reckon_duration,
)
from tests.catalogue import NOW
from tests.profiling_objects import an_agent

BASE = JobSpec(model_id="", variants=(), loads=(), limits=RunLimits(repeats=1), labels={"zone": "a"})
GONE_AFTER = timedelta(days=1)


def a_cell(position: int, *, model: str = "m", load: str = "single_stream", host: str = "", **variant: Any) -> Cell:
    return Cell(
        position=position,
        model_name=f"{model}@1",
        model_id=model,
        variant=Variant(**({"backend": "onnxruntime"} | variant)),
        load=parse_load(load),
        host_class=host,
    )


def test_precisions_of_a_variant_and_its_loads_share_a_job() -> None:
    grid = product((Precision.FP32, Precision.INT8_STATIC), ("single_stream", "server:5"))
    cells = [a_cell(position, precision=precision, load=load) for position, (precision, load) in enumerate(grid)]
    (job,) = join_cells(BASE, cells)
    assert job.positions == (0, 2, 1, 3)
    assert [variant.precision for variant in job.spec.variants] == [Precision.FP32, Precision.INT8_STATIC]
    assert [format_load(load) for load in job.spec.loads] == ["single_stream", "server:5"]
    assert (job.spec.model_id, job.spec.limits, job.spec.labels) == ("m", BASE.limits, {"zone": "a"})


def test_models_hosts_and_other_settings_do_not() -> None:
    cells = [
        a_cell(0),
        a_cell(1, model="n"),
        a_cell(2, host="gpu"),
        a_cell(3, batch_size=8),
        a_cell(4, backend="openvino"),
        a_cell(5, threads=2),
    ]
    jobs = join_cells(BASE, cells)
    assert [job.positions for job in jobs] == [(0,), (1,), (2,), (3,), (4,), (5,)]
    assert [job.spec.host_class for job in jobs] == ["", "", "gpu", "", "", ""]


def test_what_one_load_lacks_is_not_measured_under_another() -> None:
    cells = [
        a_cell(0),
        a_cell(1, precision=Precision.INT8_STATIC),
        a_cell(2, load="server:5"),
        a_cell(3, load="server:6"),
    ]
    assert sorted(job.positions for job in join_cells(BASE, cells)) == [(0, 1), (2, 3)]


def test_a_job_has_time_for_what_it_is_thought_to_take() -> None:
    (job,) = join_cells(BASE, [a_cell(0)], lambda spec: 1_000.0)
    assert job.spec.deadline_s == 5_000.0
    (job,) = join_cells(BASE, [a_cell(0)], lambda spec: 1.0)
    assert job.spec.deadline_s == 900.0


CELLS = st.lists(
    st.tuples(
        st.sampled_from("mn"),
        st.sampled_from(["", "gpu"]),
        st.sampled_from([Precision.FP32, Precision.BF16, Precision.INT8_STATIC]),
        st.sampled_from([1, 8]),
        st.sampled_from(["single_stream", "offline", *(f"server:{rate}" for rate in range(1, 12))]),
    ),
    max_size=80,
    unique=True,
)


@settings(deadline=None, max_examples=60)
@given(CELLS)
def test_every_cell_is_in_one_job_that_measures_no_others(drawn: list[tuple[str, str, Precision, int, str]]) -> None:
    cells = [
        a_cell(position, model=model, host=host, precision=precision, batch_size=batch, load=load)
        for position, (model, host, precision, batch, load) in enumerate(drawn)
    ]
    jobs = join_cells(BASE, cells)
    assert sorted(position for job in jobs for position in job.positions) == list(range(len(cells)))
    for job in jobs:
        measured = {
            (job.spec.model_id, job.spec.host_class, variant.precision, variant.batch_size, format_load(load))
            for variant in job.spec.variants
            for load in job.spec.loads
        }
        assert measured == {drawn[position] for position in job.positions}
        assert len(measured) <= MOST_CELLS_A_JOB
    # A part of the jobs groups as the whole does: a large grid is asked for bit by bit.
    some = group_cells(cells)[: len(jobs) // 2]
    assert group_cells(cell for members in some for load in members for cell in load) == some


def a_job(size_s: float, host: str = "") -> PlannedJob:
    (job,) = join_cells(BASE, [a_cell(0, model="", backend="null", host=host)], lambda spec: size_s)
    return job


def test_jobs_share_the_agents_that_can_take_them() -> None:
    agents = [an_agent("a"), an_agent("b"), an_agent("c", host_class="gpu-1")]

    def took(*jobs: PlannedJob) -> float | None:
        found = reckon_duration(jobs, agents, NOW, GONE_AFTER)
        return None if found is None else found.total_seconds()

    assert took() == 0
    assert took(a_job(10)) == 10
    assert took(*[a_job(10)] * 3) == 10, "one each"
    assert took(*[a_job(10)] * 4) == 20
    assert took(a_job(30), *[a_job(10)] * 4) == 30
    assert took(*[a_job(10, "gpu")] * 3) == 30, "only one of them is a GPU host"
    assert took(*[a_job(20, "gpu")] * 2, *[a_job(10)] * 4) == 40
    assert took(a_job(10, "tpu")) is None


def test_agents_that_are_gone_or_drain_do_not_count() -> None:
    agents = [an_agent("a", draining=True), an_agent("b", last_seen_at=NOW - timedelta(days=3))]
    assert reckon_duration([a_job(1)], agents, NOW, GONE_AFTER) is None
