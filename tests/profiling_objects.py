"""Objects of profiling for tests, with every field filled; name what matters to the test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from search_service.domain.access import Role, Token
from search_service.domain.catalog import Tensor
from search_service.domain.jobs import Job, submit
from search_service.domain.ports import Database
from search_service.domain.profiling import (
    Agent,
    BackendStatus,
    Batching,
    Form,
    InvalidReason,
    JobSpec,
    Load,
    Measurement,
    Network,
    Precision,
    Profile,
    RunLimits,
    RunSummary,
    Scenario,
    Variant,
)
from search_service.usecases.dispatching import take_job
from search_service.usecases.profiling import Profiling
from tests.catalogue import NOW, digest_of, later

LEASE = timedelta(seconds=30)


def a_variant(**fields: Any) -> Variant:
    """A variant of the backend onnxruntime."""
    values: dict[str, Any] = {"backend": "onnxruntime", "precision": Precision.INT8_STATIC, "threads": 2}
    return Variant(**(values | fields))


A_FORM = Form(
    format="tensorrt_plan",
    digest=digest_of("plan"),
    size_bytes=4,
    inputs=(Tensor(name="x", element_type="float32", shape=("n", 3, None)),),
    outputs=(Tensor(name="y", element_type="int64", shape=()),),
    bound_to={"library": "TensorRT 10", "gpu": "größer"},
    kept=True,
)
A_NETWORK = Network(round_trip_ms=40.0, up_mbit_per_s=10.5, down_mbit_per_s=30.0)


def a_load(**fields: Any) -> Load:
    """A load of the scenario server with everything that it can have."""
    values: dict[str, Any] = {
        "scenario": Scenario.SERVER,
        "rate_per_s": 100.5,
        "arrival": "gamma",
        "parameters": {"cv": 2.0},
        "batching": Batching(max_batch=8, max_wait_ns=2_000_000),
        "p99_limit_ms": 20.0,
    }
    return Load(**(values | fields))


def a_spec(**fields: Any) -> JobSpec:
    """What a job without a model asks for: the backend null in fp32, under one load."""
    values: dict[str, Any] = {
        "model_id": "",
        "variants": (Variant(backend="null"),),
        "loads": (Load(scenario=Scenario.SINGLE_STREAM),),
    }
    return JobSpec(**(values | fields))


def a_full_spec(**fields: Any) -> JobSpec:
    """A spec with every field filled, for the agent of `a_full_agent`."""
    return a_spec(
        **{
            "variants": (a_variant(), a_variant(precision=Precision.FP32, mode="plain", device="cuda:0", batch_size=4)),
            "loads": (a_load(), a_load(arrival="trace", parameters={}, trace_s=(0.0, 0.25, 1.5), network=A_NETWORK)),
            "limits": RunLimits(
                min_duration_s=1.5,
                min_queries=100,
                max_duration_s=9.0,
                repeats=3,
                precision=0.05,
                seed=2**64 - 1,
                epsilon=0.02,
            ),
            "host_class": "gpu-h100",
            "labels": {"zone": "größer=1", "rack": "7"},
            "remote_target": "grpc://127.0.0.1:9000/m",
            "deadline_s": 60.0,
            "memory_limit_bytes": 1 << 33,
        }
        | fields
    )


def a_job(id: str = "job-1", spec: JobSpec | None = None, **fields: Any) -> Job:
    """A pending job."""
    values: dict[str, Any] = {"max_attempts": 3, "now": NOW}
    return submit(id, spec or a_spec(), **(values | fields))


def an_agent(id: str = "agent-1", **fields: Any) -> Agent:
    """An agent that offers the backend null in fp32; its name is its id."""
    values: dict[str, Any] = {
        "name": id,
        "host_class": "cpu-epyc-0123456789abcdef",
        "host_json": '{"cpu":"EPYC"}',
        "backends": (
            BackendStatus(name="null", available=True, version="1", devices=("cpu",), precisions=(Precision.FP32,)),
            BackendStatus(name="tensorrt", available=False, detail="no module named tensorrt"),
        ),
        "labels": {"zone": "a"},
        "capacity": 1,
        "version": "0.1.0",
        "created_at": NOW,
        "last_seen_at": later(1),
        "draining": False,
        "token_id": "",
    }
    return Agent(id=id, **(values | fields))


def a_full_agent(id: str = "agent-1", **fields: Any) -> Agent:
    """An agent that can take the job of `a_full_spec`."""
    onnxruntime = BackendStatus(
        name="onnxruntime",
        available=True,
        detail="1.31.1",
        version="1.31.1",
        devices=("cpu", "cuda:0"),
        precisions=(Precision.FP32, Precision.INT8_STATIC),
    )
    values: dict[str, Any] = {
        "backends": (onnxruntime,),
        "host_class": "gpu-h100-80gb-0123",
        "labels": {"zone": "größer=1", "rack": "7", "more": ""},
    }
    return an_agent(id, **(values | fields))


def measured(**values: float) -> tuple[Measurement, ...]:
    """Measurements of those names and values, in milliseconds."""
    return tuple(Measurement(name=name, value=value, unit="ms", source="requests") for name, value in values.items())


def a_profile(id: str = "profile-1", **fields: Any) -> Profile:
    """A VALID profile of an offered variant without a model."""
    values: dict[str, Any] = {
        "job_id": "job-1",
        "attempt": 1,
        "model_id": "",
        "model_name": "digits@1",
        "variant": a_variant(),
        "load": a_load(),
        "load_text": "server:100.5,gamma,cv=2,batch=8,wait_ms=2,limit_ms=20",
        "host_class": "cpu-epyc-0123456789abcdef",
        "agent_id": "agent-1",
        "reasons": (),
        "measurements": (
            Measurement(name="p99_ms", value=12.5, unit="ms", low=12.0, high=13.25, source="requests"),
            Measurement(name="energy_j", value=0.0, unit="J", source="none", detail="no counter to be read"),
        ),
        "histogram": "HISTFAAAAB542pNpmSzMwMD",
        "runs": (
            RunSummary(
                reasons=(InvalidReason("disturbed", "foreign CPU load 40 %, at most 10 %"),),
                measurements=measured(p50_ms=3.5),
                schedule_digest=digest_of("schedule"),
                started_at=later(3),
            ),
        ),
        "offered": True,
        "offer_reason": "1.8 times faster, loses nothing",
        "verified_on": "sample",
        "host_json": '{"cpu":"EPYC"}',
        "versions": {"onnxruntime": "1.31.1"},
        "created_at": NOW,
    }
    return Profile(id=id, **(values | fields))


def a_token(id: str = "token-1", **fields: Any) -> Token:
    """A token; its name is its id."""
    values: dict[str, Any] = {
        "name": id,
        "role": Role.AGENT,
        "secret_digest": digest_of(f"secret of {id}"),
        "created_at": NOW,
        "expires_at": later(3600),
        "revoked_at": None,
    }
    return Token(id=id, **(values | fields))


def put_jobs(database: Database, *jobs: Job) -> None:
    """Adds and commits."""
    with database.begin() as work:
        for job in jobs:
            work.jobs.add(job)
        work.commit()


def put_agents(database: Database, *agents: Agent) -> None:
    """Adds and commits."""
    with database.begin() as work:
        for agent in agents:
            work.agents.add(agent)
        work.commit()


def put_profiles(database: Database, *profiles: Profile) -> None:
    """Adds and commits."""
    with database.begin() as work:
        work.profiles.add(profiles)
        work.commit()


def scheduling_at(database: Database, at: float = 0.0) -> Profiling:
    """The collaborators of a service whose clock stands so many seconds after NOW."""
    return Profiling(
        database=database,
        blobs=None,  # type: ignore[arg-type]  # nothing is fetched here
        clock=lambda: later(at),
        new_id=lambda prefix: prefix,
        wait=lambda _: True,
        lease_duration=LEASE,
        gone_after=timedelta(days=1),
    )


def take(database: Database, agent: Agent, at: float = 0.0) -> Job | None:
    """Leases a job to the agent, so many seconds after NOW, and commits."""
    with database.begin() as work:
        job = take_job(scheduling_at(database, at), work, agent)
        work.commit()
    return job
