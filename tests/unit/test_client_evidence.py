"""What the client sends and understands of evaluations, and the files it keeps for them."""

from __future__ import annotations

import hashlib
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import typer

from msearch.v1 import evaluation_service_pb2 as pb
from msearch.v1 import types_pb2
from msearch_client import Artifact, Filter, InternalError, LocalError, Modality, SampleKind, Validation
from msearch_client._artifact_cache import cache_path, find_artifact
from msearch_client._sample_bytes import encode_points, encode_sample, read_rows
from msearch_client._sample_calls import parse_kind
from msearch_client._wire import evidence as wire
from msearch_client._wire.evaluations import validation_from_proto
from msearch_client._wire.times import time_to_proto
from msearch_client.cli.times import describe_time, parse_time
from msearch_sketch import default_space, open_dataset, project

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)


def test_a_sample_is_read_whole() -> None:
    message = pb.EvaluationSample(
        id="smp_1", kind=pb.SAMPLE_KIND_VALIDATION, dataset_id="dst_1", digest="ab", size_bytes=7, row_count=3,
        has_rows=True, label_column="label", classes=["cat", "dog"], space_digest="cd", create_time=time_to_proto(NOW),
    )  # fmt: skip
    found = wire.sample_from_proto(message)
    assert found.to_dict() == {
        "id": "smp_1", "kind": "validation", "dataset_id": "dst_1", "digest": "ab", "size_bytes": 7, "row_count": 3,
        "has_rows": True, "label_column": "label", "classes": ["cat", "dog"], "space_digest": "cd",
        "created_at": NOW.isoformat(), "expires_at": None,
    }  # fmt: skip
    message.expire_time.CopyFrom(time_to_proto(NOW + timedelta(days=1)))
    assert wire.sample_from_proto(message).expires_at == NOW + timedelta(days=1)
    message.kind = 9  # type: ignore[assignment]  # of a later version
    with pytest.raises(InternalError, match="sample kind 9"):
        wire.sample_from_proto(message)


def test_an_evaluation_without_labels_has_no_accuracy() -> None:
    message = pb.Evaluation(
        model_id="m", model_name="net@1", sample_id="s", row_count=3, create_time=time_to_proto(NOW)
    )
    assert wire.evaluation_from_proto(message).accuracy is None
    message.accuracy, message.low, message.high = 0.0, 0.0, 0.5
    found = wire.evaluation_from_proto(message)
    assert (found.accuracy, found.low, found.high) == (0.0, 0.0, 0.5)


def test_a_plan_is_read_whole() -> None:
    item = pb.PlannedEvaluation(model_id="m", model_name="net@1", sample_id="s", dataset_id="d", value=0.5, job_id="j")
    item.estimate.FromMilliseconds(2500)
    found = wire.calibration_from_proto(pb.CalibrateResponse(planned=[item], left_out_count=4, notices=["few"]))
    assert (found.left_out, found.notices) == (4, ("few",))
    assert found.planned[0].to_dict() == {
        "model_id": "m", "model_name": "net@1", "sample_id": "s", "dataset_id": "d", "value": 0.5, "estimate_s": 2.5,
        "job_id": "j",
    }  # fmt: skip


def test_requests_carry_what_was_asked() -> None:
    request = wire.calibrate(90.0, Filter(tags=("a",)), dry_run=True, allow_waiting=True, request_id="r")
    assert (request.budget.seconds, list(request.filter.tags)) == (90, ["a"])
    assert (request.dry_run, request.allow_waiting, request.request_id) == (True, True, "r")
    header = wire.sample_header(
        kind=SampleKind.TARGET, dataset=None, digest="ab", size_bytes=7, points=True, label_column="",
        modality=Modality.TEXT, column="review", keep_s=60.0,
    ).header  # fmt: skip
    assert (header.kind, header.content) == (pb.SAMPLE_KIND_TARGET, pb.PutEvaluationSampleRequest.CONTENT_POINTS)
    assert (header.modality, header.column, header.keep.seconds) == (types_pb2.MODALITY_TEXT, "review", 60)
    assert not header.HasField("dataset")
    evaluate = wire.evaluate_models("s", ["a", "b"], host_class="xeon", allow_waiting=True, with_noise=True)
    assert (list(evaluate.model_ids), evaluate.host_class, evaluate.with_noise) == (["a", "b"], "xeon", True)


def test_validation_survives_the_way_there_and_back() -> None:
    validation = Validation(
        accuracy=0.9, row_count=10, temperature=1.5, mean_confidence=0.8, atc_threshold=-0.3,
        confidence_counts=(1, 9), confidence_correct=(0, 9), class_prior=(0.4, 0.6), measured_by="client",
        sample_digest="ab", created_at=NOW,
    )  # fmt: skip
    message = wire.put_validation(wire.ModelReference(id="m"), validation).validation
    message.create_time.CopyFrom(time_to_proto(NOW))
    assert validation_from_proto(message) == validation


def test_a_predictor_that_was_never_fitted_has_no_time() -> None:
    found = wire.predictor_from_proto(pb.PredictorInfo(version="default", evidence_count=7), "too little")
    assert (found.version, found.fitted_at, found.notice) == ("default", None, "too little")


