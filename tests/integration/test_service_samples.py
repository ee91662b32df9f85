"""Samples of datasets over a real socket: stored, replaced, fetched by the agent, removed, refused."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from msearch.v1 import agent_service_pb2 as gpb
from msearch.v1 import profiling_service_pb2 as jpb
from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import types_pb2
from search_service.api import samples
from search_service.domain.ports import Database
from tests.fake_agent import FakeAgent, a_spec
from tests.service_in_process import Refusal, Running, card, new_dataset, refused, register, service_in_process
from tests.signatures import SPACE, family

SIGNATURE = family(np.random.default_rng(3), 1)[0]


def stream_of(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=10)
    return sink.getvalue()


def a_table(rows: int = 25, start: int = 0) -> pa.Table:
    return pa.table({"x": list(range(start, start + rows)), "label": ["a", "b", "c", "d", "e"] * (rows // 5)})


DATA = stream_of(a_table())


@pytest.fixture
def running(tmp_path: Path, database: Database) -> Iterator[Running]:
    """On each kind of database, with one dataset."""
    with service_in_process(tmp_path, database) as service:
        yield prepared(service)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that no test changes."""
    with service_in_process(tmp_path_factory.mktemp("idle")) as service:
        yield prepared(service)


def prepared(service: Running) -> Running:
    service.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=SPACE.document))
    service.registry.RegisterDataset(rpb.RegisterDatasetRequest(dataset=new_dataset("d", SIGNATURE)))
    return service


def header_for(data: bytes, name: str = "d", **sample: Any) -> rpb.PutDatasetSampleRequest:
    values = {
        "digest": hashlib.sha256(data).hexdigest(), "size_bytes": len(data), "row_count": 25, "label_column": "label",
    }  # fmt: skip
    described = types_pb2.DatasetSample(**(values | sample))
    dataset = rpb.DatasetReference(name=name) if name else rpb.DatasetReference()
    return rpb.PutDatasetSampleRequest(header=rpb.PutDatasetSampleRequest.Header(dataset=dataset, sample=described))


def pieces(data: bytes, size: int = 100) -> list[rpb.PutDatasetSampleRequest]:
    return [rpb.PutDatasetSampleRequest(chunk=data[start : start + size]) for start in range(0, len(data), size)]


def put(running: Running, data: bytes = DATA, **sample: Any) -> types_pb2.Dataset:
    messages = iter([header_for(data, **sample), *pieces(data)])
    dataset: types_pb2.Dataset = running.registry.PutDatasetSample(messages).dataset
    return dataset


def get(running: Running) -> types_pb2.Dataset:
    reference = rpb.DatasetReference(name="d")
    dataset: types_pb2.Dataset = running.registry.GetDataset(rpb.GetDatasetRequest(dataset=reference)).dataset
    return dataset


def blobs_of(folder: Path) -> list[str]:
    return [path.name for path in (folder / "blobs").rglob("*") if path.is_file()]


def test_a_sample_is_stored_replaced_and_removed(running: Running, tmp_path: Path) -> None:
    assert not get(running).HasField("sample")
    first = put(running)
    assert first == get(running)
    assert (first.sample.digest, first.sample.size_bytes) == (hashlib.sha256(DATA).hexdigest(), len(DATA))
    assert (first.sample.row_count, first.sample.label_column) == (25, "label")
    assert len(blobs_of(tmp_path)) == 1
    assert put(running) == first  # the same again changes nothing
    other = stream_of(a_table(50, 7))
    second = put(running, other, row_count=50, label_column="")
    assert (second.sample.row_count, second.sample.label_column) == (50, "")
    assert second.revision == first.revision + 1
    assert len(blobs_of(tmp_path)) == 1
    for _ in range(2):
        running.registry.DeleteDatasetSample(rpb.DeleteDatasetSampleRequest(dataset=rpb.DatasetReference(name="d")))
        assert not get(running).HasField("sample")
    assert blobs_of(tmp_path) == []


def test_a_sample_goes_with_its_dataset(running: Running, tmp_path: Path) -> None:
    put(running)
    running.registry.DeleteDataset(rpb.DeleteDatasetRequest(dataset=rpb.DatasetReference(name="d")))
    assert blobs_of(tmp_path) == []


def test_an_agent_fetches_the_sample_of_its_job(running: Running) -> None:
    dataset = put(running)
    model = register(running, card("m"), dataset_id=dataset.id)
    agent = FakeAgent(running.agents).register()
    request = jpb.SubmitJobRequest(spec=a_spec(), model=rpb.ModelReference(id=model.id))
    running.profiling.SubmitJob(request)
    acquired = agent.acquire()
    assert acquired.sample == dataset.sample
    assert b"".join(agent.fetch(acquired.lease, gpb.FetchForJobRequest.PART_SAMPLE)) == DATA


