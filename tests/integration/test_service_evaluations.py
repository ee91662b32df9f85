"""Evaluations over a real socket: jobs for agents, their reports, outputs that callers add, validation statistics."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from msearch.v1 import agent_service_pb2 as gpb
from msearch.v1 import evaluation_service_pb2 as epb
from msearch.v1 import profiles_pb2 as ppb
from msearch.v1 import profiling_service_pb2 as jpb
from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import types_pb2
from search_service.domain.ports import Database
from tests.evaluation_at_work import (
    SmallRegistry,
    a_target_table,
    complete,
    fill_registry,
    points_of,
    rows_of,
    some_outputs,
)
from tests.fake_agent import a_spec
from tests.service_in_process import refusal, service_in_process
from tests.small_zoo import make_table

POINTS = epb.PutEvaluationSampleRequest.CONTENT_POINTS
EVALUATION_SAMPLE = gpb.FetchForJobRequest.PART_EVALUATION_SAMPLE
TARGET = rows_of(a_target_table())
LABELS = ["cat", "cat", "dog", "dog", "dog", "cat", "dog", "cat", "dog", "dog"]
LABELLED = make_table(0.0, 10).set_column(3, "label", [LABELS])


@pytest.fixture
def registry(tmp_path: Path, database: Database) -> Iterator[SmallRegistry]:
    """On each kind of database."""
    with service_in_process(tmp_path, database) as running:
        yield fill_registry(running, tmp_path)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallRegistry]:
    """One that no test changes in a way that another sees."""
    folder = tmp_path_factory.mktemp("idle")
    with service_in_process(folder) as running:
        yield fill_registry(running, folder)


def job_of(registry: SmallRegistry, job_id: str) -> ppb.Job:
    job: ppb.Job = registry.running.profiling.GetJob(jpb.GetJobRequest(job_id=job_id)).job
    return job


def sure_outputs(*wrong: int) -> np.ndarray:
    """Outputs that are right on LABELS but for the rows `wrong`. [10, 2]"""
    votes = np.array([label == "dog" for label in LABELS])
    votes[list(wrong)] ^= True
    return np.where(votes[:, None], [0.1, 0.9], [0.8, 0.2]).astype(np.float32)


def test_an_agent_runs_a_model_on_a_target(registry: SmallRegistry) -> None:
    agent = registry.agent()
    sample = registry.put_sample(TARGET).sample
    submitted = registry.evaluate(sample.id, "near", with_noise=True)
    assert [job.model_name for job in submitted.jobs] == ["near@1"]
    acquired = agent.acquire()
    spec = acquired.job.spec
    assert (list(spec.variants), list(spec.loads)) == ([], [])
    assert spec.evaluate == ppb.EvaluateSpec(
        sample_id=sample.id, sample_digest=sample.digest, row_count=60, with_noise=True, format="onnx"
    )
    assert acquired.model.card_json
    assert b"".join(agent.fetch(acquired.lease, EVALUATION_SAMPLE)) == TARGET
    outputs = some_outputs(60)
    outputs[7] = np.nan
    noisy = np.zeros((4, 60), "<i2")
    done = complete(agent, acquired.lease, outputs, noisy_predictions=noisy.tobytes(), problem="row 7: no number")
    assert (done.state, done.id) == (ppb.JOB_STATE_SUCCEEDED, acquired.job.id)
    (found,) = registry.evaluations()
    assert (found.model_name, found.sample_id, found.row_count, found.job_id) == ("near@1", sample.id, 59, done.id)
    assert not found.HasField("accuracy")
    again = registry.evaluate(sample.id, "near", with_noise=True)
    assert (list(again.jobs), list(again.stored_model_ids)) == ([], [registry.models["near"].id])


def test_a_report_is_taken_once(registry: SmallRegistry) -> None:
    agent = registry.agent()
    sample = registry.put_sample(TARGET).sample
    registry.evaluate(sample.id, "near")
    lease = agent.acquire().lease
    done = complete(agent, lease, some_outputs(60, 1))
    assert complete(agent, lease, some_outputs(60, 2)) == done, "repeating it changes nothing"
    lost = gpb.Lease(job_id=lease.job_id, attempt=lease.attempt, fencing_token=lease.fencing_token + 1)
    assert refusal(lambda: complete(agent, lost, some_outputs(60))).reason == "LEASE_LOST"
    assert len(registry.evaluations()) == 1


def test_a_lost_lease_stores_nothing(registry: SmallRegistry) -> None:
    agent = registry.agent()
    sample = registry.put_sample(TARGET).sample
    registry.evaluate(sample.id, "near")
    acquired = agent.acquire()
    agent.release(acquired.lease)
    assert refusal(lambda: complete(agent, acquired.lease, some_outputs(60))).reason == "LEASE_LOST"
    assert registry.evaluations() == []
    assert job_of(registry, acquired.job.id).state == ppb.JOB_STATE_PENDING


def test_an_agent_that_does_not_evaluate_never_gets_such_a_job(registry: SmallRegistry) -> None:
    old = registry.agent("old", evaluates=[])
    other = registry.agent("other", evaluates=["torch_export"])
    sample = registry.put_sample(TARGET).sample
    found = refusal(lambda: registry.evaluate(sample.id))
    assert (found.code, found.reason) == ("FAILED_PRECONDITION", "NO_CAPABLE_AGENT")
    assert "evaluate onnx" in found.message
    assert len(registry.evaluate(sample.id, allow_waiting=True).jobs) == 3
    assert not old.acquire().HasField("lease")
    assert not other.acquire().HasField("lease")
    assert registry.agent("new").acquire().HasField("lease")


def test_a_job_that_runs_already_is_not_submitted_again(registry: SmallRegistry) -> None:
    registry.agent()
    sample = registry.put_sample(TARGET).sample
    first = registry.evaluate(sample.id)
    second = registry.evaluate(sample.id)
    assert {job.id for job in first.jobs} == {job.id for job in second.jobs}
    noisy = registry.evaluate(sample.id, "near", with_noise=True)
    assert noisy.jobs[0].id not in {job.id for job in first.jobs}


def test_one_bad_model_does_not_fail_the_rest(registry: SmallRegistry) -> None:
    registry.agent()
    sample = registry.put_sample(TARGET).sample
    submitted = registry.evaluate(sample.id, "near", "no such model")
    assert [job.model_name for job in submitted.jobs] == ["near@1"]
    assert [(one.model_id, one.code) for one in submitted.refused] == [("no such model", "model_not_found")]


def test_points_alone_cannot_be_run_on(idle: SmallRegistry) -> None:
    sample = idle.put_sample(points_of(a_target_table(), idle.space), content=POINTS).sample
    found = refusal(lambda: idle.evaluate(sample.id))
    assert (found.code, found.reason) == ("FAILED_PRECONDITION", "ROWS_NOT_STORED")
    assert idle.add_outputs("near", sample.id, some_outputs(60)).row_count == 60, "but outputs can be added"


def test_the_same_bytes_of_another_sample_are_not_run_again(registry: SmallRegistry) -> None:
    agent = registry.agent()
    first = registry.put_sample(TARGET).sample
    registry.evaluate(first.id, "near")
    complete(agent, agent.acquire().lease, some_outputs(60))
    with registry.running.database.begin() as unit:
        held = unit.evaluation_samples.get(first.id)
        unit.evaluation_samples.add(replace(held, id="other", token_id=""))
        unit.commit()
    answer = registry.evaluate("other", "near")
    assert list(answer.stored_model_ids) == [registry.models["near"].id]
    assert {one.sample_id for one in registry.evaluations()} == {first.id, "other"}


def test_a_validation_sample_measures_its_own_models(registry: SmallRegistry) -> None:
    agent = registry.agent()
    assert not registry.model("near").HasField("validation")
    sample = registry.put_validation_sample(rows_of(LABELLED))
    registry.evaluate(sample.id, "near", "mid")
    for _ in range(2):
        acquired = agent.acquire()
        complete(agent, acquired.lease, sure_outputs(0, 2, 4))
    near, mid = registry.model("near"), registry.model("mid")
    assert not mid.HasField("validation"), "another dataset's sample says nothing of its own validation"
    found = near.validation
    assert (found.accuracy, found.row_count, found.measured_by) == (0.7, 10, "agent")
    assert found.sample_digest == sample.digest
    assert list(found.class_prior) == [0.4, 0.6]
    assert sum(found.confidence_counts) == 10
    assert near.revision == registry.models["near"].revision + 1
    assert near.metrics == registry.models["near"].metrics, "what its owner claims stays a claim"
    evaluations = registry.evaluations(sample_id=sample.id)
    assert {one.model_name for one in evaluations} == {"near@1", "mid@1"}
    for one in evaluations:
        assert one.accuracy == 0.7
        assert one.low == pytest.approx(0.39677, abs=1e-4)
        assert one.high == pytest.approx(0.89222, abs=1e-4)


def test_evaluating_again_makes_a_sample_the_validation_again(registry: SmallRegistry) -> None:
    """The outputs are there: nothing is run twice, and what was measured in between gives way."""
    agent = registry.agent()
    samples = [registry.put_validation_sample(rows_of(LABELLED, batch=rows)) for rows in (5, 10)]
    for sample, wrong in zip(samples, ((0, 2, 4), (1,)), strict=True):
        registry.evaluate(sample.id, "near", "mid")
        for _ in range(2):
            complete(agent, agent.acquire().lease, sure_outputs(*wrong))
    assert registry.model("near").validation.sample_digest == samples[1].digest
    for told in (None, statistics(sample_digest=samples[0].digest)):
        if told is not None:
            put_validation(registry, told)
        again = registry.evaluate(samples[0].id, "near", "mid")
        assert (len(again.jobs), len(again.stored_model_ids)) == (0, 2)
        found = registry.model("near")
        assert (found.validation.accuracy, found.validation.measured_by) == (0.7, "agent")
        assert found.validation.sample_digest == samples[0].digest
        registry.evaluate(samples[0].id, "near")
        assert registry.model("near").revision == found.revision, "it stands already"
    assert not registry.model("mid").HasField("validation")


def test_added_outputs_count_like_an_agents(registry: SmallRegistry) -> None:
    sample = registry.put_validation_sample(rows_of(LABELLED))
    flipped = np.ascontiguousarray(sure_outputs(3)[:, ::-1])
    found = registry.add_outputs("near", sample.id, flipped, ["dog", "cat"])
    assert (found.accuracy, found.job_id) == (0.9, "")
    assert registry.model("near").validation.measured_by == "outputs"
    again = registry.add_outputs("near", sample.id, sure_outputs())
    assert again.accuracy == 1.0
    assert len(registry.evaluations()) == 1
    assert registry.model("near").validation.accuracy == 1.0


def test_integer_labels_are_positions_of_classes(registry: SmallRegistry) -> None:
    numbers = [0 if label == "cat" else 1 for label in LABELS]
    sample = registry.put_validation_sample(rows_of(LABELLED.set_column(3, "label", [numbers])))
    assert list(sample.classes) == ["0", "1"]
    assert registry.add_outputs("near", sample.id, sure_outputs(1)).accuracy == 0.9


def test_label_spaces_that_overlap_in_part_count_the_rest_as_wrong(registry: SmallRegistry) -> None:
    labels = ["cow", "cow", *LABELS[2:]]
    sample = registry.put_validation_sample(rows_of(LABELLED.set_column(3, "label", [labels])))
    assert registry.add_outputs("near", sample.id, sure_outputs()).accuracy == 0.8
    assert registry.model("near").validation.accuracy == 0.8


def test_disjoint_label_spaces_are_refused(registry: SmallRegistry) -> None:
    registry.agent()
    labels = ["cow" if label == "cat" else "horse" for label in LABELS]
    sample = registry.put_validation_sample(rows_of(LABELLED.set_column(3, "label", [labels])))
    found = refusal(lambda: registry.add_outputs("near", sample.id, sure_outputs()))
    assert (found.code, found.reason) == ("FAILED_PRECONDITION", "DISJOINT_CLASSES")
    assert "cow, horse and cat, dog" in found.message
    (one,) = registry.evaluate(sample.id, "near").refused
    assert (one.code, one.message) == ("disjoint_classes", found.message)


BAD_ROWS = {
    "hold NaN or infinity beside numbers": [0.5, np.nan],
    "are not within 0 and 1": [3.0, -2.0],
    "do not sum to 1": [0.2, 0.2],
}


@pytest.mark.parametrize("words", BAD_ROWS)
def test_outputs_are_checked_row_by_row(idle: SmallRegistry, words: str) -> None:
    sample = idle.put_sample(TARGET).sample
    outputs = some_outputs(60)
    outputs[13] = BAD_ROWS[words]
    before = len(idle.evaluations(sample_id=sample.id))
    found = refusal(lambda: idle.add_outputs("far", sample.id, outputs))
    assert (found.reason, words in found.message, "row 13" in found.message) == ("INVALID_DATA", True, True)
    assert len(idle.evaluations(sample_id=sample.id)) == before


def test_outputs_of_another_shape_are_refused(idle: SmallRegistry) -> None:
    sample = idle.put_sample(TARGET).sample
    for rows, classes, columns, words in (
        (59, (), 2, "60 rows"),
        (60, (), 3, "float32 are"),
        (60, ("cat",), 1, "2 classes of the model"),
        (60, ("cat", "cat"), 2, "stands twice"),
        (60, ("cat", "cow"), 2, "2 classes of the model"),
    ):
        outputs = some_outputs(rows, classes=columns) if columns > 1 else np.ones((rows, 1), np.float32)
        found = refusal(lambda o=outputs, c=classes: idle.add_outputs("mid", sample.id, o, c))
        assert (found.code, words in found.message) == ("INVALID_ARGUMENT", True), found.message


def test_noise_must_be_votes(registry: SmallRegistry) -> None:
    agent = registry.agent()
    sample = registry.put_sample(TARGET).sample
    registry.evaluate(sample.id, "near", with_noise=True)
    lease = agent.acquire().lease
    for noisy in (b"x" * 7, np.full(60, 2, "<i2").tobytes(), b"\0" * (3 << 20)):
        found = refusal(lambda n=noisy: complete(agent, lease, some_outputs(60), noisy_predictions=n))
        assert (found.code, list(found.fields)) == ("INVALID_ARGUMENT", ["outputs.noisy_predictions"])
    assert complete(agent, lease, some_outputs(60), noisy_predictions=b"").state == ppb.JOB_STATE_SUCCEEDED


def test_each_job_is_reported_in_its_own_way(registry: SmallRegistry) -> None:
    agent = registry.agent()
    sample = registry.put_sample(TARGET).sample
    registry.evaluate(sample.id, "near")
    lease = agent.acquire().lease
    assert "CompleteEvaluation" in refusal(lambda: agent.complete(lease)).message
    registry.running.profiling.SubmitJob(jpb.SubmitJobRequest(spec=a_spec()))
    measuring = agent.acquire().lease
    assert "CompleteJob" in refusal(lambda: complete(agent, measuring, some_outputs(60))).message
    assert "no evaluation sample" in refusal(lambda: agent.fetch(measuring, EVALUATION_SAMPLE)).message


def test_submitting_an_evaluate_job_by_hand_is_refused(idle: SmallRegistry) -> None:
    spec = ppb.JobSpec(model_id=idle.models["near"].id, evaluate=ppb.EvaluateSpec(sample_id="x", row_count=1))
    found = refusal(lambda: idle.running.profiling.SubmitJob(jpb.SubmitJobRequest(spec=spec)))
    assert "EvaluateModels" in found.message


def test_a_job_whose_sample_has_gone_says_so(registry: SmallRegistry) -> None:
    agent = registry.agent()
    sample = registry.put_sample(TARGET, keep=Duration(seconds=60)).sample
    registry.evaluate(sample.id, "near")
    lease = agent.acquire().lease
    registry.stub.DeleteEvaluationSample(epb.DeleteEvaluationSampleRequest(sample_id=sample.id))
    for call in (
        lambda: agent.fetch(lease, EVALUATION_SAMPLE),
        lambda: complete(agent, lease, some_outputs(60)),
    ):
        assert refusal(call).reason == "EVALUATION_SAMPLE_NOT_FOUND"


def test_jobs_on_a_deleted_sample_are_cancelled(registry: SmallRegistry) -> None:
    agent = registry.agent()
    sample, other = (registry.put_sample(rows_of(a_target_table(rows))).sample for rows in (40, 50))
    submitted = registry.evaluate(sample.id).jobs
    kept = registry.evaluate(other.id, "near").jobs[0]
    acquired = agent.acquire()
    registry.stub.DeleteEvaluationSample(epb.DeleteEvaluationSampleRequest(sample_id=sample.id))
    for job in submitted:
        found = job_of(registry, job.id)
        if job.id == acquired.job.id:
            assert found.cancel_requested
        else:
            assert found.state == ppb.JOB_STATE_CANCELLED
    assert job_of(registry, kept.id).state == ppb.JOB_STATE_PENDING


def statistics(**fields: Any) -> types_pb2.Validation:
    values = {
        "accuracy": 0.9, "row_count": 200, "temperature": 1.5, "mean_confidence": 0.85, "atc_threshold": -0.3,
        "confidence_counts": [0, 200], "confidence_correct": [0, 180], "class_prior": [0.5, 0.5],
    }  # fmt: skip
    return types_pb2.Validation(**(values | fields))


def put_validation(registry: SmallRegistry, validation: types_pb2.Validation, name: str = "near") -> Any:
    request = epb.PutValidationRequest(model=rpb.ModelReference(name=name), validation=validation)
    return registry.stub.PutValidation(request).validation


def test_a_client_may_tell_validation_statistics(registry: SmallRegistry) -> None:
    stored = put_validation(registry, statistics(measured_by="agent", sample_digest="AB" * 32))
    assert (stored.measured_by, stored.sample_digest) == ("client", "ab" * 32), "what a client says is marked so"
    assert registry.model("near").validation == stored
    listed = registry.running.registry.ListModels(rpb.ListModelsRequest()).models
    assert [model.validation for model in listed if model.name == "near"] == [stored]
    assert put_validation(registry, statistics(class_prior=[])).accuracy == 0.9


@pytest.mark.parametrize(
    "fields",
    [
        {"accuracy": 1.1},
        {"accuracy": float("nan")},
        {"row_count": 0},
        {"temperature": 0.0},
        {"mean_confidence": -0.1},
        {"atc_threshold": float("inf")},
        {"confidence_counts": [1]},
        {"confidence_correct": [0, 201]},
        {"class_prior": [1.0]},
        {"class_prior": [0.9, 0.9]},
        {"sample_digest": "xyz"},
    ],
)
def test_impossible_statistics_are_refused(idle: SmallRegistry, fields: dict[str, Any]) -> None:
    found = refusal(lambda: put_validation(idle, statistics(**fields)))
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert not idle.model("near").HasField("validation")


def test_reports_on_one_model_at_once_are_all_kept(registry: SmallRegistry) -> None:
    samples = [registry.put_validation_sample(rows_of(LABELLED, batch=rows)) for rows in (1, 2, 3, 4)]
    assert len({sample.id for sample in samples}) == 4, "cut otherwise, they are other bytes"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda sample: registry.add_outputs("near", sample.id, sure_outputs(1)), samples))
    assert len(registry.evaluations()) == 4
    assert registry.model("near").revision == registry.models["near"].revision + 4
    assert registry.model("near").validation.accuracy == 0.9


def test_outputs_are_read_back_as_they_were_stored(registry: SmallRegistry) -> None:
    sample = registry.put_sample(TARGET).sample
    outputs = some_outputs(60)
    outputs[7] = np.nan
    registry.add_outputs("near", sample.id, outputs[:, ::-1], classes=("dog", "cat"))
    header, found = registry.download_outputs("near", sample.id)
    assert (list(header.classes), header.row_count, header.problem) == (["cat", "dog"], 60, "")
    np.testing.assert_array_equal(found, outputs)
    agent = registry.agent()
    registry.evaluate(sample.id, "mid")
    complete(agent, agent.acquire().lease, outputs, skipped_count=1, problem="row 7 has no height")
    header, found = registry.download_outputs("mid", sample.id)
    assert header.problem == "row 7 has no height"
    np.testing.assert_array_equal(found, outputs)


def test_outputs_that_are_not_there_are_told_apart(idle: SmallRegistry) -> None:
    sample = idle.put_sample(TARGET).sample
    found = refusal(lambda: idle.download_outputs("far", sample.id))
    assert (found.code, found.reason) == ("NOT_FOUND", "OUTPUTS_NOT_FOUND")
    assert "far@1 has no outputs on the sample" in found.message
    assert refusal(lambda: idle.download_outputs("mdl_none", sample.id)).reason == "MODEL_NOT_FOUND"
    assert refusal(lambda: idle.download_outputs("far", "smp_none")).reason == "EVALUATION_SAMPLE_NOT_FOUND"
