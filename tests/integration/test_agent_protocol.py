"""The agent against a scripted service over a real socket: leases, reports, fetching, stopping, and bad children."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from msearch.v1 import agent_service_pb2 as agents
from msearch.v1 import profiles_pb2 as pb
from msearch.v1 import types_pb2 as types
from profiler_agent import executor as executing
from profiler_agent import wire
from profiler_agent.agent import Agent, Facts
from profiler_agent.artifacts import ArtifactCache
from profiler_agent.connection import Connection
from profiler_agent.executor import Executor
from profiler_agent.settings import Settings
from profiler_agent.work import Form, InvalidReason, Load, Profile, Scenario, Variant
from tests.compiled_models import mlp_onnx
from tests.scripted_agent_service import LEASE_LOST, UNAVAILABLE, ScriptedService, refuse, serving

DATA = bytes(range(256)) * 40
DIGEST = hashlib.sha256(DATA).hexdigest()
LOAD = Load(scenario=Scenario.SINGLE_STREAM)
PROFILE = Profile(
    variant=Variant(backend="null"), load=LOAD, load_text="single_stream", reasons=(), measurements=(), histogram="",
    runs=(), offered=True, offer_reason="the yardstick", verified_on="generated",
)  # fmt: skip
ORDER = {"variant": {"threads": 1, "backend": "null", "device": ""}}

Measure = Callable[..., tuple[Profile, ...]]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiler_agent.connection.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("profiler_agent.connection.LONGEST_PAUSE_S", 0.1)
    monkeypatch.setattr("profiler_agent.leases.RETRY_S", 0.05)
    monkeypatch.setattr("profiler_agent.leases.SHORTEST_TIMEOUT_S", 0.05)


@pytest.fixture
def service() -> ScriptedService:
    return ScriptedService()


class Rig:
    """An agent in a thread; `ended` once it has stopped by itself."""

    def __init__(self, address: str, folder: Path, **options: Any) -> None:
        settings = Settings(server=address, name="one", data_dir=folder)
        self.executor = Executor(
            cache=ArtifactCache(settings.artifacts, 1 << 30), compiled=settings.compiled, work=settings.work,
            host_class="class", external_root=folder / "trusted",
        )  # fmt: skip
        description = wire.write_agent(
            name="one", host_class="class", host_json="{}", backends={}, labels={}, capacity=1, version="1"
        )
        facts = Facts(description=description, host_class="class", host_json="{}")
        self.connection = Connection(settings)
        self.agent = Agent(self.connection, self.executor, facts, **options)
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        if self.agent.register():
            self.agent.run()

    def __enter__(self) -> Rig:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.agent.stop()
        self.agent.stop()
        self.join()
        self.connection.close()

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


@contextmanager
def rig(service: ScriptedService, folder: Path, **options: Any) -> Iterator[Rig]:
    with serving(service) as address, Rig(address, folder, **options) as running:
        yield running


def measuring(monkeypatch: pytest.MonkeyPatch, measure: Measure) -> None:
    """Puts `measure` in the place of what measures."""
    monkeypatch.setattr(executing, "measure_job", measure)


def at_once(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
    return (PROFILE,)


def in_child(task: str) -> Measure:
    """Runs a task of `tests.agent_children`."""

    def measure(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        child(f"tests.agent_children:{task}", ORDER, lambda _: None)
        return (PROFILE,)

    return measure


def a_model(**artifact: Any) -> types.Model:
    values = {"format": "onnx", "digest": DIGEST, "size_bytes": len(DATA)} | artifact
    return types.Model(id="m", name="net", version="1", artifact=types.Artifact(**values))


ONNXRUNTIME = [pb.Variant(backend="onnxruntime", precision=pb.PRECISION_FP32)]


def test_what_was_made_for_offered_variants_is_sent_once_before_the_report(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def form(path: Path | None, size: int = 3) -> Form:
        digest = "ab" * 32 if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
        return Form(format="onnx", digest=digest, size_bytes=size, path=path)

    def measure(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        for name in ("one", "two", "large"):
            (order.cache / name).write_bytes(name.encode())
        made = form(order.cache / "one")
        broken = (InvalidReason("unsteady", "it is"),)
        return (
            replace(PROFILE, offered=True, form=made),
            replace(PROFILE, offered=True, form=made),
            replace(PROFILE, offered=True, form=form(None)),
            replace(PROFILE, offered=False, form=form(order.cache / "two")),
            replace(PROFILE, offered=True, reasons=broken, form=form(order.cache / "two")),
            replace(PROFILE, offered=True, form=form(order.cache / "large", 2 << 30)),
        )

    measuring(monkeypatch, measure)
    service.parts[agents.FetchForJobRequest.PART_MODEL] = DATA
    service.add(model=a_model(), variants=ONNXRUNTIME)
    service.troubles["KeepForm"].append(UNAVAILABLE)
    with serving(service) as address, Rig(address, tmp_path):
        report = service.wait_for("CompleteJob")
    first, again = service.told("KeepForm")
    assert [message.WhichOneof("part") for message in again] == ["header", "chunk"]
    assert (again[0].header.lease.job_id, again[0].header.size_bytes) == ("job1", 3)
    assert again[0].header.digest == hashlib.sha256(b"one").hexdigest()
    assert [again[1].chunk, first] == [b"one", again]
    assert [one.form.digest for one in report.profiles[:3]] == [again[0].header.digest] * 2 + ["ab" * 32]


def test_a_service_that_keeps_nothing_gets_the_profiles(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        (order.cache / "made").write_bytes(b"made")
        form = Form(format="onnx", digest="ab" * 32, size_bytes=4, path=order.cache / "made")
        return (replace(PROFILE, offered=True, form=form),)

    measuring(monkeypatch, measure)
    service.parts[agents.FetchForJobRequest.PART_MODEL] = DATA
    service.add(model=a_model(), variants=ONNXRUNTIME)
    service.troubles["KeepForm"].append(refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE"))
    with serving(service) as address, Rig(address, tmp_path):
        assert service.wait_for("CompleteJob").profiles[0].form.size_bytes == 4
    assert len(service.told("KeepForm")) == 1


def test_profiles_are_reported_under_the_lease_with_the_host(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring(monkeypatch, at_once)
    service.add()
    with rig(service, tmp_path):
        told = service.wait_for("CompleteJob")
    assert (told.lease.job_id, told.lease.attempt, told.lease.fencing_token) == ("job1", 1, 1)
    assert told.profiles[0].host_class == "class"
    assert told.profiles[0].offer == pb.OFFER_OFFERED


def test_progress_is_told_while_it_works(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        service.wait_for("ReportProgress")
        return (PROFILE,)

    measuring(monkeypatch, measure)
    service.add()
    with rig(service, tmp_path):
        service.wait_for("CompleteJob")
    assert service.told("ReportProgress")[0].progress.stage == "fetch"


@pytest.mark.parametrize(
    ("task", "code", "words"),
    [
        ("segfault", "crashed", "SIGSEGV"),
        ("hang", "deadline_exceeded", "longer than the 2 s"),
        ("allocate_without_end", "memory_limit", "are allowed"),
        ("kill_itself", "memory_limit", "SIGKILL"),
        ("write_nothing_and_leave", "crashed", "without a result (exit status 0)"),
        ("raise_value_error", "crashed", "seven is not a shape"),
        ("exit_softly", "crashed", "SystemExit"),
    ],
)
def test_a_bad_child_is_a_recorded_failure_and_the_next_job_is_done(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, code: str, words: str
) -> None:
    bad = in_child(task)

    def measure(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        return bad(order, child, report) if order.spec.memory_limit_bytes < 1 << 30 else (PROFILE,)

    measuring(monkeypatch, measure)
    job = service.add(memory_limit_bytes=200 << 20)
    service.jobs[0].job.spec.deadline.FromSeconds(2 if task == "hang" else 200)
    after = service.add(memory_limit_bytes=2 << 30)
    with rig(service, tmp_path):
        failed = service.wait_for("FailJob")
        completed = service.wait_for("CompleteJob")
    assert (failed.lease.job_id, failed.failure.code, failed.retry) == (job, code, False)
    assert words in failed.failure.message
    assert completed.lease.job_id == after
    assert list((tmp_path / "work" / "one").iterdir()) == []


def test_a_defect_of_the_agent_is_a_failure_that_may_be_retried_elsewhere(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        raise ZeroDivisionError("of the agent")

    measuring(monkeypatch, broken)
    service.add()
    with rig(service, tmp_path):
        told = service.wait_for("FailJob")
    assert (told.failure.code, told.retry) == ("internal", True)
    assert "ZeroDivisionError" in told.failure.message


def test_a_full_disk_is_told_in_words(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    measuring(monkeypatch, full)
    service.add()
    with rig(service, tmp_path):
        told = service.wait_for("FailJob")
    assert (told.failure.code, told.retry) == ("internal", True)
    assert told.failure.message.startswith("the disk of agent one is full: free some space in its data folder")
    assert "Traceback" not in "".join(capsys.readouterr())


def test_a_job_that_this_version_does_not_understand_is_failed(service: ScriptedService, tmp_path: Path) -> None:
    service.add(variants=[pb.Variant(backend="null", precision=99)])  # type: ignore[arg-type]  # of a newer service
    with rig(service, tmp_path):
        told = service.wait_for("FailJob")
    assert "upgrade" in told.failure.message


def test_a_lost_lease_ends_the_work_and_nothing_is_reported(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.lease_s = 0.6
    service.troubles["RenewLease"].extend([None, LEASE_LOST])

    def measure(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        return in_child("hang")(order, child, report) if order.workspace.name.startswith("job1") else (PROFILE,)

    measuring(monkeypatch, measure)
    service.add()
    service.add()
    with rig(service, tmp_path):
        assert service.wait_for("CompleteJob").lease.job_id == "job2"
    assert not service.told("FailJob")
    assert not service.told("ReleaseJob")


def test_work_that_outlives_its_lease_by_the_hosts_own_clock_is_abandoned(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service is away for longer than a lease: whatever it would say, the job is somebody else's by then."""
    service.lease_s = 1.0
    measuring(monkeypatch, in_child("hang"))
    service.add()
    with ComingAndGoing(service, tmp_path) as running:
        with serving(service, running.address):
            service.wait_for("RenewLease")
        running.wait_until_idle()
        with serving(service, running.address):
            service.wait_for("AcquireJob", len(service.told("AcquireJob")) + 1)
    assert not {"CompleteJob", "FailJob", "ReleaseJob"} & {method for method, _ in service.calls}