def test_compressed_streams_are_read(running: Running) -> None:
    data = stream_of(a_table(), compression="zstd")
    assert put(running, data).sample.row_count == 25


def corrupt_offsets() -> bytes:
    """A stream whose strings have offsets that run backwards."""
    offsets = pa.py_buffer(np.array([0, 9, 3, 12], np.int32).tobytes())
    broken = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"abcdefghijkl"))
    batch = pa.RecordBatch.from_arrays([broken], ["label"])
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


WRONG: dict[str, tuple[bytes, dict[str, Any], str, str, str]] = {
    "too few rows": (DATA, {"row_count": 24}, "INVALID_ARGUMENT", "INVALID_DATA", "sample.row_count"),
    "no such column": (DATA, {"label_column": "y"}, "INVALID_ARGUMENT", "INVALID_DATA", "sample.label_column"),
    "noise": (bytes(range(256)), {}, "INVALID_ARGUMENT", "INVALID_DATA", "chunk"),
    "cut short": (DATA[:-200], {}, "INVALID_ARGUMENT", "INVALID_DATA", "chunk"),
    "two streams": (DATA + DATA, {}, "INVALID_ARGUMENT", "INVALID_DATA", "chunk"),
    "corrupt offsets": (corrupt_offsets(), {"row_count": 3}, "INVALID_ARGUMENT", "INVALID_DATA", "chunk"),
    "a pickle": (b"\x80\x04]\x94.", {}, "INVALID_ARGUMENT", "INVALID_DATA", "chunk"),
    "other digest": (DATA, {"digest": "ab" * 32}, "INVALID_ARGUMENT", "DIGEST_MISMATCH", ""),
    "digest is none": (DATA, {"digest": "abc"}, "INVALID_ARGUMENT", "INVALID_FIELD", "sample.digest"),
    "more bytes": (DATA, {"size_bytes": len(DATA) - 1}, "INVALID_ARGUMENT", "DIGEST_MISMATCH", ""),
    "fewer bytes": (DATA, {"size_bytes": len(DATA) + 1}, "INVALID_ARGUMENT", "DIGEST_MISMATCH", ""),
    "no bytes": (b"", {}, "INVALID_ARGUMENT", "INVALID_FIELD", "sample.size_bytes"),
    "too many bytes": (DATA, {"size_bytes": (64 << 20) + 1}, "RESOURCE_EXHAUSTED", "TOO_LARGE", ""),
    "no rows": (DATA, {"row_count": 0}, "INVALID_ARGUMENT", "INVALID_FIELD", "sample.row_count"),
    "no dataset": (DATA, {"name": ""}, "INVALID_ARGUMENT", "INVALID_FIELD", "dataset"),
    "unknown dataset": (DATA, {"name": "none"}, "NOT_FOUND", "DATASET_NOT_FOUND", ""),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_sample_that_is_not_what_it_says_is_refused(idle: Running, case: str) -> None:
    data, changes, code, reason, path = WRONG[case]
    with refused() as caught:
        idle.registry.PutDatasetSample(iter([header_for(data, **changes), *pieces(data)]))
    answer: Refusal = caught[0]
    assert (answer.code, answer.reason) == (code, reason)
    if path:
        assert list(answer.fields) == [path]
    assert not get(idle).HasField("sample")
    assert list(idle.blobs.digests()) == []


def test_chunks_follow_the_header(idle: Running) -> None:
    for messages, path in (
        ([], "header"),
        (pieces(DATA), "header"),
        ([header_for(DATA), header_for(DATA)], "chunk"),
        ([header_for(DATA), rpb.PutDatasetSampleRequest()], "chunk"),
    ):
        with refused() as caught:
            idle.registry.PutDatasetSample(iter(messages))
        assert list(caught[0].fields) == [path]
    assert list(idle.blobs.digests()) == []


def test_a_batch_that_swells_is_refused(idle: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of a few kilobytes may be a gigabyte in memory."""
    monkeypatch.setattr(samples, "LARGEST_BATCH_IN_MEMORY_BYTES", 1 << 20)
    sink = io.BytesIO()
    table = pa.table({"x": np.zeros(1 << 18)})
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    data = sink.getvalue()
    assert len(data) < 1 << 16
    with refused() as caught:
        put(idle, data, row_count=1 << 18, label_column="")
    assert (caught[0].code, caught[0].reason) == ("RESOURCE_EXHAUSTED", "TOO_LARGE")
