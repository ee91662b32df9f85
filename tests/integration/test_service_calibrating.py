"""Calibration over a real socket: planned within a budget, submitted as evaluate jobs, repeated without harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from msearch.v1 import evaluation_service_pb2 as epb
from msearch.v1 import types_pb2
from search_service.domain.ports import Database
from tests.evaluation_at_work import SmallRegistry, complete, fill_registry, points_of, rows_of, some_outputs
from tests.service_in_process import refusal, service_in_process
from tests.small_zoo import COLUMNS, make_table

ROWS = 30


@pytest.fixture
def registry(tmp_path: Path, database: Database) -> Iterator[SmallRegistry]:
    """On each kind of database: three models, three sources."""
    with service_in_process(tmp_path, database) as running:
        yield fill_registry(running, tmp_path)


def put_samples(registry: SmallRegistry, *names: str) -> dict[str, str]:
    """A validation sample of each model's source; their ids."""
    shifts = {"near": 0.0, "mid": 1.5, "far": 6.0}
    return {name: registry.put_validation_sample(rows_of(make_table(shifts[name], ROWS)), name).id for name in names}


def calibrate(registry: SmallRegistry, seconds: int = 3600, **fields: Any) -> epb.CalibrateResponse:
    request = epb.CalibrateRequest(budget=Duration(seconds=seconds), **fields)
    answer: epb.CalibrateResponse = registry.stub.Calibrate(request)
    return answer


def test_pairs_are_planned_and_submitted(registry: SmallRegistry) -> None:
    agent = registry.agent()
    samples = put_samples(registry, "near", "mid", "far")
    dry = calibrate(registry, dry_run=True)
    assert len(dry.planned) == 9
    assert not any(one.job_id for one in dry.planned)
    assert not agent.acquire().HasField("lease"), "a dry run submits nothing"
    answer = calibrate(registry)
    assert {(one.model_name, one.sample_id) for one in answer.planned} == {
        (f"{name}@1", sample) for name in registry.models for sample in samples.values()
    }
    values = [one.value for one in answer.planned]
    assert values[0] == 1.0
    assert values == sorted(values, reverse=True)
    assert min(values) > 0
    assert (answer.left_out_count, list(answer.notices)) == (0, [])
    dataset_of = {sample: registry.dataset_of(name) for name, sample in samples.items()}
    for one in answer.planned:
        assert one.dataset_id == dataset_of[one.sample_id]
        assert one.estimate.seconds + one.estimate.nanos > 0
    again = calibrate(registry)
    assert not again.planned, "what is being evaluated is not planned again"
    assert "nothing left" in again.notices[0]


def test_the_budget_bounds_what_is_planned(registry: SmallRegistry) -> None:
    registry.agent(capacity=1)
    put_samples(registry, "near", "mid", "far")
    every = calibrate(registry, dry_run=True)
    longest = max(one.estimate.ToNanoseconds() for one in every.planned) / 1e9
    some = calibrate(registry, seconds=int(3 * longest) + 1, dry_run=True)
    assert 1 <= len(some.planned) < 9
    assert sum(one.estimate.ToNanoseconds() for one in some.planned) / 1e9 <= int(3 * longest) + 1
    assert some.left_out_count == 9 - len(some.planned)
    assert len({one.model_id for one in some.planned}) > 1, "several models rather than one"


def test_two_agents_do_twice_as_much(registry: SmallRegistry) -> None:
    registry.agent(capacity=1)
    put_samples(registry, "near", "mid", "far")
    longest = max(one.estimate.ToNanoseconds() for one in calibrate(registry, dry_run=True).planned) / 1e9
    seconds = int(2 * longest) + 1
    alone = len(calibrate(registry, seconds=seconds, dry_run=True).planned)
    registry.agent("two", capacity=1)
    assert len(calibrate(registry, seconds=seconds, dry_run=True).planned) > alone


def test_a_repeated_call_submits_nothing_more(registry: SmallRegistry) -> None:
    registry.agent()
    put_samples(registry, "near", "mid")
    first = calibrate(registry, request_id="r1")
    assert calibrate(registry, request_id="r1") == first
    assert first.planned
    found = refusal(lambda: calibrate(registry, seconds=1, request_id="r1"))
    assert found.reason == "REQUEST_ID_REUSED"


def test_what_a_model_did_on_its_own_source_counts_once(registry: SmallRegistry) -> None:
    agent = registry.agent()
    samples = put_samples(registry, "near")
    assert "one source dataset" in calibrate(registry, dry_run=True).notices[0]
    registry.evaluate(samples["near"], "near")
    complete(agent, agent.acquire().lease, some_outputs(ROWS))
    put_samples(registry, "near", "mid")
    planned = calibrate(registry).planned
    assert ("near@1", samples["near"]) not in {(one.model_name, one.sample_id) for one in planned}
    assert len(planned) == 5


def test_only_models_that_pass_the_filter_take_part(registry: SmallRegistry) -> None:
    registry.agent()
    put_samples(registry, "near", "mid")
    answer = calibrate(registry, dry_run=True, filter=types_pb2.Filter(text="near"))
    assert {one.model_name for one in answer.planned} == {"near@1"}
    nobody = calibrate(registry, filter=types_pb2.Filter(text="nobody"))
    assert "no model that passes the filter" in nobody.notices[0]


def test_without_samples_or_with_points_only_it_says_so(registry: SmallRegistry) -> None:
    registry.agent()
    assert "no validation sample" in calibrate(registry).notices[0]
    table = make_table(0.0, ROWS)
    points = points_of(table.select(COLUMNS), registry.space, table["label"].to_pylist())
    registry.put_validation_sample(points, content=epb.PutEvaluationSampleRequest.CONTENT_POINTS)
    assert "hold points only" in calibrate(registry).notices[1]


def test_an_agent_is_needed_unless_jobs_may_wait(registry: SmallRegistry) -> None:
    registry.agent("old", evaluates=[])
    put_samples(registry, "near", "mid")
    found = refusal(lambda: calibrate(registry))
    assert (found.code, found.reason) == ("FAILED_PRECONDITION", "NO_CAPABLE_AGENT")
    dry = calibrate(registry, dry_run=True)
    assert (len(dry.planned), dry.left_out_count) == (0, 6)
    assert "no registered agent" in dry.notices[0]
    assert len(calibrate(registry, allow_waiting=True).planned) == 6


@pytest.mark.parametrize("seconds", [0, -5, 40 * 86_400])
def test_an_impossible_budget_is_refused(registry: SmallRegistry, seconds: int) -> None:
    found = refusal(lambda: calibrate(registry, seconds=seconds))
    assert (found.code, list(found.fields)) == ("INVALID_ARGUMENT", ["budget"])
