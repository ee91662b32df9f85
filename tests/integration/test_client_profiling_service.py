"""The SDK and the CLI against the real service, with an agent that reports made-up profiles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from msearch.v1 import profiles_pb2 as profiles
from msearch.v1.agent_service_pb2_grpc import AgentServiceStub
from msearch_client import (
    Answer,
    Client,
    InvalidArgumentError,
    Job,
    JobFailedError,
    JobState,
    LocalError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    Role,
    UnauthenticatedError,
)
from msearch_client.cli import app
from search_service.domain.access import Role as ServiceRole
from tests.certificates import Authority
from tests.fake_agent import FakeAgent, a_profile
from tests.scripted_service import make_histogram, make_measurement
from tests.service_process import service_process
from tests.small_zoo import write_zoo

LOAD = "server:50"
P99_MS = {"near": 30.0, "mid": 8.0, "far": 4.0}


@pytest.fixture(scope="module")
def zoo(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three registered models, samples of their data, and a target."""
    folder = tmp_path_factory.mktemp("zoo")
    words = ["register", "--manifest", str(write_zoo(folder)), "--sample", "30"]
    result = CliRunner().invoke(app, words, env={"MSEARCH_SERVER": server, "MSEARCH_CONFIG": None})
    assert result.exit_code == 0, result.output
    return folder


def measured(spec: profiles.JobSpec, model: str, slower: float = 1.0) -> list[profiles.Profile]:
    """A VALID profile for every variant and load of a job."""
    found = []
    for variant in spec.variants:
        for load in spec.loads:
            profile = a_profile(variant.backend, histogram=make_histogram([1.0] * 990 + [P99_MS[model]] * 10))
            profile.variant.CopyFrom(variant)
            profile.load.CopyFrom(load)
            profile.ClearField("measurements")
            profile.ClearField("runs")
            profile.measurements.append(make_measurement("p99_ms", P99_MS[model] * slower))
            for number, scale in enumerate((1.0, 1.002, 0.998)):
                run = profile.runs.add(verdict=profiles.VERDICT_VALID)
                run.start_time.seconds = 1_790_000_000 + number
                run.measurements.append(make_measurement("p50_ms", scale * slower))
            found.append(profile)
    return found


@contextmanager
def working_agent(
    address: str, finish: Callable[[FakeAgent, Any], object], channel: grpc.Channel | None = None, **fields: Any
) -> Iterator[FakeAgent]:
    """An agent that takes every job and ends it as `finish` does."""
    with channel or grpc.insecure_channel(address) as opened:
        agent = FakeAgent(AgentServiceStub(opened), **fields).register()
        stopped = threading.Event()

        def work() -> None:
            while not stopped.is_set():
                job = agent.acquire(wait_s=0.2)
                if job.HasField("lease"):
                    agent.progress(job.lease, 0.5)
                    finish(agent, job)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield agent
        finally:
            stopped.set()
            thread.join(30)


def complete(agent: FakeAgent, job: Any) -> None:
    agent.complete(job.lease, *measured(job.job.spec, job.model.name))


def run(address: str, *words: Any, code: int = 0) -> str:
    variables = {"MSEARCH_SERVER": address, "COLUMNS": "130", "MSEARCH_CONFIG": None, "MSEARCH_TOKEN": None}
    result = CliRunner().invoke(app, [str(word) for word in words], env=variables)
    assert result.exit_code == code, f"{result.stdout}\n{result.stderr}"
    return result.stdout if code == 0 else result.stderr


def test_samples_were_stored_with_the_models(client: Client, zoo: Path) -> None:
    sample = client.get_dataset("near-data").sample
    assert sample is not None
    assert (sample.row_count, sample.label_column) == (30, "label")
    assert client.delete_sample("far-data").sample is None
    assert client.put_sample("far-data", zoo / "far.parquet", rows=10, labels="label").sample is not None


def test_a_model_is_measured_watched_and_compared(server: str, client: Client, zoo: Path) -> None:
    seen: list[Job] = []
    halfway = threading.Event()

    def note(job: Job) -> None:
        seen.append(job)
        if job.progress.fraction == 0.5:
            halfway.set()

    def finish(agent: FakeAgent, job: Any) -> None:
        halfway.wait(30)
        complete(agent, job)

    with working_agent(server, finish):
        found = client.profile("mid", variants="onnxruntime fp32", loads=[LOAD, "offline"], progress=note)
    assert halfway.is_set()
    assert seen[-1].state is JobState.SUCCEEDED
    assert [profile.load_text for profile in found] == [LOAD, "offline"]
    assert found[0].model_name == "mid@1"
    assert found[0].percentile(99.9) == pytest.approx(P99_MS["mid"], rel=1e-3)
    assert client.compare(found[0], found[0]).answer is Answer.SAME

    def slow(agent: FakeAgent, job: Any) -> None:
        agent.complete(job.lease, *measured(job.job.spec, job.model.name, slower=1.5))

    with working_agent(server, slow):
        again = client.profile("mid", variants="onnxruntime fp32", loads=LOAD)
    worse = client.compare(found[0].id, f"mid:onnxruntime fp32:{LOAD}")
    assert (worse.answer, worse.second) == (Answer.WORSE, again[0].id)
    assert client.list_profiles(model="mid", load=LOAD).total == 2
    assert client.list_jobs(model="mid", state="succeeded").total == 2


