"""Real agents as processes of their own, beside a real service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from msearch.v1 import profiles_pb2 as pb
from msearch.v1 import profiling_service_pb2 as profiling
from msearch.v1.profiling_service_pb2_grpc import ProfilingServiceStub

START_TIMEOUT_S = 120


def start_agent(address: str, folder: Path, name: str, *options: str) -> subprocess.Popen[bytes]:
    """Starts an agent in a session of its own; the caller stops it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MSEARCH_")}
    command = ["run", "--server", address, "--name", name, "--data-dir", str(folder / "agents"), *options]
    command += ["--ready-file", str(folder / f"{name}.ready")]
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "profiler_agent", *command],
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


def wait_until_registered(folder: Path, name: str) -> str:
    """The agent's id."""
    deadline = time.monotonic() + START_TIMEOUT_S
    ready = folder / f"{name}.ready"
    while not ready.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not register:\n{(folder / f'{name}.log').read_text(encoding='utf-8')}")
        time.sleep(0.05)
    return ready.read_text(encoding="utf-8").strip()


@contextmanager
def running_agent(address: str, folder: Path, name: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A registered agent, killed at the end."""
    process = start_agent(address, folder, name, *options)
    try:
        wait_until_registered(folder, name)
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """As a power failure would end it."""
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def null_spec(service: str = "constant:1ms", *, seconds: float = 0.2, repeats: int = 1, **fields: object) -> pb.JobSpec:
    """A job for the backend null: no model, a known service time."""
    spec = pb.JobSpec(
        variants=[pb.Variant(backend="null", precision=pb.PRECISION_FP32, mode=service)],
        loads=[pb.Load(scenario=pb.SCENARIO_SINGLE_STREAM)],
        **fields,  # type: ignore[arg-type]  # fields of the message
    )
    spec.limits.min_duration.FromMilliseconds(round(seconds * 1e3))
    spec.limits.min_queries = 20
    spec.limits.repeats = repeats
    return spec


class Jobs:
    """Submits and follows jobs of one service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = ProfilingServiceStub(channel)

    def submit(self, spec: pb.JobSpec, *, max_attempts: int = 0) -> str:
        request = profiling.SubmitJobRequest(spec=spec, allow_waiting=True, max_attempts=max_attempts)
        return str(self._stub.SubmitJob(request, wait_for_ready=True).job.id)

    def get(self, job_id: str) -> pb.Job:
        return self._stub.GetJob(profiling.GetJobRequest(job_id=job_id), wait_for_ready=True).job

    def cancel(self, job_id: str) -> None:
        self._stub.CancelJob(profiling.CancelJobRequest(job_id=job_id), wait_for_ready=True)

    def profiles(self, job_id: str) -> list[pb.Profile]:
        request = profiling.ListProfilesRequest(job_id=job_id, include_invalid=True)
        return list(self._stub.ListProfiles(request, wait_for_ready=True).profiles)

    def wait(self, job_id: str, *states: pb.JobState.ValueType, timeout_s: float = 90) -> pb.Job:
        """The job once it is in one of the states."""
        deadline = time.monotonic() + timeout_s
        while (job := self.get(job_id)).state not in states:
            if time.monotonic() > deadline:
                raise AssertionError(f"{job_id} is still {pb.JobState.Name(job.state)}: {job}")
            time.sleep(0.05)
        return job