class ComingAndGoing:
    """An agent on a fixed address whose service comes and goes."""

    def __init__(self, service: ScriptedService, folder: Path) -> None:
        with serving(service) as address:
            self.address = address
        self._rig = Rig(self.address, folder)

    def __enter__(self) -> ComingAndGoing:
        self._rig.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._rig.__exit__(*error)

    def wait_until_idle(self) -> None:
        deadline = time.monotonic() + 60
        while self._rig.agent._held:
            assert time.monotonic() < deadline, "the job is still worked on"
            time.sleep(0.02)


def test_a_service_that_restarts_within_the_lease_costs_nothing(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = threading.Event()

    def measure(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        assert away.wait(60)
        return (PROFILE,)

    measuring(monkeypatch, measure)
    service.lease_s = 30.0
    service.add()
    with ComingAndGoing(service, tmp_path) as running:
        with serving(service, running.address):
            service.wait_for("ReportProgress")
        away.set()
        with serving(service, running.address):
            assert service.wait_for("CompleteJob").lease.job_id == "job1"


def test_a_report_is_repeated_until_it_is_answered(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring(monkeypatch, at_once)
    service.troubles["CompleteJob"].extend([UNAVAILABLE, UNAVAILABLE, refuse(grpc.StatusCode.DEADLINE_EXCEEDED)])
    service.add()
    service.add()
    with rig(service, tmp_path):
        service.wait_for("CompleteJob", 5)
    told = service.told("CompleteJob")
    assert [request.lease.job_id for request in told] == ["job1"] * 4 + ["job2"]
    assert len({request.SerializeToString(deterministic=True) for request in told[:4]}) == 1


def test_a_report_that_is_too_late_is_dropped(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring(monkeypatch, at_once)
    service.troubles["CompleteJob"].append(LEASE_LOST)
    service.add()
    service.add()
    with rig(service, tmp_path):
        service.wait_for("CompleteJob", 2)
    assert [request.lease.job_id for request in service.told("CompleteJob")] == ["job1", "job2"]
    assert not service.told("FailJob")


@pytest.mark.parametrize(
    ("trouble", "times"),
    [(refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"), 1), (refuse(grpc.StatusCode.INTERNAL, "INTERNAL"), 5)],
)
def test_profiles_that_the_service_refuses_fail_the_job(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Any, times: int
) -> None:
    measuring(monkeypatch, at_once)
    service.troubles["CompleteJob"].extend([trouble] * times)
    service.add()
    with rig(service, tmp_path):
        told = service.wait_for("FailJob")
    assert told.failure.code == "internal"
    assert "refused the report" in told.failure.message
    assert len(service.told("CompleteJob")) == times


def test_cancelling_kills_the_child_and_is_reported(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.lease_s, service.cancel = 0.6, True
    measuring(monkeypatch, in_child("hang"))
    service.add()
    with rig(service, tmp_path):
        told = service.wait_for("FailJob")
    assert told.failure.code == "cancelled"


def test_stopping_finishes_the_job_and_takes_no_other(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = threading.Event()

    def measure(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        assert stopped.wait(60)
        return (PROFILE,)

    measuring(monkeypatch, measure)
    service.add()
    with rig(service, tmp_path) as running:
        service.wait_for("ReportProgress")
        service.add()
        running.agent.stop()
        stopped.set()
        running.join()
    assert [request.lease.job_id for request in service.told("CompleteJob")] == ["job1"]
    assert len(service.jobs) == 1


@pytest.mark.parametrize("options", [{"release_on_stop": True}, {"grace_s": 0.1}])
def test_stopping_may_give_the_job_back(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    measuring(monkeypatch, in_child("hang"))
    service.add()
    with rig(service, tmp_path, **options) as running:
        service.wait_for("ReportProgress")
        running.agent.stop()
        running.join()
    assert service.told("ReleaseJob")[0].lease.job_id == "job1"
    assert not service.told("FailJob")


def test_an_idle_agent_stops_at_once(service: ScriptedService, tmp_path: Path) -> None:
    with rig(service, tmp_path) as running:
        service.wait_for("AcquireJob")
        running.agent.stop()
        running.join()
    assert not service.told("ReleaseJob")


def test_an_agent_that_is_not_known_any_more_registers_again(service: ScriptedService, tmp_path: Path) -> None:
    service.troubles["AcquireJob"].append(refuse(grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND"))
    with rig(service, tmp_path):
        assert service.wait_for("AcquireJob", 2).agent_id == "agt2"


def test_it_registers_however_long_the_service_takes(service: ScriptedService, tmp_path: Path) -> None:
    service.troubles["RegisterAgent"].extend([UNAVAILABLE] * 4)
    with rig(service, tmp_path):
        service.wait_for("AcquireJob")
    assert len(service.told("RegisterAgent")) == 5


def test_what_a_job_needs_is_fetched_once_and_verified(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bytes, bytes]] = []

    def measure(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        seen.append((order.artifact.read_bytes(), order.sample_file.read_bytes()))
        return (PROFILE,)

    measuring(monkeypatch, measure)
    rows = b"rows" * 700
    sample = types.DatasetSample(digest=hashlib.sha256(rows).hexdigest(), size_bytes=len(rows), row_count=7)
    service.parts = {agents.FetchForJobRequest.PART_MODEL: DATA, agents.FetchForJobRequest.PART_SAMPLE: rows}
    for _ in range(2):
        service.add(a_model(), sample, variants=ONNXRUNTIME)
    with rig(service, tmp_path):
        service.wait_for("CompleteJob", 2)
    assert seen == [(DATA, rows)] * 2
    assert len(service.told("FetchForJob")) == 2


@pytest.mark.parametrize("after", [1000, 3000, len(DATA)])
def test_a_fetch_goes_on_where_the_service_went_away(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    measuring(monkeypatch, at_once)
    service.parts[agents.FetchForJobRequest.PART_MODEL] = DATA
    service.interrupt_after = after
    service.add(a_model(), variants=ONNXRUNTIME)
    with rig(service, tmp_path):
        service.wait_for("CompleteJob")
    assert len(service.told("FetchForJob")) == 2
    assert (tmp_path / "artifacts" / DIGEST).read_bytes() == DATA


def test_other_bytes_than_registered_fail_the_job_and_are_not_kept(service: ScriptedService, tmp_path: Path) -> None:
    service.parts[agents.FetchForJobRequest.PART_MODEL] = DATA[::-1]
    service.add(a_model(), variants=ONNXRUNTIME)
    with rig(service, tmp_path):
        told = service.wait_for("FailJob")
    assert (told.failure.code, told.retry) == ("digest_mismatch", True)
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_a_sample_that_is_gone_is_no_lost_lease(service: ScriptedService, tmp_path: Path) -> None:
    service.troubles["FetchForJob"].append(refuse(grpc.StatusCode.NOT_FOUND, "SAMPLE_NOT_FOUND", "it has no sample"))
    service.add(None, types.DatasetSample(digest=DIGEST, size_bytes=1))
    with rig(service, tmp_path):
        told = service.wait_for("FailJob")
    assert "it has no sample" in told.failure.message


def test_a_pickle_is_refused_by_name(service: ScriptedService, tmp_path: Path) -> None:
    import pickle

    data = pickle.dumps(list(range(100)))
    service.parts[agents.FetchForJobRequest.PART_MODEL] = data
    service.add(a_model(digest=hashlib.sha256(data).hexdigest(), size_bytes=len(data)), variants=ONNXRUNTIME)
    with rig(service, tmp_path):
        told = service.wait_for("FailJob")
    assert told.failure.code == "refused_format"
    assert "pickle" in told.failure.message


def test_bytes_that_lie_elsewhere_are_named(service: ScriptedService, tmp_path: Path) -> None:
    service.add(a_model(uri="https://example.com/net.onnx"), variants=ONNXRUNTIME)
    with rig(service, tmp_path):
        told = service.wait_for("FailJob")
    assert told.failure.code == "unreachable"
    assert "https://example.com/net.onnx" in told.failure.message


def test_an_external_artifact_without_digest_gets_its_own(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def measure(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        seen.append(order)
        return (PROFILE,)

    measuring(monkeypatch, measure)
    (tmp_path / "trusted").mkdir()
    file = tmp_path / "trusted" / "net.onnx"
    file.write_bytes(DATA)
    service.add(a_model(uri=file.as_uri(), digest="", size_bytes=0), variants=ONNXRUNTIME)
    with rig(service, tmp_path):
        service.wait_for("CompleteJob")
    assert seen[0].artifact == file
    assert seen[0].model.digest == seen[0].cache.name == DIGEST


@pytest.mark.parametrize("artifact", [{"format": "none", "digest": "", "size_bytes": 0}, {"uri": "s3://bucket/net"}])
def test_a_hosted_model_can_be_measured_where_it_runs(
    service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, artifact: dict[str, Any]
) -> None:
    seen: list[Any] = []

    def measure(order: Any, child: Any, report: Any) -> tuple[Profile, ...]:
        seen.append(order)
        return (PROFILE,)

    measuring(monkeypatch, measure)
    remote = [pb.Variant(backend="remote", precision=pb.PRECISION_FP32)]
    service.add(a_model(**artifact), variants=remote, remote_target="grpc://127.0.0.1:1/net")
    service.add(a_model(**artifact), variants=ONNXRUNTIME)
    with rig(service, tmp_path):
        assert service.wait_for("CompleteJob").lease.job_id == "job1"
        assert service.wait_for("FailJob").lease.job_id == "job2"
    assert seen[0].artifact is None
    assert seen[0].model.name == "net"


@pytest.mark.parametrize("host_bytes", [None, 1 << 30])
def test_a_child_gets_no_more_memory_than_the_host_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host_bytes: int | None
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(executing, "run_child", lambda *_, limits, **__: seen.append(limits))
    measuring(monkeypatch, in_child("echo"))
    rig = Rig("127.0.0.1:1", tmp_path)
    service = ScriptedService()
    service.add(memory_limit_bytes=8 << 30)
    assignment = wire.read_assignment(service.jobs[0])
    replace(rig.executor, host_memory_bytes=host_bytes).run(
        assignment, lambda part: [], threading.Event(), lambda progress: None, lambda form, stream: None
    )
    rig.connection.close()
    assert seen[0].memory_bytes == (8 << 30 if host_bytes is None else int(host_bytes * 0.9))


@pytest.mark.parametrize(
    ("argument", "network"),
    [
        ({"variant": {"backend": "remote", "threads": 2}}, True),
        ({"compile": {"variant": {"backend": "remote", "threads": 2}}}, True),
        ({"compile": {"variant": {"backend": "openvino", "threads": 2}}}, False),
        ({"specs_from": {"backend": "remote", "threads": 2}, "files": {"artifact": None, "format": ""}}, True),
        ({"specs_from": {"backend": "remote", "threads": 2}, "files": {"artifact": "/a", "format": "onnx"}}, False),
    ],
)
def test_only_a_child_that_reaches_a_remote_target_has_a_network(argument: dict[str, Any], network: bool) -> None:
    from profiler_agent.isolation import ChildLimits

    limits = executing._for_variant(ChildLimits(workspace=Path(), deadline_s=1), argument)
    assert (limits.network, limits.threads) == (network, 2)


@pytest.mark.slow
def test_a_real_model_is_measured_in_confined_children(service: ScriptedService, tmp_path: Path) -> None:
    data = mlp_onnx()
    digest = hashlib.sha256(data).hexdigest()
    service.parts[agents.FetchForJobRequest.PART_MODEL] = data
    backends = ("onnxruntime", "openvino")
    limits = pb.RunLimits(repeats=1, min_queries=50)
    limits.min_duration.FromMilliseconds(200)
    service.add(
        a_model(digest=digest, size_bytes=len(data)),
        variants=[pb.Variant(backend=name, precision=pb.PRECISION_FP32) for name in backends],
        limits=limits,
    )
    with rig(service, tmp_path):
        told = service.wait_for("CompleteJob", timeout_s=240)
    assert {profile.variant.backend for profile in told.profiles} == set(backends)
    for profile in told.profiles:
        assert {one.name for one in profile.measurements} >= {"p50_ms", "cold_start_ms", "peak_memory_bytes"}
    assert [entry.name for entry in (tmp_path / "compiled").iterdir()] == [digest]


@pytest.mark.slow
def test_a_damaged_model_is_a_compile_failure(service: ScriptedService, tmp_path: Path) -> None:
    data = mlp_onnx()[:-200]
    service.parts[agents.FetchForJobRequest.PART_MODEL] = data
    service.add(a_model(digest=hashlib.sha256(data).hexdigest(), size_bytes=len(data)), variants=ONNXRUNTIME)
    with rig(service, tmp_path):
        assert service.wait_for("FailJob").failure.code == "compile_failed"