def test_a_failed_job_says_why(server: str, client: Client, zoo: Path) -> None:
    failing = working_agent(server, lambda agent, job: agent.fail(job.lease, "compile_failed"))
    with failing, pytest.raises(JobFailedError, match="compile_failed: it compile_failed") as caught:
        client.profile("near", loads="offline")
    assert caught.value.job.attempt == 1


def test_a_pending_job_is_cancelled(client: Client, zoo: Path) -> None:
    job = client.submit_job("near", variants="openvino fp32", allow_waiting=True)
    assert job.state is JobState.PENDING
    assert client.cancel_job(job).state is JobState.CANCELLED
    with pytest.raises(JobFailedError, match="was cancelled"):
        client.profiles_of(job)


def test_what_the_service_refuses_is_explained(server: str, client: Client, zoo: Path) -> None:
    with working_agent(server, complete):
        with pytest.raises(PreconditionFailedError, match="openvino") as caught:
            client.submit_job("near", variants="openvino fp32")
        assert caught.value.reason == "NO_CAPABLE_AGENT"
        with pytest.raises(InvalidArgumentError, match="impossible"):
            client.submit_job("near", variants="onnxruntime fp32", loads="server:1e9")
    with pytest.raises(InvalidArgumentError) as unknown:
        client.search(zoo / "target.parquet", require="p98_ms<=20")
    assert unknown.value.reason == "UNKNOWN_METRIC"
    with pytest.raises(NotFoundError, match="prf_none"):
        client.get_profile("prf_none")


def test_a_query_by_what_was_measured(server: str, client: Client, zoo: Path) -> None:
    with working_agent(server, complete):
        for name in ("near", "mid"):
            client.profile(name, variants="onnxruntime fp32", loads=LOAD)
        target = zoo / "target.parquet"
        limited = client.search(target, require="p99_ms<=20", load=LOAD)
        assert [item.model.name for item in limited] == ["mid"]
        assert [item.model.name for item in limited.unmeasured] == ["far"]
        assert limited.unmeasured_total == 1
        assert limited[0].profile is not None
        assert limited[0].profile.value("p99_ms") == 8.0
        ordered = client.search(target, order_by_metric="p99_ms", load=LOAD)
        assert [item.model.name for item in ordered] == ["mid", "near"]
        by_data = client.search_by_data(target, require="p99_ms<=20", load=LOAD)
        assert [item.model.name for item in by_data] == ["mid"]

        words = ["query", "--data", target, "--require", "p99_ms<=20ms", "--load", LOAD]
        shown = run(server, *words).splitlines()
        assert shown[2].split()[1] == "mid@1"
        assert f"  msearch-cli profile far@1 --load {LOAD}" in "\n".join(shown)
        after = run(server, *words, "--profile-missing").splitlines()
        assert [line.split()[1] for line in after[2:4]] == ["mid@1", "far@1"]
    assert client.search(target, require="p99_ms<=20", load=LOAD).unmeasured == ()
    nowhere = client.search(target, require="p99_ms<=20", load=LOAD, host_class="another")
    assert nowhere.unmeasured_total == 3


def test_agents_are_shown_and_drained(server: str, client: Client) -> None:
    with working_agent(server, complete, name="two"):
        assert "two" in run(server, "agents", "list")
        assert "no GPU here" in run(server, "agents", "show", "two")
        assert run(server, "agents", "drain", "two").startswith("two drains: 0 jobs left")
        assert client.get_agent("two").state == "draining"
        assert client.drain_agent("two", undo=True).state == "active"


def test_roles_are_kept_apart_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    signed = authority.sign("service")
    variables = {"MSEARCH_LISTEN_TLS_CERT": str(signed.certificate), "MSEARCH_LISTEN_TLS_KEY": str(signed.key)}
    with service_process(tmp_path, **variables) as (_, address):
        with Client(address, ca=authority.certificate) as anyone:
            admin = anyone.create_token("root", Role.ADMIN)
        with Client(address, ca=authority.certificate, timeout_s=20) as anyone:
            with pytest.raises(UnauthenticatedError) as refused:
                anyone.list_tokens()
            assert "MSEARCH_TOKEN" in refused.value.hint
        with Client(address, ca=authority.certificate, token=admin.secret) as client:
            reader = client.create_token("ci", "reader")
            assert [token.name for token in client.list_tokens()] == ["ci", "root"]
            with Client(address, ca=authority.certificate, token=reader.secret) as limited:
                assert limited.list_profiles().total == 0
                with pytest.raises(PermissionDeniedError):
                    limited.submit_job(variants="null", allow_waiting=True)
                client.revoke_token("ci")
                with pytest.raises(UnauthenticatedError):
                    limited.list_profiles().to_dicts()
    assert set(Role) == set(ServiceRole)


def test_a_load_is_read_here_before_it_travels(client: Client, zoo: Path) -> None:
    with pytest.raises(LocalError, match="no scenario"):
        client.search(zoo / "target.parquet", require="p99_ms<=20", load="often")
