"""Evaluate jobs on a real agent in confined children, against a scripted service over a real socket."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pytest

from msearch.v1 import agent_service_pb2 as agents
from msearch.v1 import profiles_pb2 as pb
from msearch.v1 import types_pb2 as types
from msearch_card import parse_card
from msearch_running import run_model
from msearch_running.noise import NOISE_DRAWS
from profiler_agent import executor as executing
from profiler_agent.errors import Crashed, DeadlineExceeded, WrongInput
from profiler_agent.evaluating.job import Order, evaluate_job
from profiler_agent.work import EvaluateSpec
from tests.integration.test_agent_protocol import Rig
from tests.scripted_agent_service import UNAVAILABLE, ScriptedService, refuse, serving
from tests.small_zoo import make_card, make_table, write_net

CARD = json.dumps(make_card("near"))
SAMPLE = agents.FetchForJobRequest.PART_EVALUATION_SAMPLE
MODEL = agents.FetchForJobRequest.PART_MODEL


def encode(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue().to_pybytes())


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


ROWS = make_table(0.0, 700)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without pauses, and without waiting for what else measures on this machine."""
    monkeypatch.setattr("profiler_agent.connection.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(executing.tempfile, "gettempdir", lambda: str(tmp_path))


@pytest.fixture
def service(tmp_path: Path) -> ScriptedService:
    write_net(tmp_path / "net.onnx", bias=0.5)
    scripted = ScriptedService()
    scripted.parts = {MODEL: (tmp_path / "net.onnx").read_bytes(), SAMPLE: encode(ROWS)}
    return scripted


def submit(service: ScriptedService, card: str = CARD, *, rows: int = ROWS.num_rows, **fields: Any) -> str:
    """An evaluate job for what the service holds."""
    artifact, sample = service.parts[MODEL], service.parts[SAMPLE]
    model = types.Model(
        id="m", name="near", version="1", card_json=card, classes=json.loads(card)["classes"],
        artifact=types.Artifact(format="onnx", digest=digest(artifact), size_bytes=len(artifact)),
    )  # fmt: skip
    values = {"sample_id": "s", "sample_digest": digest(sample), "row_count": rows} | fields
    with_noise = bool(values.pop("with_noise", False))
    spec = {name: values.pop(name) for name in ("deadline", "memory_limit_bytes") if name in values}
    evaluate = pb.EvaluateSpec(with_noise=with_noise, **values)
    return service.add(model, variants=[], loads=[], evaluate=evaluate, **spec)


@contextmanager
def working(service: ScriptedService, folder: Path) -> Iterator[Rig]:
    with serving(service) as address, Rig(address, folder) as running:
        yield running


def read_report(messages: list[Any]) -> tuple[Any, np.ndarray]:
    header = messages[0].header
    data = b"".join(message.chunk for message in messages[1:])
    shape = (header.outputs.row_count, len(header.outputs.classes))
    return header, np.frombuffer(data, "<f4").reshape(shape)


def test_the_outputs_are_those_of_the_model_on_every_row(service: ScriptedService, tmp_path: Path) -> None:
    submit(service, with_noise=True)
    with working(service, tmp_path):
        messages = service.wait_for("CompleteEvaluation")
    header, probabilities = read_report(messages)
    own = run_model(parse_card(make_card("near")), tmp_path / "net.onnx", ROWS, with_noise=True)
    np.testing.assert_allclose(probabilities, own.probabilities, rtol=1e-6)
    assert (header.lease.job_id, header.lease.attempt) == ("job1", 1)
    assert list(header.outputs.classes) == ["cat", "dog"]
    assert (header.outputs.row_count, header.outputs.skipped_count) == (700, 0)
    assert header.versions["onnxruntime"]
    noisy = np.frombuffer(header.outputs.noisy_predictions, "<i2").reshape(len(NOISE_DRAWS), 700)
    assert np.array_equal(noisy, own.noisy_votes)
    stages = {request.progress.stage for request in service.told("ReportProgress")}
    assert stages <= {"fetch", "evaluate"}
    assert stages


def test_rows_that_the_model_cannot_take_are_nan_with_a_reason(service: ScriptedService, tmp_path: Path) -> None:
    columns = [{"name": name} for name in ("height", "weight", "age")]
    card = json.dumps(make_card("near", input={"kind": "tabular", "columns": columns}))
    service.parts[SAMPLE] = encode(pa.table({name: [0.5, None, 1.5] for name in ("height", "weight", "age")}))
    submit(service, card, rows=3)
    with working(service, tmp_path):
        header, probabilities = read_report(service.wait_for("CompleteEvaluation"))
    assert np.isnan(probabilities).all(axis=1).tolist() == [False, True, False]
    assert header.outputs.skipped_count == 1
    assert header.outputs.problem.startswith("row 1: column 'height'")


def test_a_report_is_repeated_whole_until_it_is_heard(service: ScriptedService, tmp_path: Path) -> None:
    service.troubles["CompleteEvaluation"].extend([UNAVAILABLE, UNAVAILABLE, None])
    submit(service)
    with working(service, tmp_path):
        service.wait_for("CompleteEvaluation", 3)
    reports = service.told("CompleteEvaluation")
    assert reports[0] == reports[1] == reports[2]


def test_a_refused_report_fails_the_job(service: ScriptedService, tmp_path: Path) -> None:
    service.troubles["CompleteEvaluation"].append(refuse(grpc.StatusCode.INVALID_ARGUMENT, "X", "no such classes"))
    submit(service)
    with working(service, tmp_path):
        told = service.wait_for("FailJob")
    assert (told.failure.code, told.retry) == ("internal", False)
    assert "no such classes" in told.failure.message


FAILURES: list[tuple[str, str, str]] = [
    ("sample_digest", "digest_mismatch", "the job says 000000000000"),
    ("rows", "wrong_input", "holds 700 rows, the job says 701"),
    ("no_stream", "wrong_input", "no Arrow IPC stream"),
    ("columns", "wrong_input", "there is no column 'height'"),
    ("broken_model", "compile_failed", "no readable ONNX model"),
    ("pickle", "refused_format", "pickle"),
    ("nan_model", "wrong_output", "NaN or infinity"),
    ("deadline", "deadline_exceeded", "longer than the 0.01 s"),
    ("memory", "memory_limit", "MiB are allowed"),
]


@pytest.mark.parametrize(("what", "code", "words"), FAILURES, ids=[case[0] for case in FAILURES])
def test_a_job_that_fails_says_why_and_the_next_one_goes_on(
    what: str, code: str, words: str, service: ScriptedService, tmp_path: Path
) -> None:
    sound = dict(service.parts)
    if what == "sample_digest":
        submit(service, sample_digest="0" * 64)
    elif what == "rows":
        submit(service, rows=701)
    elif what == "no_stream":
        service.parts[SAMPLE] = b"rows"
        submit(service)
    elif what == "columns":
        service.parts[SAMPLE] = encode(pa.table({"z": [1.0]}))
        submit(service, rows=1)
    elif what == "broken_model":
        service.parts[MODEL] = sound[MODEL][:-30]
        submit(service)
    elif what == "pickle":
        service.parts[MODEL] = b"\x80\x04" + sound[MODEL]
        submit(service)
    elif what == "nan_model":
        write_net(tmp_path / "nan.onnx", bias=float("nan"))
        service.parts[MODEL] = (tmp_path / "nan.onnx").read_bytes()
        submit(service)
    elif what == "deadline":
        deadline = pb.JobSpec().deadline
        deadline.FromMilliseconds(10)
        submit(service, deadline=deadline)
    elif what == "memory":
        submit(service, memory_limit_bytes=20 << 20)
    with working(service, tmp_path) as running:
        told = service.wait_for("FailJob")
        assert (told.failure.code, words in told.failure.message) == (code, True), told.failure.message
        service.parts = sound
        submit(service)
        service.wait_for("CompleteEvaluation")
        assert not list(running.executor.work.iterdir())


def test_a_cancelled_job_stops(service: ScriptedService, tmp_path: Path) -> None:
    service.lease_s = 0.6  # renewed after a third of it: that is when the agent hears of it
    service.cancel = True
    service.parts[SAMPLE] = encode(make_table(0.0, 20_000))
    submit(service, rows=20_000, with_noise=True)
    with working(service, tmp_path):
        told = service.wait_for("FailJob")
    assert told.failure.code == "cancelled"
    assert not service.told("CompleteEvaluation")


def test_a_private_sample_stays_in_the_job_s_folder(service: ScriptedService, tmp_path: Path) -> None:
    job = submit(service)
    with working(service, tmp_path) as running:
        service.wait_for("CompleteEvaluation")
        cached = [path.name for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]
        assert not list(running.executor.work.glob(f"{job}*"))
    assert digest(service.parts[SAMPLE]) not in cached


@pytest.mark.parametrize(
    ("answer", "left", "problem"),
    [
        ({"rows": 2, "classes": 2, "draws": 0, "problem": "", "versions": {}}, 15, "left 15 bytes of outputs, not 16"),
        ({"rows": 2, "classes": 3, "draws": 0, "problem": "", "versions": {}}, 24, "3 classes"),
        ({"rows": 2, "classes": 2, "draws": 10**9, "problem": "", "versions": {}}, 16, "1000000000 draws"),
        ({"rows": 2, "classes": 2, "draws": 0, "problem": "", "versions": {}}, None, "left no outputs"),
        ({"rows": "many"}, 16, "no report of outputs"),
        (None, 16, "no report of outputs"),
    ],
)
def test_a_child_that_says_one_thing_and_leaves_another_is_not_believed(
    answer: Any, left: int | None, problem: str, tmp_path: Path
) -> None:
    order = Order(
        card_json=CARD, artifact=tmp_path / "a", sample=tmp_path / "s", probabilities=tmp_path / "p",
        noisy_votes=tmp_path / "n", with_noise=False,
    )  # fmt: skip
    if left is not None:
        order.probabilities.write_bytes(bytes(left))
    spec = EvaluateSpec(sample_id="s", sample_digest="", row_count=2)
    with pytest.raises(Crashed, match=problem):
        evaluate_job(spec, order, ("a", "b"), lambda *_: answer, lambda _: None)
    sound = {"rows": 1, "classes": 2, "draws": 0, "problem": "", "versions": {}}
    with pytest.raises(WrongInput, match="holds 1 rows, the job says 2"):
        evaluate_job(spec, order, ("a", "b"), lambda *_: sound, lambda _: None)


def test_a_child_s_progress_is_only_believed_between_nothing_and_all(tmp_path: Path) -> None:
    told: list[float] = []
    order = Order(
        card_json=CARD, artifact=tmp_path / "a", sample=tmp_path / "s", probabilities=tmp_path / "p",
        noisy_votes=tmp_path / "n", with_noise=False,
    )  # fmt: skip
    order.probabilities.write_bytes(bytes(16))

    def child(task: str, argument: Any, on_message: Any) -> Any:
        for message in ({"share": 0.5}, {"share": 7.0}, {"share": "all"}, [1], {"share": 1.0}):
            on_message(message)
        return {"rows": 2, "classes": 2, "draws": 0, "problem": "", "versions": {}}

    spec = EvaluateSpec(sample_id="s", sample_digest="", row_count=2)
    evaluate_job(spec, order, ("a", "b"), child, lambda progress: told.append(progress.fraction))
    assert told == [0.0, 0.5, 1.0]


def test_an_evaluation_waits_for_a_measurement_and_not_for_another_evaluation(tmp_path: Path) -> None:
    device, never = f"test-{tmp_path.name}", threading.Event()

    def lock(*, shared: bool) -> Any:
        return executing._locked(device, never, time.monotonic() + 0.3, shared=shared)

    with lock(shared=True), lock(shared=True), pytest.raises(DeadlineExceeded, match="busy"):
        lock(shared=False).__enter__()
    with lock(shared=False), pytest.raises(DeadlineExceeded, match="busy"):
        lock(shared=True).__enter__()
