"""The stages of a request add up to its response latency, whatever the load, and so do their means in a profile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler_agent.errors import JobError
from profiler_agent.loadgen.network import Journey
from profiler_agent.loadgen.requests import Requests
from profiler_agent.loadgen.scenarios import drive
from profiler_agent.measuring.assembling import sum_up
from profiler_agent.measuring.messages import RunResult
from profiler_agent.measuring.pipeline import PipelineTarget, Processing, RawRows
from profiler_agent.measuring.rows import Rows
from profiler_agent.measuring.stages import STAGES, call_numbers, measure_stages, stage_name, stages_of
from profiler_agent.work import Batching, Load, Network, RunLimits, Scenario, TensorSpec
from tests.simulated_clock import SimulatedClock
from tests.unit.test_measuring_assembling import run

LIMITS = RunLimits(min_duration_s=0.02, min_queries=25, max_duration_s=20)
CARD = {
    "name": "linear", "task": "classification", "modality": "embedding", "classes": ["a", "b"],
    "artifact": {"format": "onnx"}, "input": {"kind": "embedding", "column": "vector", "length": 3},
    "output": {"kind": "logits"},
}  # fmt: skip


class SlowModel:
    """Takes the time that `service_ms` says, call by call; answers with the first two numbers of a row."""

    facts = None

    def __init__(self, clock: SimulatedClock, service_ms: list[int], batch: int | str = "n") -> None:
        self.inputs = (TensorSpec(name="x", element_type="float32", shape=(batch, 3)),)
        self.outputs = ()
        self.rows: list[int] = []
        self._clock, self._service_ms = clock, service_ms

    def run(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        (x,) = feed.values()
        self.rows.append(len(x))
        self._clock.sleep_until(self._clock.now() + self._service_ms[len(self.rows) % len(self._service_ms)] * 1_000)
        return {"y": x[:, :2]}

    def close(self) -> None: ...


def written(folder: Path, vectors: list[list[float] | None]) -> Path:
    path = folder / "sample.arrow"
    table = pa.table({"vector": pa.array(vectors, pa.list_(pa.float32()))})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return path


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> RawRows:
    vectors = [[float(row), 1.0, 2.0] for row in range(9)]
    return RawRows.read(json.dumps(CARD), written(tmp_path_factory.mktemp("rows"), vectors))


PREPARED = Rows({"x": np.zeros((9, 3), np.float32)})

networks = st.none() | st.builds(
    Network,
    round_trip_ms=st.integers(1, 20),
    up_mbit_per_s=st.sampled_from([0.0, 0.1, 1.0]),
    down_mbit_per_s=st.sampled_from([0.0, 0.1, 1.0]),
)
loads = st.builds(
    Load,
    scenario=st.sampled_from([one for one in Scenario if one is not Scenario.FIND_PEAK]),
    rate_per_s=st.sampled_from([100.0, 900.0]),
    streams=st.integers(1, 5),
    batching=st.none() | st.builds(Batching, max_batch=st.integers(2, 4), max_wait_ns=st.sampled_from([0, 3_000_000])),
    network=networks,
    pipeline=st.just(True),
).map(lambda load: replace(load, network=None) if load.scenario is Scenario.OFFLINE else load)


@settings(deadline=None, max_examples=25)
@given(loads, st.lists(st.integers(100, 4_000), min_size=1, max_size=7))
def test_stages_add_up_to_the_response_latency(raw: RawRows, load: Load, service_us: list[int]) -> None:
    clock = SimulatedClock()
    slow = SlowModel(clock, service_us)
    ticks = iter(range(10**9))

    def now() -> int:
        # Pre- and post-processing take no simulated time, so looking at the clock does.
        clock.sleep_until(clock.now() + 1_000 * (1 + next(ticks) % 5))
        return clock.now()

    target = PipelineTarget(slow, raw, PREPARED, 1, now)  # type: ignore[arg-type]  # a stand-in
    journey = None if load.network is None else Journey(load.network, target.request_bytes, target.response_bytes)
    target.calls.clear()
    slow.rows.clear()
    requests = drive(target, load, LIMITS, seed=3, clock=clock, journey=journey)
    seen = requests if journey is None else journey.as_clients_see(requests)
    at_once = load.scenario is Scenario.OFFLINE
    found = stages_of(requests, seen, target.calls, all_at_once=at_once)
    assert tuple(found) == STAGES
    assert all(values.min() >= 0 for values in found.values())
    response = seen.service_ns if at_once else seen.response_ns
    np.testing.assert_array_equal(sum(found.values()), response, "to the nanosecond")
    assert found["preprocess"].min() > 0
    assert found["postprocess"].min() > 0
    assert len(slow.rows) == len(target.calls) == call_numbers(requests)[-1] + 1, "one call of the model each"
    means = {one.name: one.value for one in measure_stages(found, load, {})}
    assert sum(means.values()) == pytest.approx(response.mean() / 1e6)


def requests_of(sizes: list[int], failed: list[bool]) -> Requests:
    count = len(failed)
    times = np.arange(count, dtype=np.int64) * 100
    return Requests(
        scheduled_ns=times, sent_ns=times, started_ns=times + 10, finished_ns=times + 60,
        batch_sizes=np.array([size for size in sizes for _ in range(size)], np.int32),
        failed=np.array(failed),
    )  # fmt: skip


def test_calls_take_requests_in_order_and_those_that_failed_have_no_stages() -> None:
    requests = requests_of([2, 1, 3], [False, False, False, False, True, True])
    assert call_numbers(requests).tolist() == [0, 0, 1, 2, 2, 2]
    calls = [Processing(1, 2), Processing(3, 4)]  # the third never ended
    found = stages_of(requests, requests, calls)
    assert found["preprocess"].tolist() == [1, 1, 3, 3]
    assert found["inference"].tolist() == [47, 47, 43, 43]


def test_a_profile_holds_the_stages_of_its_median_run() -> None:
    def measured(mean_ms: float, **stages: float) -> RunResult:
        named = {stage_name(name): value for name, value in stages.items()}
        return run(1.0, mean_ms=mean_ms, **named)

    # The medians of the stages are 2 and 7, which add up to no run.
    runs = [measured(10.0, queue=1.0, inference=9.0), measured(9.0, queue=2.0, inference=7.0),
            measured(8.0, queue=5.0, inference=3.0)]  # fmt: skip
    for count in (1, 2, 3):
        found = {one.name: one.value for one in sum_up(runs[:count])}
        assert found["stage_queue_ms"] + found["stage_inference_ms"] == pytest.approx(found["mean_ms"])
    assert {one.name: one.value for one in sum_up(runs)}["stage_queue_ms"] == 2.0


def test_a_stage_that_could_not_be_had_says_why_and_one_that_was_not_asked_for_is_left_out() -> None:
    requests = requests_of([1, 1], [False, False])
    load = Load(scenario=Scenario.SINGLE_STREAM, pipeline=True)
    found = measure_stages(stages_of(requests, requests), load, {"preprocess": "no rows", "postprocess": "no rows"})
    assert [(one.name, one.source, one.detail) for one in found] == [
        ("stage_queue_ms", "requests, mean", ""),
        ("stage_preprocess_ms", "none", "no rows"),
        ("stage_inference_ms", "requests, mean", ""),
        ("stage_postprocess_ms", "none", "no rows"),
    ]
    far = Load(scenario=Scenario.SINGLE_STREAM, network=Network(round_trip_ms=1))
    names = [one.name for one in measure_stages(stages_of(requests, requests), far, {})]
    assert names == [stage_name(name) for name in ("uplink", "queue", "inference", "downlink")]


def test_rows_that_the_card_cannot_read_are_not_sent(tmp_path: Path) -> None:
    raw = RawRows.read(json.dumps(CARD), written(tmp_path, [[1.0, 2.0, 3.0], None, [4.0, 5.0, 6.0]]))
    assert raw.batch.num_rows == 2
    with pytest.raises(JobError, match="the sample cannot be read as the card says"):
        RawRows.read(json.dumps(CARD), written(tmp_path, [None]))


@pytest.mark.parametrize(("batch", "calls"), [("n", [4]), (2, [2, 2])])
def test_rows_become_tensors_and_outputs_probabilities(raw: RawRows, batch: int | str, calls: list[int]) -> None:
    clock = SimulatedClock()
    slow = SlowModel(clock, [1], batch)
    target = PipelineTarget(slow, raw, Rows({"x": np.zeros((9, 3), np.float16)}), 2, clock.now)  # type: ignore[arg-type]
    assert target.samples == 4
    assert 2 * 3 * 4 <= target.request_bytes <= 2 * 3 * 4 + 16, "and what Arrow adds for a list"
    assert target.response_bytes == 2 * 2 * 4
    slow.rows.clear()
    target.run([0, 3])
    assert slow.rows == calls
    assert target.missing == {}


def test_a_call_that_fails_is_noted_too(raw: RawRows) -> None:
    clock = SimulatedClock()
    target = PipelineTarget(SlowModel(clock, []), raw, PREPARED, 1, clock.now)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        target.run([0])
    assert len(target.calls) == 1
