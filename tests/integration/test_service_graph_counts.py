"""Real files of models, counted in a process of its own when their first job is submitted over a real socket."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from msearch.v1 import benchmark_service_pb2 as bpb
from msearch.v1 import profiling_service_pb2 as jpb
from msearch_running.counting import count_apart
from search_service.artifacts.graph_counting import GraphCounter
from search_service.domain.graph_counts import GraphCounts
from search_service.storage import open_blob_store
from tests.fake_agent import a_spec
from tests.service_in_process import chunk, header, service_in_process, upload
from tests.small_zoo import make_card, write_net

BENCHMARK = """
name: sizes
generate:
  - {family: mlp, layers: [2, 4], width: 64}
software: {backend: onnxruntime}
loads: [single_stream]
"""


def test_the_first_job_of_a_model_has_it_counted(tmp_path: Path) -> None:
    write_net(tmp_path / "net.onnx")
    data = (tmp_path / "net.onnx").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    counter = GraphCounter(open_blob_store(str(tmp_path / "blobs")), tmp_path)
    with service_in_process(tmp_path, count_graphs=counter) as running:
        announced = upload(digest=digest, size_bytes=len(data))
        messages = iter([header(json.dumps(make_card("net")), upload=announced), chunk(data)])
        model = running.registry.RegisterModel(messages).model
        with running.database.begin() as unit:
            assert unit.graph_counts.get_many([digest]) == {}
        spec = a_spec("onnxruntime", model_id=model.id)
        running.profiling.SubmitJob(jpb.SubmitJobRequest(spec=spec, allow_waiting=True))
        counted = count_apart(tmp_path / "net.onnx")
        with running.database.begin() as unit:
            found = unit.graph_counts.get_many([digest])[digest]
    assert found == GraphCounts(
        parameters=counted.parameters, operators=counted.operator_count, flops=counted.flops,
        activation_bytes=counted.activation_bytes, detail=counted.flops_detail,
    )  # fmt: skip
    assert found.flops
    assert not list(tmp_path.glob("counting-*"))


def test_what_is_no_model_is_remembered_with_the_reason_and_what_is_gone_is_not(tmp_path: Path) -> None:
    blobs = open_blob_store(str(tmp_path / "blobs"))
    write_net(tmp_path / "net.onnx")
    contents = [b"no model", (tmp_path / "net.onnx").read_bytes()]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    for digest, content in zip(digests, contents, strict=True):
        writer = blobs.upload(digest, len(content))
        writer.write(content)
        writer.finish()
    found = GraphCounter(blobs, tmp_path)([*digests, "ab" * 32])
    assert found.keys() == set(digests)
    assert (found[digests[0]].flops, "ONNX" in found[digests[0]].detail) == (None, True)
    assert found[digests[1]].flops


def test_without_onnx_nothing_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = open_blob_store(str(tmp_path / "blobs"))
    writer = blobs.upload(hashlib.sha256(b"x").hexdigest(), 1)
    writer.write(b"x")
    writer.finish()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert GraphCounter(blobs)([hashlib.sha256(b"x").hexdigest()]) == {}


def test_the_models_of_a_benchmark_are_counted_together(tmp_path: Path) -> None:
    counter = GraphCounter(open_blob_store(str(tmp_path / "blobs")), tmp_path)
    with service_in_process(tmp_path, count_graphs=counter) as running:
        request = bpb.SubmitExperimentRequest(document=BENCHMARK, allow_waiting=True)
        running.benchmarks.SubmitExperiment(request)
        with running.database.begin() as unit:
            digests = [model.artifact.digest for model in unit.models.scan()]
            found = unit.graph_counts.get_many(digests)
    assert len(found) == 2
    assert len({counts.flops for counts in found.values()}) == 2
