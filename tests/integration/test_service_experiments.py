"""Benchmarks over a real socket: what a file becomes, what a rerun keeps, and what is refused."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from msearch.v1 import benchmark_service_pb2 as pb
from msearch.v1 import profiles_pb2 as ppb
from msearch.v1 import profiling_service_pb2 as prof
from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import types_pb2 as types
from msearch_experiments.canonical import Architecture
from search_service.benchmarking.canonical_models import GeneratedModels
from search_service.domain.errors import Reason, Unavailable
from search_service.domain.ports import BlobStore, BlobUpload, Database
from search_service.storage import open_blob_store
from tests.fake_agent import FakeAgent, a_profile
from tests.service_in_process import Running, card, chunk, header, refused, register, service_in_process, upload
from tests.small_zoo import make_card, write_net

GRID = """
name: grid
software: {backend: null, mode: ["constant:1ms", "constant:2ms"]}
loads: [single_stream, "server:100", offline]
limits: {repeats: 1}
"""
GENERATED = """
generate: {family: mlp, layers: [1, 2], width: 8, input: [4]}
software: {precision: [fp32, int8_dynamic]}
loads: ["server:100", single_stream]
"""


@pytest.fixture
def running(tmp_path: Path, database: Database) -> Iterator[Running]:
    with service_in_process(tmp_path, database) as service:
        yield service


def submit(running: Running, document: str, **options: object) -> pb.SubmitExperimentResponse:
    request = pb.SubmitExperimentRequest(document=document, **options)  # type: ignore[arg-type]
    return running.benchmarks.SubmitExperiment(request)


def get(running: Running, reference: str) -> pb.Experiment:
    return running.benchmarks.GetExperiment(pb.GetExperimentRequest(experiment=reference)).experiment


def cells(running: Running, experiment_id: str, **fields: object) -> list[pb.ExperimentCell]:
    request = pb.ListCellsRequest(experiment=experiment_id, page_size=1000, **fields)  # type: ignore[arg-type]
    return list(running.benchmarks.ListCells(request).cells)


def jobs(running: Running, experiment_id: str) -> list[ppb.Job]:
    request = prof.ListJobsRequest(experiment_id=experiment_id, page_size=1000)
    return list(running.profiling.ListJobs(request).jobs)


def profiles_for(spec: ppb.JobSpec, **fields: object) -> list[ppb.Profile]:
    return [a_profile(variant=variant, load=load, **fields) for variant in spec.variants for load in spec.loads]


def work_off(agent: FakeAgent, **fields: object) -> int:
    """Does all jobs that the agent can take and says how many."""
    done = 0
    while (taken := agent.acquire()).HasField("job"):
        agent.complete(taken.lease, *profiles_for(taken.job.spec, **fields))
        done += 1
    return done


def test_a_file_becomes_cells_and_jobs_and_profiles(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    answer = submit(running, GRID)
    experiment, plan = answer.experiment, answer.plan
    assert (plan.cell_count, plan.new_count, plan.job_count, plan.reused_count) == (6, 6, 2, 0)
    assert plan.work.seconds > 0
    assert plan.estimated_duration == plan.work, "there is one agent"
    assert experiment.state == pb.EXPERIMENT_STATE_RUNNING
    assert experiment.cells == pb.CellCounts(total=6, waiting=6)
    assert experiment.name == "grid"
    assert {job.experiment_id for job in jobs(running, experiment.id)} == {experiment.id}

    taken = agent.acquire()
    assert get(running, experiment.id).cells == pb.CellCounts(total=6, waiting=3, running=3)
    agent.complete(taken.lease, *profiles_for(taken.job.spec))
    assert work_off(agent) == 1

    done = get(running, experiment.digest)
    assert done.id == experiment.id
    assert done.state == pb.EXPERIMENT_STATE_FINISHED
    assert done.cells == pb.CellCounts(total=6, measured=6)
    assert done.end_time.seconds >= done.create_time.seconds
    found = cells(running, experiment.id)
    assert [cell.position for cell in found] == list(range(6))
    assert {(cell.variant.mode, cell.load_text) for cell in found} == {
        (mode, load) for mode in ("constant:1ms", "constant:2ms") for load in ("single_stream", "server:100", "offline")
    }
    for cell in found:
        assert cell.profile.variant == cell.variant
        assert cell.profile.load_text == cell.load_text
        assert cell.profile.job_id == cell.job_id


def test_a_rerun_measures_nothing_again(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    first = submit(running, GRID).experiment
    again = submit(running, "# spelt otherwise\nlimits: {repeats: 1}\n" + GRID.replace("limits: {repeats: 1}", ""))
    assert again.experiment.id == first.id
    assert (again.plan.new_count, again.plan.running_count) == (0, 6), "it waits already"
    work_off(agent)
    before = cells(running, first.id)
    again = submit(running, GRID)
    assert (again.plan.new_count, again.plan.job_count, again.plan.reused_count) == (0, 0, 6)
    assert again.experiment.state == pb.EXPERIMENT_STATE_FINISHED
    assert cells(running, first.id) == before
    assert len(jobs(running, first.id)) == 2


def test_fresh_measures_again(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    first = submit(running, GRID).experiment
    work_off(agent)
    before = {cell.profile.id for cell in cells(running, first.id)}
    again = submit(running, GRID, fresh=True)
    assert (again.experiment.id, again.plan.new_count) == (first.id, 6)
    assert submit(running, GRID, fresh=True).plan.running_count == 6, "what waits is not asked for twice"
    work_off(agent)
    assert before.isdisjoint({cell.profile.id for cell in cells(running, first.id)})


def test_a_larger_file_keeps_what_a_smaller_one_measured(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    submit(running, GRID)
    work_off(agent)
    larger = submit(running, GRID.replace('"constant:2ms"', '"constant:2ms", "constant:3ms"'))
    assert (larger.plan.reused_count, larger.plan.new_count) == (6, 3)
    assert larger.experiment.cells == pb.CellCounts(total=9, measured=6, waiting=3, reused=6)
    other_limits = submit(running, GRID.replace("repeats: 1", "repeats: 2"))
    assert other_limits.plan.reused_count == 0, "they were measured by other limits"


def test_what_failed_or_is_invalid_is_measured_again(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    experiment = submit(running, GRID).experiment
    taken = agent.acquire()
    agent.fail(taken.lease, "compile_failed")
    taken = agent.acquire()
    invalid = ppb.InvalidReason(rule="too_short", detail="it took 1 s")
    spoilt = profiles_for(taken.job.spec)
    spoilt[0].verdict, _ = ppb.VERDICT_INVALID, spoilt[0].reasons.append(invalid)
    agent.complete(taken.lease, *spoilt[:2])
    done = get(running, experiment.id)
    assert done.state == pb.EXPERIMENT_STATE_FINISHED
    assert done.cells == pb.CellCounts(total=6, measured=1, invalid=1, failed=4)
    failed = cells(running, experiment.id, state=pb.CELL_STATE_FAILED)
    assert sorted(cell.failure.code for cell in failed) == ["compile_failed"] * 3 + ["no_profile"]
    again = submit(running, GRID)
    assert (again.plan.reused_count, again.plan.new_count) == (1, 5)
    work_off(agent)
    assert get(running, experiment.id).cells == pb.CellCounts(total=6, measured=6)


def work_off_until(agent: FakeAgent, done: Callable[[], bool], **fields: object) -> int:
    """Does jobs as they come, until it is done, and says how many."""
    count, deadline = 0, time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, "it never ends"
        count += work_off(agent, **fields)
        time.sleep(0.05)
    return count


def has_ended(running: Running, experiment_id: str) -> bool:
    return get(running, experiment_id).state != pb.EXPERIMENT_STATE_RUNNING


DISTURBED = {"verdict": ppb.VERDICT_INVALID, "reasons": [ppb.InvalidReason(rule="disturbed", detail="load 3")]}


def test_noise_is_measured_again_once_and_the_state_tells_so_meanwhile(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    experiment = submit(running, GRID).experiment
    taken = agent.acquire()
    spoilt = profiles_for(taken.job.spec)
    spoilt[0].MergeFrom(ppb.Profile(**DISTURBED))
    agent.complete(taken.lease, *spoilt)
    assert work_off(agent) >= 1
    assert get(running, experiment.id).state == pb.EXPERIMENT_STATE_RUNNING, "one is to be measured again"
    work_off_until(agent, lambda: has_ended(running, experiment.id))
    done = get(running, experiment.id)
    assert done.cells == pb.CellCounts(total=6, measured=6, retried=1)
    assert sorted(cell.retry_count for cell in cells(running, experiment.id)) == [0, 0, 0, 0, 0, 1]
    assert done.job_count == 3
    (retried,) = [job for job in jobs(running, experiment.id) if job.id != taken.job.id and len(job.spec.loads) == 1]
    assert retried.profile_ids


@pytest.mark.parametrize(("retries", "asked"), [(0, 2), (1, 4), (3, 8)])
def test_what_stays_invalid_is_measured_again_so_many_times(running: Running, retries: int, asked: int) -> None:
    agent = FakeAgent(running.agents).register()
    experiment = submit(running, f"{GRID}\nretries: {retries}").experiment
    work_off_until(agent, lambda: has_ended(running, experiment.id), **DISTURBED)
    done = get(running, experiment.id)
    assert (done.job_count, done.cells.invalid) == (asked, 6)
    assert {cell.retry_count for cell in cells(running, experiment.id)} == {retries}


def register_net(running: Running, folder: Path, name: str) -> types.Model:
    write_net(folder / f"{name}.onnx")
    data = (folder / f"{name}.onnx").read_bytes()
    announced = header(json.dumps(make_card(name)), upload=upload(hashlib.sha256(data).hexdigest(), len(data)))
    return running.registry.RegisterModel(iter([announced, chunk(data)])).model


def test_nothing_is_measured_again_once_a_model_is_gone(running: Running, tmp_path: Path) -> None:
    agent = FakeAgent(running.agents).register()
    models = [register_net(running, tmp_path, name) for name in ("gone", "kept")]
    experiment = submit(running, "models: [gone, kept]").experiment
    taken = agent.acquire()
    request = rpb.DeleteModelRequest()
    request.model.id = next(model.id for model in models if model.id != taken.job.spec.model_id)
    running.registry.DeleteModel(request)
    agent.complete(taken.lease, *profiles_for(taken.job.spec, **DISTURBED))
    work_off_until(agent, lambda: has_ended(running, experiment.id))
    assert get(running, experiment.id).cells.retried == 0


def test_an_experiment_is_deleted_once_it_has_ended(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    experiment = submit(running, GRID).experiment
    delete = pb.DeleteExperimentRequest(experiment=experiment.digest)
    with refused() as caught:
        running.benchmarks.DeleteExperiment(delete)
    assert (caught[0].code, caught[0].reason) == ("FAILED_PRECONDITION", "EXPERIMENT_RUNNING")
    assert "cancel it first" in caught[0].message
    work_off(agent)
    assert running.benchmarks.DeleteExperiment(delete).deleted_profile_count == 0
    for act in (lambda: get(running, experiment.id), lambda: running.benchmarks.DeleteExperiment(delete)):
        with refused() as caught:
            act()
        assert (caught[0].code, caught[0].reason) == ("NOT_FOUND", "EXPERIMENT_NOT_FOUND")
    assert len(jobs(running, experiment.id)) == 2, "its jobs stay"
    again = submit(running, GRID)
    assert again.experiment.id != experiment.id
    assert (again.plan.reused_count, again.plan.new_count) == (6, 0), "and so does what they measured"


def test_it_goes_with_its_profiles_but_not_with_those_of_others(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    first = submit(running, GRID).experiment
    work_off(agent)
    other = submit(running, GRID.replace('"constant:1ms", "constant:2ms"', '"constant:2ms", "constant:3ms"')).experiment
    work_off(agent)
    request = pb.DeleteExperimentRequest(experiment=first.id, delete_profiles=True)
    assert running.benchmarks.DeleteExperiment(request).deleted_profile_count == 3
    listed = running.profiling.ListProfiles(prof.ListProfilesRequest()).profiles
    assert sorted({profile.variant.mode for profile in listed}) == ["constant:2ms", "constant:3ms"]
    assert get(running, other.id).cells == pb.CellCounts(total=6, measured=6, reused=3)


def test_a_cancelled_one_may_be_deleted(running: Running) -> None:
    FakeAgent(running.agents).register()
    experiment = submit(running, GRID).experiment
    running.benchmarks.CancelExperiment(pb.CancelExperimentRequest(experiment=experiment.id))
    running.benchmarks.DeleteExperiment(pb.DeleteExperimentRequest(experiment=experiment.id))
    assert running.benchmarks.ListExperiments(pb.ListExperimentsRequest()).total_size == 0


def test_other_versions_on_the_host_are_measured_again(running: Running) -> None:
    def with_library(version: str) -> FakeAgent:
        return FakeAgent(running.agents, host_json=f'{{"libraries": {{"onnxruntime": "{version}"}}}}').register()

    agent = with_library("1.31.1")
    submit(running, GRID)
    work_off(agent)
    assert submit(running, GRID).plan.reused_count == 6
    with_library("1.32.0")
    assert submit(running, GRID, dry_run=True).plan.new_count == 6
    with_library("1.31.1")
    assert submit(running, GRID, dry_run=True).plan.reused_count == 6


def test_canonical_models_are_made_and_registered(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    planned = submit(running, GENERATED, dry_run=True)
    assert list(planned.plan.generated_models) == ["generated/mlp-1x8-in4@1", "generated/mlp-2x8-in4@1"]
    assert running.registry.ListModels(rpb.ListModelsRequest()).total_size == 0, "a dry run changes nothing"
    assert running.benchmarks.ListExperiments(pb.ListExperimentsRequest()).total_size == 0

    answer = submit(running, GENERATED)
    assert list(answer.plan.generated_models) == []
    models = running.registry.ListModels(rpb.ListModelsRequest()).models
    assert [f"{model.name}@{model.version}" for model in models] == list(planned.plan.generated_models)
    assert (answer.plan.cell_count, answer.plan.job_count) == (8, 2), "a job for each model"
    assert work_off(agent) == 2
    assert get(running, answer.experiment.id).cells == pb.CellCounts(total=8, measured=8)
    found = cells(running, answer.experiment.id)
    assert {cell.model_id for cell in found} == {model.id for model in models}
    assert all(cell.profile.model_id == cell.model_id for cell in found)


def test_a_deleted_model_takes_its_profiles_along_and_is_made_again(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    experiment = submit(running, GENERATED).experiment
    work_off(agent)
    model = running.registry.ListModels(rpb.ListModelsRequest()).models[0]
    request = rpb.DeleteModelRequest()
    request.model.id = model.id
    running.registry.DeleteModel(request)
    seen = get(running, experiment.id)
    assert seen.cells == pb.CellCounts(total=8, measured=4, failed=4)
    assert {cell.failure.code for cell in cells(running, experiment.id, state=pb.CELL_STATE_FAILED)} == {"profile_gone"}
    again = submit(running, GENERATED)
    assert (again.plan.reused_count, again.plan.new_count) == (4, 4)
    work_off(agent)
    assert get(running, experiment.id).cells == pb.CellCounts(total=8, measured=8)


def test_cancelling_keeps_what_is_measured_and_submitting_again_goes_on(running: Running) -> None:
    agent = FakeAgent(running.agents).register()
    experiment = submit(running, GRID).experiment
    taken = agent.acquire()
    agent.complete(taken.lease, *profiles_for(taken.job.spec))
    answer = running.benchmarks.CancelExperiment(pb.CancelExperimentRequest(experiment=experiment.id)).experiment
    assert answer.state == pb.EXPERIMENT_STATE_CANCELLED
    assert answer.cells == pb.CellCounts(total=6, measured=3, cancelled=3)
    assert not agent.acquire().HasField("job")
    again = submit(running, GRID)
    assert again.experiment.state == pb.EXPERIMENT_STATE_RUNNING
    assert (again.plan.reused_count, again.plan.new_count) == (3, 3)


def test_hosts_are_cells_of_their_own(running: Running) -> None:
    left = FakeAgent(running.agents, "left", host_class="cpu-left-01").register()
    right = FakeAgent(running.agents, "right", host_class="cpu-right-01").register()
    document = GRID + "hardware: {host_class: [cpu-left, cpu-right]}\n"
    answer = submit(running, document)
    assert (answer.plan.cell_count, answer.plan.job_count) == (12, 4)
    assert answer.plan.estimated_duration.seconds < answer.plan.work.seconds, "two agents share the work"
    assert (work_off(left), work_off(right)) == (2, 2)
    for cell in cells(running, answer.experiment.id):
        assert cell.profile.host_class.startswith(cell.host_class)


def test_the_same_request_id_is_answered_once(running: Running) -> None:
    FakeAgent(running.agents).register()
    first = submit(running, GRID, request_id="r")
    assert submit(running, GRID, request_id="r").experiment == first.experiment
    with refused() as caught:
        submit(running, GENERATED, request_id="r")
    assert (caught[0].code, caught[0].reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")


def test_experiments_and_cells_are_listed_by_pages(running: Running) -> None:
    FakeAgent(running.agents).register()
    first = submit(running, GRID).experiment
    second = submit(running, GENERATED).experiment
    listed = running.benchmarks.ListExperiments(pb.ListExperimentsRequest(page_size=1))
    assert ([item.id for item in listed.experiments], listed.total_size) == ([second.id], 2)
    assert not listed.experiments[0].document
    request = pb.ListExperimentsRequest(page_size=1, page_token=listed.next_page_token)
    assert [item.id for item in running.benchmarks.ListExperiments(request).experiments] == [first.id]

    seen, token = [], ""
    while True:
        page = running.benchmarks.ListCells(pb.ListCellsRequest(experiment=first.id, page_size=4, page_token=token))
        seen += [cell.position for cell in page.cells]
        token = page.next_page_token
        if not token:
            break
    assert (seen, page.total_size) == (list(range(6)), 6)


@pytest.mark.parametrize(
    ("document", "code", "reason", "words"),
    [
        ("models: [a", "INVALID_ARGUMENT", "INVALID_BENCHMARK", "is not valid YAML"),
        ("modles: a", "INVALID_ARGUMENT", "INVALID_BENCHMARK", "did you mean 'models'?"),
        ("models: a", "NOT_FOUND", "MODEL_NOT_FOUND", "'a'"),
        ("models: hosted", "INVALID_ARGUMENT", "INVALID_FIELD", "has no artifact"),
        ("software: {backend: null}\nloads: 'server:x'", "INVALID_ARGUMENT", "INVALID_FIELD", "not a number"),
        ("software: {backend: null}\nloads: 'severe:1'", "INVALID_ARGUMENT", "INVALID_FIELD", "no scenario"),
        ("generate: {family: mlp, layers: 9, width: 60000}", "INVALID_ARGUMENT", "INVALID_BENCHMARK", "parameters"),
        ("software: {backend: null}\nhardware: {host_class: gpu}",
         "FAILED_PRECONDITION", "NO_CAPABLE_AGENT", "host gpu"),
        ("software: {backend: tensorrt}\ngenerate: {family: mlp, layers: 1, width: 8}",
         "FAILED_PRECONDITION", "NO_CAPABLE_AGENT", "no GPU here"),
        (f"software: {{backend: null, threads: {list(range(1, 600))}}}",
         "FAILED_PRECONDITION", "CONFIRMATION_REQUIRED", "599 profiles"),
        (f"software: {{backend: null, threads: {list(range(1, 1000))}, batch_size: {list(range(1, 1000))}}}",
         "RESOURCE_EXHAUSTED", "TOO_LARGE", "998,001 profiles"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_refusal_leaves_nothing_behind(
    tmp_path: Path, document: str, code: str, reason: str, words: str, dry_run: bool
) -> None:
    with service_in_process(tmp_path) as running:
        FakeAgent(running.agents).register()
        register(running, card("hosted"))
        with refused() as caught:
            submit(running, document, dry_run=dry_run)
        assert (caught[0].code, caught[0].reason) == (code, reason)
        assert words in caught[0].message
        assert running.registry.ListModels(rpb.ListModelsRequest()).total_size == 1
        assert running.profiling.ListJobs(prof.ListJobsRequest()).total_size == 0
        assert running.benchmarks.ListExperiments(pb.ListExperimentsRequest()).total_size == 0


def test_a_large_grid_is_accepted_once_confirmed(tmp_path: Path) -> None:
    with service_in_process(tmp_path) as running:
        FakeAgent(running.agents).register()
        document = f"software: {{backend: null, threads: {list(range(1, 600))}}}"
        answer = submit(running, document, confirm=True)
        assert answer.plan.job_count == answer.plan.new_count == 599
        assert answer.experiment.state == pb.EXPERIMENT_STATE_RUNNING
        ends = time.monotonic() + 60
        while get(running, answer.experiment.id).cells.waiting < 599:  # its jobs are added bit by bit
            assert time.monotonic() < ends
            time.sleep(0.2)
        assert len(jobs(running, answer.experiment.id)) == 599


def test_a_host_that_nobody_has_may_be_waited_for(running: Running) -> None:
    document = "software: {backend: null}\nhardware: {host_class: gpu}"
    answer = submit(running, document, allow_waiting=True)
    assert answer.experiment.cells == pb.CellCounts(total=1, waiting=1)
    assert not answer.plan.HasField("estimated_duration")


@pytest.mark.parametrize("method", ["GetExperiment", "ListCells", "CancelExperiment"])
def test_an_unknown_experiment(tmp_path: Path, method: str) -> None:
    with service_in_process(tmp_path) as running:
        for reference, reason in (("exp_x", "EXPERIMENT_NOT_FOUND"), ("", "INVALID_FIELD")):
            with refused() as caught:
                getattr(running.benchmarks, method)(getattr(pb, f"{method}Request")(experiment=reference))
            assert caught[0].reason == reason


def test_nothing_is_lost_when_the_service_starts_anew(tmp_path: Path, sql_database: Database) -> None:
    with service_in_process(tmp_path, sql_database) as running:
        agent = FakeAgent(running.agents).register()
        experiment = submit(running, GENERATED).experiment
        first = agent.acquire()
        agent.complete(first.lease, *profiles_for(first.job.spec))
        second = agent.acquire()
    with service_in_process(tmp_path, sql_database) as running:
        assert get(running, experiment.id).cells == pb.CellCounts(total=8, measured=4, running=4)
        agent.stub = running.agents
        agent.complete(second.lease, *profiles_for(second.job.spec))
        agent.complete(second.lease, *profiles_for(second.job.spec))
        assert get(running, experiment.id).cells == pb.CellCounts(total=8, measured=8)
        stored = running.profiling.ListProfiles(prof.ListProfilesRequest(include_invalid=True))
        assert stored.total_size == 8, "nothing is counted twice"


def test_two_replicas_take_one_file_once(tmp_path: Path, sql_database: Database) -> None:
    with service_in_process(tmp_path, sql_database) as one, service_in_process(tmp_path, sql_database) as two:
        FakeAgent(one.agents).register()
        request = pb.SubmitExperimentRequest(document=GENERATED)
        calls = [side.benchmarks.SubmitExperiment.future(request) for side in (one, two, one, two)]
        answers = [call.result() for call in calls]
        assert len({answer.experiment.id for answer in answers}) == 1
        assert sum(answer.plan.new_count for answer in answers) == 8
        assert len(jobs(one, answers[0].experiment.id)) == 2


class FullDisk:
    """A blob store whose disk is full from the second upload on, until there is room again."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._uploads = 0
        self.full = True

    def upload(self, digest: str, size_bytes: int) -> BlobUpload:
        self._uploads += 1
        if self.full and self._uploads > 1:
            raise Unavailable("the disk is full", Reason.STORAGE_UNAVAILABLE)
        return self._store.upload(digest, size_bytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_full_disk_leaves_no_experiment_and_is_made_good_by_submitting_again(
    tmp_path: Path, database: Database
) -> None:
    disk = FullDisk(open_blob_store(str(tmp_path / "blobs")))
    with service_in_process(tmp_path, database, disk) as running:  # type: ignore[arg-type]  # passes on what it lacks
        agent = FakeAgent(running.agents).register()
        with refused() as caught:
            submit(running, GENERATED)
        assert (caught[0].code, caught[0].message) == ("UNAVAILABLE", "the disk is full")
        assert running.registry.ListModels(rpb.ListModelsRequest()).total_size == 1, "whole models only"
        assert running.profiling.ListJobs(prof.ListJobsRequest()).total_size == 0
        assert running.benchmarks.ListExperiments(pb.ListExperimentsRequest()).total_size == 0
        disk.full = False
        experiment_id = submit(running, GENERATED).experiment.id
        work_off(agent)
        assert get(running, experiment_id).cells == pb.CellCounts(total=8, measured=8)
        assert running.registry.ListModels(rpb.ListModelsRequest()).total_size == 2


def test_another_model_of_a_canonical_name_is_not_taken_for_it(tmp_path: Path) -> None:
    with service_in_process(tmp_path) as running:
        FakeAgent(running.agents).register()
        register(running, card("generated/mlp-1x8-in4"))
        with refused() as caught:
            submit(running, GENERATED)
        assert (caught[0].code, caught[0].reason) == ("FAILED_PRECONDITION", "NAME_TAKEN")
        assert "'generated/mlp-1x8-in4@1'" in caught[0].message
        assert running.registry.ListModels(rpb.ListModelsRequest()).total_size == 1


def test_a_newer_version_of_a_model_is_measured_anew(tmp_path: Path) -> None:
    """A file that names no version means the newest."""
    made = GeneratedModels().make(Architecture(family="mlp", layers=1, width=4, input=(4,)))

    def put(version: str) -> None:
        values = json.loads(made.card) | {"name": "own", "version": version}
        announced = upload(hashlib.sha256(made.artifact).hexdigest(), len(made.artifact))
        sent = [header(json.dumps(values), upload=announced), chunk(made.artifact)]
        running.registry.RegisterModel(iter(sent))

    with service_in_process(tmp_path) as running:
        agent = FakeAgent(running.agents).register()
        put("1")
        document = "models: own\nloads: ['server:100', single_stream]"
        experiment_id = submit(running, document).experiment.id
        work_off(agent)
        assert submit(running, document).plan.reused_count == 2
        put("2")
        again = submit(running, document)
        assert (again.experiment.id, again.plan.new_count) == (experiment_id, 2)
        work_off(agent)
        assert {cell.model_name for cell in cells(running, experiment_id)} == {"own@2"}


def test_servers_are_measured_where_they_are(tmp_path: Path) -> None:
    backends = [ppb.BackendStatus(name="remote", available=True, precisions=[ppb.PRECISION_FP32])]
    document = "software: {server: ['grpc://h:1/m', 'http://h:2/m']}\nloads: 'server:100'"
    with service_in_process(tmp_path) as running:
        agent = FakeAgent(running.agents, backends=backends).register()
        answer = submit(running, document)
        assert {job.spec.remote_target for job in jobs(running, answer.experiment.id)} == {
            "grpc://h:1/m", "http://h:2/m",
        }  # fmt: skip
        taken = agent.acquire()
        agent.complete(taken.lease, *profiles_for(taken.job.spec))
        one = submit(running, document.replace("['grpc://h:1/m', 'http://h:2/m']", "'http://h:2/m'"))
        assert one.plan.reused_count == (taken.job.spec.remote_target == "http://h:2/m"), (
            "another server is another cell"
        )
        work_off(agent)
        measured = {cell.remote_target: cell.profile.id for cell in cells(running, answer.experiment.id)}
        assert len(set(measured.values())) == 2
