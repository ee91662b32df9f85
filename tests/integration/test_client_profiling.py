"""The SDK's calls about jobs, profiles, agents, tokens and samples over a real socket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pyarrow as pa
import pytest
from google.rpc.code_pb2 import Code

from msearch.v1 import profiles_pb2 as profiles
from msearch.v1 import profiling_service_pb2 as profiling
from msearch.v1 import search_service_pb2 as search
from msearch.v1 import types_pb2 as types
from msearch_client import (
    AgentState,
    Answer,
    Client,
    Job,
    JobFailedError,
    JobState,
    LocalError,
    NotFoundError,
    PreconditionFailedError,
    Role,
    RunLimits,
    UnavailableError,
    Variant,
)
from msearch_client._transport import Transport
from tests.scripted_service import (
    START,
    Script,
    make_agent,
    make_job,
    make_model,
    make_profile,
    scripted_service,
)
from tests.signatures import blank_signature

PENDING, LEASED = profiles.JOB_STATE_PENDING, profiles.JOB_STATE_LEASED
SUCCEEDED, FAILED = profiles.JOB_STATE_SUCCEEDED, profiles.JOB_STATE_FAILED


@pytest.fixture
def script() -> Script:
    made = Script()
    made.models["digits"] = make_model()
    made.profiles["prf-1"] = make_profile()
    made.agents["bench-1"] = make_agent()
    made.datasets["mnist"] = types.Dataset(name="mnist", id="mnist", version="1", modality=types.MODALITY_TABULAR)
    return made


@pytest.fixture
def client(script: Script, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    with scripted_service(script) as address, Client(address) as opened:
        monkeypatch.setattr(opened._transport, "_pause", lambda seconds: None)
        yield opened


def ended(state: int = SUCCEEDED, **fields: Any) -> profiles.Job:
    return make_job(state=state, **({"profile_ids": ["prf-1"]} | fields))


def test_a_job_is_submitted_whole(client: Client, script: Script) -> None:
    job = client.submit_job(
        "digits", variants=["onnxruntime int8_static batch=8", Variant(backend="openvino")],
        loads=["server:100", "single_stream"], limits=RunLimits(repeats=3), host_class="epyc", labels={"room": "north"},
        deadline_s=60, memory_limit_bytes=1 << 30, allow_waiting=True, max_attempts=2,
    )  # fmt: skip
    assert (job.id, job.state, job.model_name) == ("job-1", JobState.PENDING, "digits@1")
    assert [str(variant) for variant in job.spec.variants] == ["onnxruntime int8_static batch=8", "openvino fp32"]
    assert [str(load) for load in job.spec.loads] == ["server:100", "single_stream"]
    (request,) = script.requests(profiling.SubmitJobRequest)
    assert (request.allow_waiting, request.max_attempts, len(request.request_id)) == (True, 2, 32)
    assert (request.spec.limits.repeats, dict(request.spec.labels)) == (3, {"room": "north"})


@pytest.mark.parametrize(("format", "backend"), [("onnx", "onnxruntime"), ("torch_export", "torch")])
def test_the_usual_variant_is_that_of_the_artifact(client: Client, script: Script, format: str, backend: str) -> None:
    script.models["digits"].artifact.format = format
    assert [str(item) for item in client.submit_job("digits").spec.variants] == [f"{backend} fp32"]


def test_a_remote_target_needs_no_model(client: Client, script: Script) -> None:
    job = client.submit_job(remote_target="grpc://127.0.0.1:9000/m")
    assert (str(job.spec.variants[0]), job.spec.remote_target) == ("remote fp32", "grpc://127.0.0.1:9000/m")
    assert not script.requests(profiling.SubmitJobRequest)[0].HasField("model")


def test_jobs_that_cannot_be_are_refused_here(client: Client, script: Script) -> None:
    script.models["hosted"] = make_model("hosted", artifact=types.Artifact(format="none"))
    with pytest.raises(LocalError, match="no artifact that could be measured"):
        client.submit_job("hosted")
    with pytest.raises(LocalError, match="nothing to measure"):
        client.submit_job()
    with pytest.raises(LocalError, match="the backend torch needs a model"):
        client.submit_job(variants="torch")
    with pytest.raises(LocalError, match="no scenario"):
        client.submit_job("digits", loads="often")
    assert not script.requests(profiling.SubmitJobRequest)


def test_nobody_who_could_do_it(client: Client, script: Script) -> None:
    script.failures["SubmitJob"] = (Code.FAILED_PRECONDITION, "NO_CAPABLE_AGENT", "no registered agent could take it")
    with pytest.raises(PreconditionFailedError, match="no registered agent") as caught:
        client.submit_job("digits")
    assert "msearch-cli agent" in caught.value.hint
    assert "--allow-waiting" in caught.value.hint


def test_a_submission_is_repeated_with_its_request_id(client: Client, script: Script) -> None:
    script.failures["SubmitJob"] = (Code.UNAVAILABLE, "", "restarting")
    assert client.submit_job("digits", variants="torch").id == "job-1"
    first, second = script.requests(profiling.SubmitJobRequest)
    assert first == second


def test_profile_waits_and_reads_the_profiles(client: Client, script: Script) -> None:
    quarter = profiles.Progress(fraction=0.25, stage="measure", message="run 1 of 5")
    script.watches = [[make_job(state=PENDING), make_job(progress=quarter), ended()]]
    seen: list[Job] = []
    measured = client.profile("digits", loads="server:100", progress=seen.append)
    assert [job.state for job in seen] == [JobState.PENDING, JobState.LEASED, JobState.SUCCEEDED]
    assert seen[1].progress.message == "run 1 of 5"
    assert measured[0].percentile(50) == pytest.approx(1.0, rel=1e-3)
    assert measured.job.ended


def test_profile_may_leave_at_once(client: Client, script: Script) -> None:
    assert client.profile("digits", wait=False).state is JobState.PENDING
    assert not script.requests(profiling.WatchJobRequest)


def test_a_job_that_fails_says_why(client: Client, script: Script) -> None:
    script.watches = [[ended(FAILED, failure=profiles.Failure(code="compile_failed", message="no operator Foo"))]]
    with pytest.raises(JobFailedError, match="compile_failed: no operator Foo") as caught:
        client.profile("digits")
    assert (caught.value.code, caught.value.job.state) == ("compile_failed", JobState.FAILED)


@pytest.mark.parametrize("status", [Code.UNAVAILABLE, Code.CANCELLED, Code.DEADLINE_EXCEEDED])
def test_a_watch_goes_on_after_the_service_went_away(client: Client, script: Script, status: int) -> None:
    script.jobs["job-1"] = make_job()
    half = make_job(progress=profiles.Progress(fraction=0.5))
    script.watches = [[make_job(), status], [status], [make_job(), half, ended()]]
    seen = list(client.watch_job("job-1"))
    assert [job.progress.fraction for job in seen] == [0.0, 0.5, 0.0]
    assert seen[-1].state is JobState.SUCCEEDED
    assert len(script.requests(profiling.WatchJobRequest)) == 3


def test_a_watch_gives_up_in_the_end(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script.jobs["job-1"] = make_job()
    script.watches = [[Code.UNAVAILABLE]] * 99
    waited: list[float] = []
    with scripted_service(script) as address, Client(address, timeout_s=1.0) as client:
        monkeypatch.setattr(client._transport, "_pause", waited.append)
        monkeypatch.setattr(client._transport, "_chance", lambda: 0.5)
        with pytest.raises(UnavailableError):
            list(client.watch_job("job-1"))
    # The pauses are not slept here, so only the rule "no pause beyond the patience" ends it.
    assert waited == [0.2, 0.4, 0.8]


def test_a_watch_of_nothing(client: Client) -> None:
    with pytest.raises(NotFoundError, match="no job job-9"):
        list(client.watch_job("job-9"))


def test_a_watch_that_is_left_is_cancelled(client: Client, script: Script) -> None:
    script.jobs["job-1"] = make_job()
    script.watches = [[make_job(), make_job(progress=profiles.Progress(fraction=0.5)), ended()]]
    watch = client.watch_job("job-1")
    assert next(watch).state is JobState.LEASED
    watch.close()  # type: ignore[attr-defined]
    assert client.get_job("job-1").id == "job-1"


def test_a_closed_client_ends_a_watch(script: Script) -> None:
    script.jobs["job-1"] = make_job()
    with scripted_service(script) as address:
        client = Client(address)
        client.close()
        with pytest.raises(LocalError, match="client is closed"):
            list(client.watch_job("job-1"))


def test_following_reports_its_own_failures(script: Script) -> None:
    script.jobs["job-1"] = make_job()
    script.watches = [[Code.INTERNAL]]
    with scripted_service(script) as address, Transport(address, timeout_s=5, retries=0) as transport:
        request = profiling.WatchJobRequest(job_id="job-1")
        with pytest.raises(Exception, match="the service stops") as caught:
            list(transport.follow(transport.profiling.WatchJob, request))
    assert not isinstance(caught.value, grpc.RpcError)


def test_jobs_are_listed_read_and_cancelled(client: Client, script: Script) -> None:
    script.jobs = {"job-1": make_job(state=PENDING), "job-2": make_job("job-2"), "job-3": make_job("job-3", SUCCEEDED)}
    assert [job.id for job in client.list_jobs(state="leased")] == ["job-2"]
    assert len(client.list_jobs()) == 3
    client.list_jobs(model="digits").to_dicts()
    assert script.requests(profiling.ListJobsRequest)[-1].model_id == "id-digits"
    assert client.cancel_job("job-1").state is JobState.CANCELLED
    told = client.cancel_job(client.get_job("job-2"))
    assert (told.state, told.cancel_requested) == (JobState.LEASED, True)
    assert client.cancel_job("job-3").state is JobState.SUCCEEDED
    with pytest.raises(LocalError, match="job state 'lost' is unknown"):
        client.list_jobs(state="lost")


def test_an_experiment_is_followed_and_cancelled_as_a_whole(client: Client, script: Script) -> None:
    job = client.submit_job(variants="null", priority=7, experiment_id="spring")
    client.submit_job(variants="null")
    assert (job.priority, job.experiment_id) == (7, "spring")
    assert [found.id for found in client.list_jobs(experiment_id="spring")] == [job.id]
    script.jobs[job.id].state = LEASED
    assert client.cancel_jobs("spring") == (0, 1)


def test_profiles_are_listed_without_the_bulk(client: Client, script: Script) -> None:
    script.profiles["prf-2"] = make_profile("prf-2", verdict=profiles.VERDICT_INVALID)
    listed = client.list_profiles(model="digits", load="server:1e2", backend="onnxruntime")
    assert [profile.id for profile in listed] == ["prf-1"]
    assert (listed[0].runs, listed[0].histogram) == ((), "")
    assert len(client.list_profiles(include_invalid=True)) == 2
    request = script.requests(profiling.ListProfilesRequest)[0]
    assert (request.load_text, request.model.name) == ("server:100", "digits")
    assert client.list_profiles().to_pandas()["p99_ms"].tolist() == [12.5]
    with pytest.raises(NotFoundError, match="no model none"):
        client.list_profiles(model="none").to_dicts()


def test_profiles_are_compared_by_id_object_or_name(client: Client, script: Script) -> None:
    slow = make_profile(
        "prf-2",
        runs_ms=(1.5, 1.51, 1.49),
        variant=profiles.Variant(backend="openvino", precision=profiles.PRECISION_FP32),
    )
    script.profiles["prf-2"] = slow
    by_id = client.compare("prf-1", "prf-2")
    assert (by_id.answer, by_id.metric) == (Answer.WORSE, "p50_ms")
    by_name = client.compare("digits:onnxruntime fp32:server:100", "digits@1:openvino:server:100")
    assert by_name == by_id
    listed = client.list_profiles(backend="openvino")[0]
    assert listed.runs == ()
    assert client.compare(client.get_profile("prf-1"), listed) == by_id


def test_a_profile_is_found_whatever_device_its_backend_chose(client: Client, script: Script) -> None:
    script.profiles["prf-1"].variant.device = "cpu"
    assert client.compare("digits:onnxruntime:server:100", "prf-1").first == "prf-1"
    with pytest.raises(NotFoundError, match=r"measured there: onnxruntime fp32 device=cpu"):
        client.compare("digits:onnxruntime fp32 device=cuda:0:server:100", "prf-1")


def test_what_nobody_measured_cannot_be_compared(client: Client) -> None:
    with pytest.raises(NotFoundError, match="no valid profile of digits as onnxruntime bf16 under server:100"):
        client.compare("digits:onnxruntime bf16:server:100", "prf-1")
    with pytest.raises(NotFoundError, match="no profile prf-9"):
        client.compare("prf-1", "prf-9")
    with pytest.raises(LocalError, match="neither the id of a profile nor of the form"):
        client.compare("digits:onnxruntime", "prf-1")


def test_earlier_profiles_show_the_noise_of_the_host(client: Client, script: Script) -> None:
    script.profiles["prf-2"] = make_profile("prf-2", runs_ms=tuple(1.05 * ms for ms in (1.0, 1.001, 0.999)))
    script.profiles["prf-1"] = make_profile(runs_ms=(1.0, 1.001, 0.999))
    assert client.compare("prf-1", "prf-2").answer is Answer.WORSE
    for number, median in enumerate((1.0, 1.1, 1.02, 0.93)):
        name = f"old-{number}"
        script.profiles[name] = make_profile(name, runs_ms=(median,))
    found = client.compare("prf-1", "prf-2")
    assert found.noise > 0.08
    assert found.answer is Answer.SAME


def test_agents_are_listed_shown_and_drained(client: Client) -> None:
    (agent,) = client.list_agents()
    assert (agent.name, agent.labels, agent.host["cpu"]["cores"]) == ("bench-1", {"room": "north"}, 16)
    assert [backend.available for backend in client.get_agent("bench-1").backends] == [True, False]
    assert client.drain_agent("bench-1").state is AgentState.DRAINING
    assert client.drain_agent("bench-1", undo=True).state is AgentState.ACTIVE
    with pytest.raises(NotFoundError, match="no agent other"):
        client.get_agent("other")


def test_tokens_are_created_listed_and_revoked(client: Client, script: Script) -> None:
    end = datetime(2027, 1, 2, tzinfo=UTC)
    created = client.create_token("ci", "reader", expires_at=end)
    assert (created.token.name, created.token.role, created.token.expires_at) == ("ci", Role.READER, end)
    assert created.secret == "msearch_s3cret"
    assert [token.name for token in client.list_tokens()] == ["ci"]
    assert client.revoke_token(created.token.name).revoked_at == datetime.fromtimestamp(START + 60, UTC)
    with pytest.raises(LocalError, match="role 'root' is unknown"):
        client.create_token("x", "root")


def test_a_token_is_not_created_twice(client: Client, script: Script) -> None:
    script.failures["CreateToken"] = (Code.UNAVAILABLE, "", "restarting")
    with pytest.raises(UnavailableError):
        client.create_token("ci", Role.READER)
    assert len(script.asked) == 1


def table(rows: int) -> pa.Table:
    return pa.table({
        "a": list(range(rows)), "b": [float(row) for row in range(rows)], "secret": ["x"] * rows,
        "label": ["yes" if row % 2 else "no" for row in range(rows)],
    })  # fmt: skip


def test_a_sample_is_some_rows_in_their_order(client: Client, script: Script) -> None:
    stored = client.put_sample("mnist", table(1000), rows=40, labels="label", ignore=["secret"])
    assert stored.sample is not None
    sent = script.samples["mnist"]
    assert (stored.sample.digest, stored.sample.size_bytes) == (hashlib.sha256(sent).hexdigest(), len(sent))
    assert (stored.sample.row_count, stored.sample.label_column) == (40, "label")
    rows = pa.ipc.open_stream(sent).read_all()
    assert rows.column_names == ["a", "b", "label"]
    chosen = rows["a"].to_pylist()
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 40
    assert max(chosen) > 500
    assert client.delete_sample("mnist").sample is None


def test_a_sample_is_chosen_by_its_seed(client: Client, script: Script) -> None:
    def draw(seed: int) -> bytes:
        client.put_sample("mnist", table(300), rows=20, seed=seed)
        return script.samples["mnist"]

    assert draw(1) == draw(1) != draw(2)


def test_every_row_is_as_likely_to_be_in_a_sample(client: Client, script: Script) -> None:
    counts = [0] * 20
    for seed in range(200):
        client.put_sample("mnist", table(20), rows=5, seed=seed, labels="label")
        for row in pa.ipc.open_stream(script.samples["mnist"]).read_all()["a"].to_pylist():
            counts[int(row)] += 1
    # Each is drawn 50 times of 200 on average, with a standard deviation of 6.
    assert min(counts) > 20
    assert max(counts) < 80


def test_a_small_dataset_is_its_own_sample(client: Client, script: Script) -> None:
    stored = client.put_sample("mnist", table(7), rows=256, labels="label")
    assert stored.sample is not None
    assert stored.sample.row_count == 7
    assert pa.ipc.open_stream(script.samples["mnist"]).read_all()["a"].to_pylist() == list(range(7))


def test_a_sample_that_is_too_large_is_refused_before_it_is_sent(client: Client, script: Script) -> None:
    wide = pa.table({"t": ["x" * (1 << 20)] * 70})
    with pytest.raises(LocalError, match="over 64 MiB") as caught:
        client.put_sample("mnist", wide, rows=70)
    assert caught.value.hint == "store fewer rows"
    with pytest.raises(LocalError, match="at least 1 row"):
        client.put_sample("mnist", table(5), rows=0)
    assert script.samples == {}


def candidate(name: str, **fields: Any) -> search.Candidate:
    return search.Candidate(
        rank=1, model=make_model(name), dataset_name="mnist", ranking_value=0.9,
        scores=[search.ScoreValue(score="adaptivity", value=0.9, support=10)], **fields,
    )  # fmt: skip


def test_a_search_by_what_was_measured(client: Client, script: Script) -> None:
    light = make_profile()
    light.ClearField("runs")
    light.ClearField("histogram")
    ranking = search.Ranking(
        candidates=[candidate("digits", profile=light)], total_size=1,
        unmeasured=[candidate("other")], unmeasured_size=4,
        order_by=[search.WeightedScore(score="adaptivity", weight=1)], target_row_count=9,
    )  # fmt: skip
    script.rankings = [ranking]
    found = client.search(
        blank_signature(), require=["p99_ms<=20ms", "peak_memory_bytes<=1GiB"], load="server:1e2", host_class="epyc",
        order_by_metric="p99_ms", pareto="energy_j",
    )  # fmt: skip
    (request,) = script.requests(search.SearchRequest)
    options = request.options.profiles
    assert [(item.metric, item.limit) for item in options.constraints] == [("p99_ms", 20), ("peak_memory_bytes", 2**30)]
    assert (options.load_text, options.host_class) == ("server:100", "epyc")
    assert (options.order_by_metric, options.pareto_metric) == ("p99_ms", "energy_j")
    assert found.best is not None
    assert found.best.profile is not None
    assert found.best.profile.value("p99_ms") == 12.5
    assert found.to_dicts()[0]["p99_ms"] == 12.5
    assert [item.model.name for item in found.unmeasured] == ["other"]
    assert (found.unmeasured_total, found.unmeasured[0].profile) == (4, None)


def test_a_search_that_asks_nothing_of_profiles_says_nothing_of_them(client: Client, script: Script) -> None:
    script.rankings = [search.Ranking()]
    client.search(blank_signature())
    assert not script.requests(search.SearchRequest)[0].options.HasField("profiles")
    with pytest.raises(LocalError, match="not of the form"):
        client.search(blank_signature(), require="fast")