def test_only_the_data_and_the_labels_are_sent() -> None:
    table = pa.table({"text": ["a b", "c d", "e"], "label": ["x", "y", "x"], "secret": [1, 2, 3]})
    dataset = open_dataset(table, column="text", labels="label")
    assert read_rows(dataset, labels=False).column_names == ["text"]
    rows = read_rows(dataset, labels=True)
    assert rows.column_names == ["text", "label"]
    sample = encode_sample(dataset, rows)
    assert sample.digest == hashlib.sha256(sample.data).hexdigest()
    assert b"".join(sample.chunks()) == sample.data
    assert pa.ipc.open_stream(sample.data).read_all().column("label").to_pylist() == ["x", "y", "x"]


def test_points_stand_for_rows_and_are_missing_where_a_row_cannot_be_read() -> None:
    vectors = pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float64(), 2))
    dataset = open_dataset(pa.table({"v": vectors}))
    space = default_space(dataset)
    table = pa.ipc.open_stream(encode_points(dataset, space).data).read_all()
    assert table.schema.metadata[b"msearch.space_digest"] == space.digest.encode()
    points = table.column("point").to_pylist()
    assert points[1] is None
    assert np.array_equal([points[0], points[2]], project(dataset, space).ticks)


def test_a_sample_has_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(pa.table({"text": ["some words"] * 50}))
    monkeypatch.setattr("msearch_client._sample_bytes.MOST_ROWS", 49)
    with pytest.raises(LocalError, match="more than the 49 rows"):
        read_rows(dataset, labels=False)
    monkeypatch.setattr("msearch_client._sample_bytes.MOST_ROWS", 50)
    monkeypatch.setattr("msearch_client._sample_bytes.LARGEST_BYTES", 100)
    with pytest.raises(LocalError, match="over the 64 MiB of a sample"):
        encode_sample(dataset, read_rows(dataset, labels=False))


def test_kinds_are_read_from_texts() -> None:
    assert parse_kind("Target") is SampleKind.TARGET
    with pytest.raises(LocalError, match="sample kind 'both' is unknown"):
        parse_kind("both")


class Downloads:
    """Writes what was asked for, and counts how often."""

    def __init__(self, data: bytes) -> None:
        self.data, self.count = data, 0
        self.artifact = Artifact(format="onnx", digest=hashlib.sha256(data).hexdigest(), size_bytes=len(data))

    def __call__(self, path: Path) -> None:
        self.count += 1
        path.write_bytes(self.data)


def test_an_artifact_is_downloaded_once(tmp_path: Path) -> None:
    wanted = Downloads(b"weights")
    first = find_artifact(wanted.artifact, wanted, folder=tmp_path / "new")
    assert first.read_bytes() == b"weights"
    assert find_artifact(wanted.artifact, wanted, folder=tmp_path / "new") == first
    assert wanted.count == 1
    first.write_bytes(b"damaged")
    assert find_artifact(wanted.artifact, wanted, folder=tmp_path / "new").read_bytes() == b"weights"
    assert wanted.count == 2


def test_what_was_not_used_for_longest_goes_first_and_what_is_fresh_stays(tmp_path: Path) -> None:
    for name, hours in (("old", 5), ("older", 9), ("fresh", 0)):
        (tmp_path / name).write_bytes(bytes(40))
        os.utime(tmp_path / name, (time.time() - hours * 3600,) * 2)
    wanted = Downloads(bytes(40))
    find_artifact(wanted.artifact, wanted, folder=tmp_path, largest_bytes=130)
    assert {path.name for path in tmp_path.iterdir()} == {"old", "fresh", wanted.artifact.digest}
    another = Downloads(b"x" * 100)
    find_artifact(another.artifact, another, folder=tmp_path, largest_bytes=110)
    assert "fresh" in {path.name for path in tmp_path.iterdir()}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    wanted = Downloads(b"weights")
    with pytest.raises(LocalError, match=r"the folder for artifacts, .*file.*, cannot be used") as caught:
        find_artifact(wanted.artifact, wanted, folder=tmp_path / "file")
    assert "MSEARCH_ARTIFACTS" in caught.value.hint


def test_the_folder_for_artifacts_is_where_caches_belong() -> None:
    assert cache_path({"MSEARCH_ARTIFACTS": "/a/b"}) == Path("/a/b")
    if os.name == "posix":
        assert cache_path({"XDG_CACHE_HOME": "/c"}).parts[-2:] == ("msearch", "artifacts")


@pytest.mark.parametrize(
    ("text", "seconds", "words"),
    [
        ("2s", 2, "2.0 seconds"),
        ("90s", 90, "90 seconds"),
        ("30m", 1800, "30 minutes"),
        ("1h", 3600, "1 hour"),
        ("24h", 86400, "1 day"),
        ("36h", 129600, "36 hours"),
        ("2w", 1209600, "14 days"),
    ],
)
def test_times_are_read_and_said(text: str, seconds: int, words: str) -> None:
    time = parse_time(text, "--keep")
    assert time.total_seconds() == seconds
    assert describe_time(time) == words


@pytest.mark.parametrize("text", ["", "30", "m", "0m", "1.5h", "-2h", "1y"])
def test_other_times_are_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="--keep must be a whole number above 0 with s, m, h, d or w"):
        parse_time(text, "--keep")
