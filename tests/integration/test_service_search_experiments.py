"""A benchmark with `search` over a real socket: rounds, limits, the best cell, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from msearch.v1 import benchmark_service_pb2 as pb
from msearch.v1 import profiles_pb2 as ppb
from msearch.v1 import profiling_service_pb2 as prof
from msearch.v1 import registry_service_pb2 as rpb
from search_service.benchmarking import optimiser
from search_service.domain.errors import PreconditionFailed, Reason
from search_service.domain.ports import Database
from search_service.usecases import advance_experiments
from tests.fake_agent import FakeAgent, a_profile
from tests.integration.test_service_experiments import (
    DISTURBED,
    GRID,
    cells,
    get,
    has_ended,
    jobs,
    submit,
    work_off,
    work_off_until,
)
from tests.service_in_process import Running, refused, service_in_process

pytest.importorskip("optuna", reason="the extra search is not installed")

SEARCH = """
software: {backend: null, batch_size: [1, 2, 4, 8, 16, 32], threads: [1, 2, 4]}
loads: offline
search: {optimise: throughput_per_s, require: "p99_ms<=20", trials: 10, per_round: 3, seed: 5}
"""
PATIENCE_S = 60


@pytest.fixture
def running(tmp_path: Path, database: Database) -> Iterator[Running]:
    with service_in_process(tmp_path, database) as service:
        yield service


def measured(variant: ppb.Variant, load: ppb.Load) -> ppb.Profile:
    latency_ms = (1 + variant.batch_size) / variant.threads
    values = {"p99_ms": latency_ms, "throughput_per_s": 1000 * variant.batch_size / latency_ms}
    found = [ppb.Measurement(name=name, value=value, source="requests") for name, value in values.items()]
    profile = a_profile(variant=variant, load=load)
    profile.ClearField("measurements")
    profile.measurements.extend(found)
    return profile


def work_until_finished(running: Running, agent: FakeAgent, experiment_id: str) -> int:
    """Takes jobs until the experiment has ended, and says how many."""
    ends = time.monotonic() + PATIENCE_S
    done = 0
    while get(running, experiment_id).state == pb.EXPERIMENT_STATE_RUNNING:
        assert time.monotonic() < ends, get(running, experiment_id)
        taken = agent.acquire(wait_s=0.2)
        if taken.HasField("job"):
            spec = taken.job.spec
            agent.complete(taken.lease, *(measured(variant, load) for variant in spec.variants for load in spec.loads))
            done += 1
    return done


def test_it_asks_in_rounds_and_names_the_best_within_the_limits(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    answer = submit(running, SEARCH)
    assert (answer.plan.cell_count, answer.plan.new_count) == (18, 10)
    assert answer.experiment.cells == pb.CellCounts(total=18, open=15, waiting=3), "the first round"
    assert answer.experiment.search == pb.SearchProgress(
        optimise="throughput_per_s", require=["p99_ms<=20"], trials=10, asked=3
    )
    assert work_until_finished(running, agent, answer.experiment.id) == 10
    done = get(running, answer.experiment.id)
    assert done.cells == pb.CellCounts(total=18, open=8, measured=10)
    found = [cell for cell in cells(running, done.id) if cell.state == pb.CELL_STATE_MEASURED]
    values = {cell.position: {one.name: one.value for one in cell.profile.measurements} for cell in found}
    within = {position: value for position, value in values.items() if value["p99_ms"] <= 20}
    assert done.search.best_position == max(within, key=lambda position: within[position]["throughput_per_s"])

    again = submit(running, SEARCH)
    assert (again.experiment.id, again.plan.new_count) == (done.id, 0)
    assert work_until_finished(running, agent, done.id) == 0
    assert len(jobs(running, done.id)) == 10


def test_what_is_known_already_is_not_asked_for(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    everything = submit(running, SEARCH.partition("search:")[0]).experiment
    work_until_finished(running, agent, everything.id)
    answer = submit(running, SEARCH)
    assert (answer.plan.reused_count, answer.plan.new_count) == (18, 0)
    assert work_until_finished(running, agent, answer.experiment.id) == 0
    assert get(running, answer.experiment.id).search.HasField("best_position")


def test_only_models_that_are_tried_are_made(tmp_path: Path) -> None:
    document = """
    generate: {family: mlp, layers: [1, 2, 3, 4, 5, 6], width: [4, 8], input: [4]}
    search: {optimise: p99_ms, trials: 3, per_round: 2}
    """
    with service_in_process(tmp_path) as running:
        agent = FakeAgent(running.agents).register()
        answer = submit(running, document)
        work_until_finished(running, agent, answer.experiment.id)
        assert get(running, answer.experiment.id).cells == pb.CellCounts(total=12, open=9, measured=3)
        assert running.registry.ListModels(rpb.ListModelsRequest()).total_size == 3


def test_trials_that_fail_are_trials(tmp_path: Path) -> None:
    with service_in_process(tmp_path) as running:
        agent = FakeAgent(running.agents).register()
        experiment_id = submit(running, SEARCH).experiment.id
        ends = time.monotonic() + PATIENCE_S
        while get(running, experiment_id).state == pb.EXPERIMENT_STATE_RUNNING:
            assert time.monotonic() < ends
            taken = agent.acquire(wait_s=0.2)
            if taken.HasField("job"):
                agent.fail(taken.lease, "compile_failed")
        done = get(running, experiment_id)
        assert done.cells == pb.CellCounts(total=18, open=8, failed=10)
        assert not done.search.HasField("best_position")


def test_a_cancelled_search_asks_for_nothing_more(tmp_path: Path) -> None:
    with service_in_process(tmp_path) as running:
        FakeAgent(running.agents).register()
        experiment_id = submit(running, SEARCH).experiment.id
        running.benchmarks.CancelExperiment(pb.CancelExperimentRequest(experiment=experiment_id))
        time.sleep(2.5)  # longer than the time between two looks
        assert get(running, experiment_id).cells == pb.CellCounts(total=18, open=15, cancelled=3)


def test_cancelling_its_jobs_ends_a_search(tmp_path: Path) -> None:
    with service_in_process(tmp_path) as running:
        FakeAgent(running.agents).register()
        experiment_id = submit(running, SEARCH).experiment.id
        request = prof.CancelJobsRequest(experiment_id=experiment_id)
        assert running.profiling.CancelJobs(request).cancelled_count == 3
        time.sleep(2.5)  # longer than the time between two looks
        seen = get(running, experiment_id)
        assert seen.cells == pb.CellCounts(total=18, open=15, cancelled=3)
        assert seen.state == pb.EXPERIMENT_STATE_FINISHED


def test_two_replicas_ask_for_each_round_once(tmp_path: Path, sql_database: Database) -> None:
    with service_in_process(tmp_path, sql_database) as one, service_in_process(tmp_path, sql_database):
        agent = FakeAgent(one.agents).register()
        experiment_id = submit(one, SEARCH).experiment.id
        assert work_until_finished(one, agent, experiment_id) == 10
        assert len(jobs(one, experiment_id)) == 10


def test_a_round_that_another_replica_asked_for_meanwhile_is_waited_for(
    tmp_path: Path, sql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first look came before the other replica's round was there; the second, at the cells, finds it.
    monkeypatch.setattr(advance_experiments, "_must_wait", lambda unit, experiment: False)
    with service_in_process(tmp_path, sql_database) as running:
        agent = FakeAgent(running.agents).register()
        experiment_id = submit(running, SEARCH).experiment.id
        time.sleep(2.5)  # longer than the time between two looks
        assert get(running, experiment_id).cells == pb.CellCounts(total=18, open=15, waiting=3)
        assert work_until_finished(running, agent, experiment_id) == 10


@pytest.mark.parametrize(
    ("search", "reason", "words"),
    [
        ("optimise: p98_ms", "UNKNOWN_METRIC", "p99_ms"),
        ("optimise: p99_ms, require: 'p99_ms<20'", "INVALID_FIELD", "QUANTITY<=NUMBER"),
        ("optimise: p99_ms, require: 'p98_ms<=20'", "UNKNOWN_METRIC", "search.require[0]"),
        ("optimise: p99_ms, trials: 0", "INVALID_BENCHMARK", "search.trials"),
    ],
)
def test_a_refusal(tmp_path: Path, search: str, reason: str, words: str) -> None:
    with service_in_process(tmp_path) as running:
        FakeAgent(running.agents).register()
        with refused() as caught:
            submit(running, f"software: {{backend: null}}\nsearch: {{{search}}}")
        assert caught[0].reason == reason
        assert words in caught[0].message
        assert running.benchmarks.ListExperiments(pb.ListExperimentsRequest()).total_size == 0


def test_a_service_without_an_optimiser_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimiser, "find_spec", lambda name: None)
    with service_in_process(tmp_path) as running:
        FakeAgent(running.agents).register()
        with refused() as caught:
            submit(running, SEARCH)
        assert (caught[0].code, caught[0].reason) == ("FAILED_PRECONDITION", "OPTIMISER_MISSING")
        assert "msearch[search]" in caught[0].message


def test_a_search_that_fails_keeps_no_other_experiment_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> list[int]:
        raise PreconditionFailed("it broke", Reason.OPTIMISER_MISSING)

    with service_in_process(tmp_path) as running:
        agent = FakeAgent(running.agents).register()
        searching = submit(running, SEARCH).experiment
        monkeypatch.setattr(optimiser.OptunaOptimiser, "ask", refuse)
        work_off(agent)
        noisy = submit(running, GRID).experiment
        work_off(agent, **DISTURBED)
        work_off_until(agent, lambda: has_ended(running, noisy.id))
        assert get(running, noisy.id).cells == pb.CellCounts(total=6, measured=6, retried=6)
        assert get(running, searching.id).state == pb.EXPERIMENT_STATE_RUNNING
