"""Evaluation samples over a real socket: stored, shown to those who may see them, deleted, expired, refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf.duration_pb2 import Duration

from msearch.v1 import evaluation_service_pb2 as epb
from msearch.v1 import registry_service_pb2 as rpb
from msearch_sketch.datasets import open_dataset
from msearch_sketch.signature import Signature
from msearch_sketch.sketching import default_space, sketch
from search_service.domain.ports import Database
from search_service.usecases.evaluation_samples import sweep_samples
from tests.evaluation_at_work import (
    SmallRegistry,
    a_target_table,
    fill_registry,
    points_of,
    rows_of,
    sample_messages,
    some_outputs,
)
from tests.service_in_process import refusal, service_in_process
from tests.small_zoo import make_table

ROWS, POINTS = epb.PutEvaluationSampleRequest.CONTENT_ROWS, epb.PutEvaluationSampleRequest.CONTENT_POINTS
VALIDATION = epb.SAMPLE_KIND_VALIDATION


@pytest.fixture
def registry(tmp_path: Path, database: Database) -> Iterator[SmallRegistry]:
    """On each kind of database."""
    with service_in_process(tmp_path, database) as running:
        yield fill_registry(running, tmp_path)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallRegistry]:
    """One that no test changes."""
    folder = tmp_path_factory.mktemp("idle")
    with service_in_process(folder) as running:
        yield fill_registry(running, folder)


def test_rows_are_stored_and_sketched_as_a_search_would(registry: SmallRegistry) -> None:
    table = a_target_table()
    data = rows_of(table)
    answer = registry.put_sample(data)
    sample = answer.sample
    assert (sample.kind, sample.has_rows, sample.row_count) == (epb.SAMPLE_KIND_TARGET, True, 60)
    assert (sample.digest, sample.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (sample.space_digest, sample.label_column, list(sample.classes)) == (registry.space.digest, "", [])
    day = sample.expire_time.ToDatetime() - sample.create_time.ToDatetime()
    assert day.total_seconds() == 86_400
    expected = sketch(open_dataset(table), registry.space).signature
    assert Signature.from_bytes(answer.signature.data).encoded == expected.encoded
    assert registry.stub.GetEvaluationSample(epb.GetEvaluationSampleRequest(sample_id=sample.id)).sample == sample


def test_points_are_stored_without_rows(registry: SmallRegistry) -> None:
    table = a_target_table()
    answer = registry.put_sample(points_of(table, registry.space), content=POINTS)
    assert (answer.sample.has_rows, answer.sample.row_count) == (False, 60)
    seen = pa.concat_tables([table.slice(0, 1), table.slice(2)])
    expected = sketch(open_dataset(seen), registry.space).signature
    assert Signature.from_bytes(answer.signature.data).encoded == expected.encoded, "the missing point is left out"


def test_the_same_bytes_are_the_same_sample(registry: SmallRegistry) -> None:
    data = rows_of(a_target_table())
    first = registry.put_sample(data)
    longer = registry.put_sample(data, keep=Duration(seconds=2 * 86_400))
    assert longer.sample.id == first.sample.id
    assert longer.signature == first.signature
    kept = longer.sample.expire_time.ToDatetime() - first.sample.expire_time.ToDatetime()
    assert kept.total_seconds() > 80_000
    shorter = registry.put_sample(data, keep=Duration(seconds=60))
    assert shorter.sample.expire_time == longer.sample.expire_time
    labelled = rows_of(make_table(0.0))
    validation = registry.put_validation_sample(labelled)
    assert validation.id == registry.put_validation_sample(labelled).id
    assert validation.id != registry.put_validation_sample(labelled, "mid").id
    assert registry.stub.ListEvaluationSamples(epb.ListEvaluationSamplesRequest()).total_size == 3


def test_a_validation_sample_has_classes_and_never_expires(registry: SmallRegistry) -> None:
    sample = registry.put_validation_sample(rows_of(make_table(0.0)))
    assert (sample.kind, sample.dataset_id) == (VALIDATION, registry.dataset_of("near"))
    assert (sample.label_column, list(sample.classes)) == ("label", ["cat", "dog"])
    assert not sample.HasField("expire_time")
    listed = registry.stub.ListEvaluationSamples(
        epb.ListEvaluationSamplesRequest(kind=VALIDATION, dataset_id=sample.dataset_id)
    )
    assert list(listed.samples) == [sample]


def test_lists_come_in_pages(registry: SmallRegistry) -> None:
    made = [registry.put_sample(rows_of(a_target_table(20 + n))).sample.id for n in range(5)]
    found, token = [], ""
    while True:
        request = epb.ListEvaluationSamplesRequest(page_size=2, page_token=token)
        page = registry.stub.ListEvaluationSamples(request)
        found += [sample.id for sample in page.samples]
        assert page.total_size == 5
        token = page.next_page_token
        if not token:
            break
    assert found == made[::-1]


def test_deleting_a_sample_leaves_nothing(registry: SmallRegistry, tmp_path: Path) -> None:
    before = blobs(tmp_path)
    sample = registry.put_sample(rows_of(a_target_table())).sample
    registry.add_outputs("near", sample.id, some_outputs(60))
    assert len(blobs(tmp_path) - before) == 3, "rows, points and outputs"
    registry.stub.DeleteEvaluationSample(epb.DeleteEvaluationSampleRequest(sample_id=sample.id))
    assert blobs(tmp_path) == before
    assert registry.evaluations() == []
    again = refusal(
        lambda: registry.stub.DeleteEvaluationSample(epb.DeleteEvaluationSampleRequest(sample_id=sample.id))
    )
    assert (again.code, again.reason) == ("NOT_FOUND", "EVALUATION_SAMPLE_NOT_FOUND")


def test_a_sample_goes_with_its_dataset(registry: SmallRegistry) -> None:
    registry.put_validation_sample(rows_of(make_table(0.0)))
    calls = registry.running.registry
    calls.DeleteModel(rpb.DeleteModelRequest(model=rpb.ModelReference(id=registry.models["near"].id)))
    calls.DeleteDataset(rpb.DeleteDatasetRequest(dataset=rpb.DatasetReference(id=registry.dataset_of("near"))))
    assert registry.stub.ListEvaluationSamples(epb.ListEvaluationSamplesRequest()).total_size == 0


def test_what_has_expired_is_gone_at_once_and_swept_later(registry: SmallRegistry, tmp_path: Path) -> None:
    before = blobs(tmp_path)
    sample = registry.put_sample(rows_of(a_target_table()), keep=Duration(nanos=1)).sample
    registry.put_sample(rows_of(a_target_table(30)))
    gone = refusal(lambda: registry.stub.GetEvaluationSample(epb.GetEvaluationSampleRequest(sample_id=sample.id)))
    assert gone.reason == "EVALUATION_SAMPLE_NOT_FOUND"
    assert registry.stub.ListEvaluationSamples(epb.ListEvaluationSamplesRequest()).total_size == 1
    assert sweep_samples(registry.running.service.evidence) == 1
    assert len(blobs(tmp_path) - before) == 2
    again = registry.put_sample(rows_of(a_target_table())).sample
    assert again.id != sample.id


def test_unreadable_rows_are_kept_in_place(registry: SmallRegistry) -> None:
    vectors = pa.array(
        [[1.0, 0.0, 2.0], None, [0.5, float("nan"), 1.0], [0.0, 1.0, 1.0]] * 5, pa.list_(pa.float32(), 3)
    )
    table = pa.table({"vector": vectors})
    space = default_space(open_dataset(table))
    registry.running.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=space.document))
    answer = registry.put_sample(rows_of(table))
    assert answer.sample.row_count == 20
    assert Signature.from_bytes(answer.signature.data).row_count == 10


def test_a_target_of_one_row_is_stored(registry: SmallRegistry) -> None:
    answer = registry.put_sample(rows_of(a_target_table(1)))
    assert answer.sample.row_count == 1


GOOD = rows_of(make_table(0.0, 30))


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"digest": "00" * 32}, "INVALID_ARGUMENT", "DIGEST_MISMATCH"),
        ({"digest": "xyz"}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"size_bytes": len(GOOD) + 1}, "INVALID_ARGUMENT", "DIGEST_MISMATCH"),
        ({"size_bytes": 0}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"size_bytes": 1 << 40}, "RESOURCE_EXHAUSTED", "TOO_LARGE"),
        ({"kind": 0}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"content": 0}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"content": POINTS}, "INVALID_ARGUMENT", "INVALID_DATA"),
        ({"keep": Duration(seconds=31 * 86_400)}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"label_column": "label"}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"dataset": rpb.DatasetReference(name="near-data")}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"kind": VALIDATION, "label_column": "label"}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        (
            {"kind": VALIDATION, "dataset": rpb.DatasetReference(name="near-data")},
            "INVALID_ARGUMENT",
            "INVALID_FIELD",
        ),
        (
            {"kind": VALIDATION, "dataset": rpb.DatasetReference(name="none"), "label_column": "label"},
            "NOT_FOUND",
            "DATASET_NOT_FOUND",
        ),
        (
            {"kind": VALIDATION, "dataset": rpb.DatasetReference(name="near-data"), "label_column": "none"},
            "INVALID_ARGUMENT",
            "INVALID_DATA",
        ),
    ],
)
def test_wrong_headers_are_refused(
    idle: SmallRegistry, tmp_path: Path, fields: dict[str, Any], code: str, reason: str
) -> None:
    found = refusal(lambda: idle.put_sample(GOOD, **fields))
    assert (found.code, found.reason) == (code, reason), found.message
    nothing_is_there(idle)


def test_a_tokens_samples_take_no_more_than_its_quota(tmp_path: Path, database: Database) -> None:
    target, other = rows_of(a_target_table()), rows_of(a_target_table(20))
    quota = str(len(GOOD) + len(target))
    with service_in_process(tmp_path, database, evaluation_sample_quota_bytes=quota) as running:
        registry = fill_registry(running, tmp_path)
        validation = registry.put_validation_sample(GOOD)
        registry.put_sample(target, keep=Duration(seconds=3600))
        before = blobs(tmp_path)
        found = refusal(lambda: registry.put_sample(other))
        assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
        assert f"take {quota} bytes" in found.message
        assert blobs(tmp_path) == before
        assert registry.put_sample(target).sample.size_bytes == len(target), "what is there is kept longer"
        registry.stub.DeleteEvaluationSample(epb.DeleteEvaluationSampleRequest(sample_id=validation.id))
        assert registry.put_sample(other).sample.size_bytes == len(other)


def test_a_quota_of_0_is_none(tmp_path: Path) -> None:
    with service_in_process(tmp_path, evaluation_sample_quota_bytes="0") as running:
        registry = fill_registry(running, tmp_path)
        assert registry.put_sample(GOOD).sample.size_bytes == len(GOOD)


def table_of(**columns: Any) -> bytes:
    return rows_of(pa.table(columns))


def with_metadata(data: pa.Table, digest: str) -> bytes:
    return rows_of(data.replace_schema_metadata({"msearch.space_digest": digest}))


def list_of(size: int, kind: pa.DataType, rows: int = 10) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(size * rows), kind), size)


@pytest.mark.parametrize(
    ("data", "content", "code", "words"),
    [
        (b"\xff\xff\xff\xff\x08\x00\x00\x00nonsense", ROWS, "INVALID_ARGUMENT", "not a sound Arrow IPC stream"),
        (GOOD[:-40], ROWS, "INVALID_ARGUMENT", "cannot be read"),
        (GOOD + b"more", ROWS, "INVALID_ARGUMENT", "bytes follow the end"),
        (table_of(strange=[1.0, 2.0, 3.0], columns=[1, 2, 3]), ROWS, "NOT_FOUND", "no feature space is registered"),
        (table_of(image=[b"no image"] * 9), ROWS, "INVALID_ARGUMENT", "none of the 9 rows can be read"),
        (rows_of(make_table(0.0, 30).slice(0, 0)), ROWS, "INVALID_ARGUMENT", "no rows"),
        (table_of(point=[[1]]), POINTS, "INVALID_ARGUMENT", "msearch.space_digest"),
        (with_metadata(pa.table({"point": [[1]]}), "ab" * 32), POINTS, "NOT_FOUND", "is registered"),
    ],
)  # fmt: skip
def test_bytes_that_are_not_what_they_say_are_refused(
    idle: SmallRegistry, data: bytes, content: int, code: str, words: str
) -> None:
    found = refusal(lambda: idle.put_sample(data, content=content))
    assert (found.code, words in found.message) == (code, True), found.message
    nothing_is_there(idle)


def test_points_must_fit_their_space(idle: SmallRegistry) -> None:
    size, digest = idle.space.dimension, idle.space.digest
    for made, words in (
        (pa.table({"x": [1]}), "must have the column 'point'"),
        (pa.table({"point": list_of(size + 1, pa.int16())}), "must hold fixed_size_list"),
        (pa.table({"point": list_of(size, pa.int32())}), "must hold fixed_size_list"),
        (pa.table({"point": pa.array([[None] * size], pa.list_(pa.int16(), size))}), "missing value"),
        (pa.table({"point": pa.array([None] * 5, pa.list_(pa.int16(), size))}), "none of the 5 rows"),
    ):
        data = with_metadata(made, digest)
        found = refusal(lambda data=data: idle.put_sample(data, content=POINTS))
        assert (found.reason, words in found.message) == ("INVALID_DATA", True), found.message
    nothing_is_there(idle)


def test_messages_in_the_wrong_order_are_refused(idle: SmallRegistry) -> None:
    first, *rest = sample_messages(GOOD)
    for messages in ([], rest, [first, first]):
        found = refusal(lambda messages=messages: idle.stub.PutEvaluationSample(iter(messages)))
        assert found.code == "INVALID_ARGUMENT"
    nothing_is_there(idle)


def nothing_is_there(registry: SmallRegistry) -> None:
    assert registry.stub.ListEvaluationSamples(epb.ListEvaluationSamplesRequest()).total_size == 0


def blobs(folder: Path) -> set[Path]:
    return {path for path in (folder / "blobs").rglob("*") if path.is_file()}
